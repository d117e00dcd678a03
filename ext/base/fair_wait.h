// FairWait: waiting for the write lock such that everybody gets it.
//
//   FairWait wait(db);
//   WF_TRY(wait.until([&] { return take_lock(db); }));
//
// SQLite's own busy handler sleeps longer the longer it has waited: whoever has just come looks most often, and under load some wait for seconds. Where
// the application has set a busy timeout (sqlite3_busy_timeout, PRAGMA busy_timeout), a handler of ours with short sleeps that do not grow stands in for
// SQLite's, for that time in all, as long as the FairWait lives; then the timeout is put back as it was. A handler of the application's own, or none, is
// left alone. So it stands around those statements alone that take a lock, none of which runs any code of the application's.
//
// An interrupt is seen by a statement that begins, not by one that waits: so a waiting one gives up now and then, and is stepped again.
#pragma once

#include "base/callback.h"
#include "base/db.h"

namespace wf {

class FairWait {
 public:
  // What is going to be waited for: the write lock; or, by a COMMIT where there is no WAL, the end of those that read.
  enum class For : bool { lock, commit };

  explicit FairWait(Db& db, For what = For::lock);
  FairWait(const FairWait&) = delete;
  FairWait& operator=(const FairWait&) = delete;
  ~FairWait();

  // Runs `take`, which gives a Status, until it has its lock or has waited to the end.
  Status until(const Doing& take);
  // Whether a COMMIT behind this may have to wait, too.
  bool commit_waits() const { return commit_waits_; }

 private:
  void ask(For what);
  bool again(int rc);

  Db& db_;
  Waiting& w_;
  int timeout_ = 0;  // SQLite's own, that is put back
  bool was_sliced_;
  bool looks_ = false;  // for others, once the lock was got
  bool commit_waits_ = false;
};

}  // namespace wf
