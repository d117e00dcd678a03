#include "scripts/advance.h"

#include "base/scope.h"
#include "engine/lane.h"
#include "engine/trouble.h"
#include "scripts/step_outcome.h"

namespace wf {
namespace {

constexpr Millis kUnfitAgain = 1000;  // when a statement that does not compile here is looked at again

// Looks at one workflow, step by step.
class Turn {
 public:
  // `inside`: the caller holds a write scope, and gives up all that was done in it once a step has failed.
  Turn(Db& db, Scripts& scripts, int64_t seq, Millis now, bool inside) : db_(db), scripts_(scripts), a_(db, scripts, seq, now), inside_(inside) {}

  // Executes the next step. `locked`: as of WriteScope; `last`: it has had its turn with this step.
  Status take(bool locked, bool last, bool* moved, bool* executed) {
    WriteScope scope(db_);
    const bool callers = inside_ || !db_.autocommit();  // the transaction is not ours
    if (!inside_) WF_TRY(scope.begin(Inline::refused, "wf_run", locked));
    bool changed;
    WF_TRY(scripts_.check_schema(&changed));
    if (changed) next_ = -1;
    a_.clear();
    fresh_ = false;
    // What was found out before holds as long as nobody else has written. Behind the write lock nobody can.
    if (next_ >= 0 && db_.data_version() == version_) go_to(next_);
    else WF_TRY(look());
    next_ = -1;
    *moved = *executed = false;
    if (!live_) return scope.commit();
    if (a_.program == nullptr) {
      WF_TRY(suspend(a_, State::pending, later(a_.now, kUnfitAgain)));
      return scope.commit();
    }
    if (a_.again) WF_TRY(begin_attempt(a_));
    if (unbegun_ && !a_.ending && a_.definition().is_line()) go_to(0);
    unbegun_ = false;
    if (!a_.row.is_there()) {
      WF_TRY(settle(a_, &fresh_));
      if (fresh_) WF_TRY(look());
    }
    if (!a_.row.is_there()) return scope.commit();
    if (a_.row.unwritten && (a_.step().action != Action::sql || a_.step().has(Role::for_each) || a_.step().has(Role::loop))) {
      fresh_ = true;
      WF_TRY(a_.rows.make(a_.row, a_.kind()));
    }
    *moved = *executed = true;
    Upshot upshot;
    WF_TRY(execute(a_, &upshot));
    if (!db_.autocommit()) {
      Status followed = follow(a_, upshot, &next_);
      if ((followed.rc() & 0xff) == SQLITE_TOOBIG) a_.fail("sql", followed.message());  // its result
      else WF_TRY(static_cast<Status&&>(followed));
    }
    if (db_.autocommit()) {  // a trigger of which EXPLAIN says nothing has said ROLLBACK
      WF_TRY(a_.facts.load());
      if (callers) {
        return Status::error(Code::state, "step '%.*s' of workflow '%.*s' has rolled back the transaction", WF_SV(a_.row.name.view()),
                             WF_SV(a_.facts.id()));
      }
      if (!a_.failed) a_.fail("sql", "it has rolled back the transaction");
    }
    if (a_.undone()) return {};  // the scope is rolled back, and with it what the statement did
    if (last) WF_TRY(stand_behind(a_));
    Status status = scope.commit();
    version_ = db_.data_version();  // our own commit has changed it, too
    if ((status.rc() & 0xff) != SQLITE_CONSTRAINT) return status;
    a_.fail("sql", status.message());  // a foreign key that is checked at the end
    return {};
  }

  // The next step gets a row where it can be seen that it is the next. (Else whoever looks finds out anew.)
  Status leave() {
    if (next_ < 0) return {};
    WriteScope scope(db_);
    if (!inside_) WF_TRY(scope.begin(Inline::refused, "wf_run"));
    if (db_.data_version() == version_) {
      go_to(next_);
      WF_TRY(a_.rows.make(a_.row, a_.kind()));
    }
    next_ = -1;
    return scope.commit();
  }

  bool inside() const { return inside_; }
  // Whether the workflow is over, and there is no need to look again.
  bool ended() const { return a_.ended; }

  // After take() was rolled back: what is left of the step is the record of its failure, or why it cannot run here.
  bool undone() const { return a_.undone(); }
  Status record_failure(bool last, bool* moved, bool* executed) {
    WriteScope scope(db_);
    WF_TRY(scope.begin(Inline::refused, "wf_run"));
    *moved = true;  // also where it is put off: others may be done before it is looked at again
    *executed = a_.failed;
    next_ = -1;
    // Others may have come between.
    bool changed;
    WF_TRY(a_.look_again(&changed));
    if (changed) return scope.commit();
    if (a_.again) WF_TRY(begin_attempt(a_));
    if (a_.row.unwritten) {
      WF_TRY(a_.rows.make(a_.row, a_.kind()));
    } else if (fresh_) {
      // The row itself was made in that scope, too.
      bool more;
      WF_TRY(settle(a_, &more));
      if (a_.ended) return scope.commit();
      WF_TRY(a_.rows.number(a_.row.name.view(), &a_.row.n));
    }
    bool unchanged;
    WF_TRY(a_.rows.is_unchanged(a_.row, &unchanged));
    if (!a_.error.ok()) return Status::no_memory();
    if (!unchanged) return scope.commit();  // someone else has been here meanwhile
    if (a_.unfit) WF_TRY(a_.rows.put_off(a_.row, later(a_.now, kUnfitAgain), a_.error.view()));
    else WF_TRY(follow_failure(a_));
    if (!a_.ended) WF_TRY(settle(a_, nullptr));
    if (last) WF_TRY(stand_behind(a_));
    return scope.commit();
  }

