// What the folders above the engine bring to it, which is all that it knows of them: workflows of another kind, and other things that time
// makes due. Constant tables, connected to each connection where the extension is loaded (ext/wfext.cpp).
#pragma once

#include "base/db.h"
#include "base/json.h"

namespace wf {

struct Workflow;

// Takes what wf_check finds, one by one.
struct Findings {
  void (*add)(void* to, string_view problem, string_view where);
  void* to;
};
struct Prepared;  // a start under way, in start.h

// Workflows that no worker claims: something else advances them, and their steps are rows of another sort. Their lanes are of this kind's
// number, and they have the flag kOtherKind.
struct Kind {
  int64_t number;  // of lanes; 0 is that of workers
  // What is said of a workflow that is used as a worker would.
  const char* why_not;

  // Looks whether a new workflow is of this kind, checks it, and adds what was left open.
  Status (*prepare)(Db& db, Prepared* out);
  // A signal is about to be added: what waits for it is to be looked at.
  Status (*signalled)(Db& db, const Workflow& workflow, string_view signal, Millis now);
  // The steps that wait for a topic (_wf_waiter) are to be looked at: those of all workflows, or of the workflow `seq`, if that is not 0; then the
  // topic may be empty: any. And a workflow.
  Status (*wake_steps)(Db& db, string_view topic, int64_t seq, Millis now);
  Status (*wake)(Db& db, int64_t seq, int64_t lane, Millis now);
  // It ends, or goes into its second phase: what is open is given up.
  Status (*stop)(Db& db, const Workflow& workflow);
  // wf_retry: what had failed is to be done again, and what was undone, whose redo numbers (redo.h) it raises.
  Status (*retry)(Db& db, const Workflow& workflow);
  // Whether a step, which may be none, can be the one from which steps are dropped; WF_INVALID.
  Status (*check_from)(string_view step);
  // Drops the steps from `n` on, and raises their redo numbers.
  Status (*drop_steps)(Db& db, const Workflow& workflow, int64_t n);
  // Copies the steps to the workflow `seq`; `n`: up to this one, or kNoStep.
  Status (*fork_steps)(Db& db, const Workflow& workflow, int64_t seq, int64_t n);
  // The last workflow of a lane has gone, and the lane is about to.
  Status (*emptied)(Db& db, int64_t lane);

  // wf_export: its steps, in the columns of Sql::export_steps; and what it runs by, JSON, which goes along.
  Sql export_steps;
  Status (*show_definition)(Db& db, string_view name, string_view version, Text& out);
  // wf_import: sees to it that the file has that, and says under which version; WF_INVALID. Then, when all is written but for the rest of its
  // own rules: whether the steps can be, and what has to be looked at in this file.
  Status (*take_definition)(Db& db, string_view name, string_view version, json::Checked definition, Millis now, Name* here);
  Status (*imported)(Db& db, int64_t seq, Millis now);
  // wf_check: which of what it keeps by itself are none.
  Status (*check)(Db& db, const Findings& findings);
};
constexpr int64_t kNoStep = -1;

// Things that time makes due, apart from the work itself. Claims do them on the way, each in its own savepoint; what fails is noted and put off,
// and is no error.
struct Duty {
  // Does what is due, up to a bound of its own and `most` items; `*count`: how many; `*more`: a bound was met.
  Status (*run)(Db& db, Millis now, int64_t most, int64_t* count, bool* more);
  // Whether it would find something.
  Status (*is_due)(Db& db, Millis now, bool* out);
  // wf_recover with pause: nothing of it is due any more, until somebody says so.
  Status (*hold)(Db& db);
  Status (*check)(Db& db, const Findings& findings);
};

struct Above {
  const Kind* kind;
  const Duty* duty;
};

}  // namespace wf
