// Shares of limits for calls (wf_rate). A limit gives at most so many in any period of its length, under each key for itself. What was given
// is kept as long as it counts, with the sum of all before it, so that a look costs the same however many there are.
#pragma once

#include "engine/wait_row.h"

namespace wf {

struct Limit {
  int64_t limit = -1;        // shares in any period
  Millis per = kNoTime;      // of this length
};
Status read_limit(Db& db, string_view name, bool* exists, Limit* out);

// What a wait for a share waits for.
struct ShareOf {
  Name rate, key;            // no key: empty
  int64_t amount = 1;
};
// False: it cannot be one.
bool read_share(const Awaited& thing, ShareOf* out);
// Columns topics and how of its step.
void add_topics(const ShareOf& share, Text& out);
void add_how(int64_t amount, bool keep, Text& out);
// What was given at that time, as members of an object.
void add_share(const ShareOf& share, Millis at, Text& out);

// A window as it is now. Shares of the future, which a wrong clock has given, count as if they were given now.
struct Window {
  bool exists = false;       // there is such a limit
  int64_t limit = 1;
  Millis per = 1;
  int64_t given = 0;         // in all
  int64_t before = 0;        // of them, before the window
  Millis last_at = kNoTime;
  bool has_line = false;

  bool has_room(int64_t n) const { return n <= limit - (given - before); }
  // Who is due and does not come is waited for so long.
  Millis grace() const { return per < 30000 ? per : 30000; }
};
Status look_at_window(Db& db, const ShareOf& share, Millis now, Window* out);

// When there will be room for `n`, which is at most the limit, and for which there is none now.
Status when_room(Db& db, const ShareOf& share, const Window& window, int64_t n, Millis now, Millis* at);

// Gives a share, which is spent from then on. `given`: how many were given before.
Status give_share(Db& db, const ShareOf& share, int64_t given, Millis now);
// Clears away some of those that count no more, of this key and of the next one: every so many shares.
constexpr int64_t kBetweenPrunes = 16;
Status prune_shares(Db& db, const ShareOf& share, Millis now);

// Cuts the times of those that were given later than now to now.
Status cut_later_shares(Db& db, const ShareOf& share, const Window& window, Millis now);

}  // namespace wf
