// Waking those who wait for a topic (_wf_waiter): an event, or the end of a workflow. One whose row cannot be written keeps neither the event nor the
// end from being recorded, and nobody else asleep: it is put off (trouble.h), and woken by whoever does what time has made due.
#pragma once

#include "engine/settings.h"

namespace wf {

// One who waits for a topic, and under which step.
struct Waiter {
  int64_t seq = 0;
  int64_t lane = 0;
  bool other_kind = false;
  Value key = Value::text({});  // of whatever type a hand edit has made it, or it would not be found again
  Text held;                    // its bytes
};

// The next one after `*waiter`, whose key and number are where to begin: none at first.
Status next_waiter(Db& db, string_view topic, Waiter* waiter, bool* found);

// What waking it has come to: an error that may be its own puts it off. `has_transaction`: there was one before.
Status unless_its_own(Db& db, int64_t seq, bool has_transaction, Status woken, Millis now);

// Wakes all who wait for an event that is about to be recorded.
Status wake_all(Db& db, string_view topic, Millis now);

// Wakes those that are put off and have not been woken yet. A wake-up for nothing does no harm.
Status wake_asleep(Db& db, Millis now);
// Whether there are any.
Status is_one_asleep(Db& db, Millis now, bool* out);

}  // namespace wf
