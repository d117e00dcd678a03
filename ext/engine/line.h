// The line of those who wait for shares of a limit: its turn comes by time. Each is due when the window has room for all who are waited for
// before it, and itself, if each of them takes its share when it is due: so nobody need wake the next one, and no more are woken than there are
// shares. A share is given in the call that tells of it, never kept for anyone; who finds none then waits on in its place. Who does not come
// for a while once it is due (its worker is dead, it is paused) is not waited for any more, and keeps its place.
#pragma once

#include "engine/share.h"

namespace wf {

// Whether there is a share for the row, which need not be in line; or it need not wait: its limit has been taken away, or is less than it asks for.
Status look_for_share(Db& db, int64_t seq, const WaitRow& row, Millis now, Came* came);

// Gives it to the row, as look_for_share() has found it; WF_INVALID: the limit is less than it asks for.
Status take_share(Db& db, int64_t seq, const WaitRow& row, const Came& came, Millis now);
void show_share(const Awaited& thing, const Came& came, Text& out);

// Whether the row of a workflow that a claim has come to would find a share. Then it is waited for from now on.
Status call_for_share(Db& db, int64_t seq, const WaitRow& row, Millis now, bool* called);

// Puts the row in line, or lets it stand there, and says in row->call when its time comes; of one that would find a share, and has not asked, a
// while later.
Status stand_in_line(Db& db, int64_t seq, WaitRow* row, Millis now);

// It waits no more; with no step the whole workflow. Those behind it move up.
Status leave_line(Db& db, int64_t seq, string_view step, Millis now);
Status leave_lines(Db& db, int64_t seq, Millis now);

// The limit has become another, or is none any more: those who wait under one key and may come earlier are told.
Status hasten_line(Db& db, const ShareOf& line, Millis now);

// WF_NOT_FOUND: there is no such limit; WF_INVALID: it is less than what is asked for, or the things cannot be a share.
Status check_share(Db& db, const Awaited& thing);

}  // namespace wf
