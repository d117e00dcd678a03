// What time has made due and cannot be done. One bad item never holds up the rest: each is done in a savepoint of its own, and one that
// fails is noted in a table of its own (its workflow's row may be the very thing that cannot be written), put off with a growing pause,
// and tried again. Until then everyone looks past it: claims, wf_wait, wf_ready. Fragment put_off in sql/base/fragments.sql is that rule.
#pragma once

#include "base/callback.h"
#include "base/scope.h"
#include "base/time.h"

namespace wf {

// How a workflow is to be ended that could not be when what it belongs to was.
enum class Ends : char { no, cancelled, by_force };

// A workflow by its number, or a schedule by its name.
struct Item {
  Item(int64_t number, string_view name, Ends how = Ends::no, string_view why = {}) : workflow(number), schedule(name), ends(how), reason(why) {}

  int64_t workflow;
  string_view schedule;
  Ends ends;              // it is to be ended, and nobody's to claim until it is
  string_view reason;     // with this error, JSON; nothing: none
};

constexpr Millis kLongestPause = 300000;  // 1 s, 2 s, 4 s ... up to this

// Whether an error may be the fault of one item: others (an interrupt, a failing disk) are the caller's to know.
bool may_be_an_items_own(const Status& failed);

// Notes why the item could not be done, and puts it off, by `longest` at most. `failed` comes back if it is not the item's own fault, or the
// transaction is gone (see past_rollbacks()): the call has one of its own or of the caller's, unless it runs within a statement that writes.
Status put_off(Db& db, const Item& item, Status failed, Millis now, Millis longest, bool has_transaction = true);

// The same, but of a value that is longer than this connection may read or write: others may, so it is passed over on this connection alone.
Status pass_over(Db& db, const Item& item, Status failed, Millis now);

// Notes what a rollback has taken along; not `*again`: it was the same item as before, and noting it has not helped.
Status note_taken_along(Db& db, const char* function, bool* again);

// A trigger that says RAISE(ROLLBACK) takes the note along, with the transaction. Does `call`, a function without arguments that returns a Status and
// that puts off; where its own transaction is gone so, the item is noted by itself, and the call begins anew and looks past it. (In a transaction of the
// caller's its end is the trigger's will, and the call fails; the next one that has none gets past it.)
Status past_rollbacks(Db& db, const char* function, const Doing& call);

// The item was done, or was changed by someone: nothing is held against it any more. `*had`: there was something. A lane that has looked past a workflow has to
// expect it again: lane_expect().
Status forget_trouble(Db& db, const Item& item, bool* had);
// One of several has rolled everything back, in a statement for all of them: the call begins anew, and looks at each. Gives `failed` back.
Status one_by_one(Db& db, Status failed);

// Whether a call that has begun anew (past_rollbacks) is to look past this workflow: it is put off, of those that are to be `ended`.
Status looks_past(Db& db, int64_t workflow, Millis now, bool* out, bool ended = false);
// Whether anything is put off, or was: where it is not, nobody has to look past it. `*due`: some of it is to be tried again.
Status find_troubles(Db& db, Millis now, bool* any, bool* due);
// Forgets what is not due any more: others have done it meanwhile.
Status sweep_troubles(Db& db, Millis now);

// Does `act` in a savepoint, which is undone if it fails.
Status in_savepoint(Db& db, const char* function, const Doing& act);

// Does `act` for this item. Not `*done`: it has failed, and was put off, by `longest` at most (a reference: `act` may find it out).
Status attempt(Db& db, const char* function, const Item& item, Millis now, const Doing& act, const Millis& longest, bool* done);
inline Status attempt(Db& db, const char* function, const Item& item, Millis now, const Doing& act, bool* done) {
  return attempt(db, function, item, now, act, kLongestPause, done);
}

}  // namespace wf