 private:
  // Reads what the workflow is and which row of it is to be looked at.
  Status look() {
    a_.row.clear();
    live_ = false;
    a_.facts.forget();
    Query q(db_, Sql::run_next);
    q.bind(":seq", a_.seq).bind(":now", a_.now);
    bool found;
    WF_TRY(q.next(&found));
    if (!found) return {};
    const State state = state_of(q.text(0));
    live_ = state == State::pending || state == State::waiting;
    a_.ending = q.integer(1) != 0;
    a_.again = q.integer(2) != 0;
    a_.retried = q.count(3) + a_.again > 1;
    a_.priority = q.integer(6);
    a_.queue = q.text(7);
    unbegun_ = q.integer(16) != 0;
    if (!live_) return {};
    const Name name(q.text(4)), version(q.text(5));
    if (!q.is_null(8)) WF_TRY(a_.row.read(q, 8));
    WF_TRY(scripts_.program(name.view(), version.view(), &a_.program));
    if (a_.program == nullptr || a_.row.n == 0) return {};
    const int64_t step = a_.definition().find(a_.row.step_name());
    if (step < 0) {
      return Status::error(Code::state, "step '%.*s' is not in its definition: the row was edited by hand", WF_SV(a_.row.name.view()));
    }
    a_.row.step = static_cast<size_t>(step);
    return {};
  }

  // To the next step, of which all is known but that it has no row yet.
  void go_to(int64_t step) {
    a_.row.clear();
    a_.row.step = static_cast<size_t>(step);
    a_.row.name = a_.step().name;
    a_.row.unwritten = true;
  }

  Db& db_;
  Scripts& scripts_;
  Attempt a_;
  const bool inside_;
  bool live_ = false;
  bool unbegun_ = false;    // no step has a row yet
  int64_t next_ = -1;       // the step that is known to be the next
  unsigned version_ = 0;    // of the file, when that was found out
  bool fresh_ = false;      // the row was put in line by this turn
};

// One step after the other, until the batch is full, nothing can be done, or the workflow is over. Inside the caller's scope it stops before
// a failure.
Status advance_by(Turn& turn, Db& db, const Batch& batch, int64_t* executed, bool* moved) {
  for (bool locked = !db.autocommit(); *executed < batch.steps && (*executed == 0 || db.wall_clock() < batch.until); locked = !db.autocommit()) {
    bool more = false, one = false;
    const bool last = *executed + 1 >= batch.behind;
    WF_TRY(turn.take(locked, last, &more, &one));
    if (turn.undone()) {
      if (turn.inside()) return {};
      WF_TRY(turn.record_failure(last, &more, &one));
    }
    *executed += one;
    *moved = *moved || more;
    if (!more || turn.ended()) break;
  }
  return turn.leave();
}

// In a transaction of the caller nothing is durable yet. A savepoint for each step would copy the same pages again and again; one for all of
// them does as well, as long as none fails. Not `*done`: one has, all are undone, and they are to be executed one by one.
Status advance_together(Db& db, Scripts& scripts, int64_t seq, Millis now, const Batch& batch, int64_t* executed, bool* moved, bool* done) {
  int64_t count = *executed;
  bool any = *moved;
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_run", true));
  Turn turn(db, scripts, seq, now, true);
  Status status = advance_by(turn, db, batch, &count, &any);
  *done = status.ok() && !turn.undone();
  if (!*done) return may_be_an_items_own(status) && !db.autocommit() ? Status() : static_cast<Status&&>(status);
  WF_TRY(scope.commit());
  *executed = count;
  *moved = any;
  return {};
}

}  // namespace

Status advance(Db& db, Scripts& scripts, int64_t seq, Millis now, const Batch& batch, int64_t* executed, bool* moved) {
  const bool transaction = !db.autocommit();
  if (transaction && batch.steps > 1) {
    bool done;
    WF_TRY(advance_together(db, scripts, seq, now, batch, executed, moved, &done));
    if (done) return {};
  }
  if (transaction && db.autocommit()) return Status::error(Code::state, "the transaction was rolled back, because nothing less could be");
  Turn turn(db, scripts, seq, now, false);
  return advance_by(turn, db, batch, executed, moved);
}

}  // namespace wf
