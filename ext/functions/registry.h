// The registry: one entry per SQL function. By it they are registered and their options checked (invoke.h), the table wf_functions is filled and
// docs/reference.md made (reference.h). To add a function, add its entry and write its implementation: CONTRIBUTING.md walks through it.
#pragma once

#include <span>

#include "base/status.h"
#include "base/text.h"
#include "functions/option.h"

namespace wf {

class Call;

enum FunctionFlag : unsigned {
  kWrites = 1,
  kNotInWritingStatement = 2,  // WF_CONTEXT there
  kRepeats = 4,                // not idempotent as it stands: `repeats` says when it is
  kDirectOnly = 8,             // not from triggers and views
  kInnocuous = 16,             // also from triggers and views of an untrusted schema
  kBulk = 64,                  // takes a JSON array of ids, which is kNotInWritingStatement
  kFileless = 32,              // works whatever the file holds
};

// Its texts stand one after the other, and it knows where: pointers would have to be relocated when the library is loaded.
class Function {
 public:
  const char* name() const { return text(name_); }
  const char* arguments() const { return text(arguments_); }   // as shown: "name [, input]", without options
  const char* summary() const { return text(summary_); }       // one sentence: what it does and returns
  const char* repeats() const { return text(repeats_); }       // whether a repeated call is safe: "yes", or under what condition

  std::span<const Option> options;
  Status (*run)(Call& call);
  unsigned char flags;
  signed char min_args, max_args;  // options included

 private:
  friend struct PackedRegistry;
  static const char* text(unsigned short place);

  unsigned short name_, arguments_, summary_, repeats_;
};

// All functions, in the order in which they are explained.
std::span<const Function> functions();
// Those that the engine's own statements call, and nobody else.
std::span<const Function> own_functions();

// Implementations, in the other files of this folder.
Status wf_start(Call&);
Status wf_claim(Call&);
Status wf_step(Call&);
Status wf_complete(Call&);
Status wf_continue(Call&);
Status wf_fail(Call&);
Status wf_heartbeat(Call&);
Status wf_release(Call&);
Status wf_status(Call&);
Status wf_result(Call&);
Status wf_error(Call&);
Status wf_key(Call&);
Status wf_sleep(Call&);
Status wf_signal(Call&);
Status wf_await(Call&);
Status wf_emit(Call&);
Status wf_await_event(Call&);
Status wf_spawn(Call&);
Status wf_join(Call&);
Status wf_wait_any(Call&);
Status wf_acquire(Call&);
Status wf_begin(Call&);
Status wf_resolve(Call&);
Status wf_set(Call&);
Status wf_get(Call&);
Status wf_append(Call&);
Status wf_tag(Call&);
Status wf_trim(Call&);
Status wf_cancel(Call&);
Status wf_pause(Call&);
Status wf_resume(Call&);
Status wf_retry(Call&);
Status wf_reschedule(Call&);
Status wf_delete(Call&);
Status wf_fork(Call&);
Status wf_purge(Call&);
Status wf_queue(Call&);
Status wf_rate(Call&);
Status wf_schedule(Call&);
Status wf_unschedule(Call&);
Status wf_trigger(Call&);
Status wf_tick(Call&);
Status wf_wait(Call&);
Status wf_wake(Call&);
Status wf_sync(Call&);
Status wf_export(Call&);
Status wf_import(Call&);
Status wf_check(Call&);
Status wf_digest(Call&);
Status wf_define(Call&);
Status wf_undefine(Call&);
Status wf_explain(Call&);
Status wf_run(Call&);
Status wf_init(Call&);
Status wf_version(Call&);
Status wf_config(Call&);
Status wf_clock(Call&);
Status wf_busy_timeout(Call&);
Status wf_pending(Call&);
Status wf_ready(Call&);
Status wf_next_due(Call&);
Status wf_in_vain(Call&);
Status wf_take(Call&);
Status wf_recover(Call&);

}  // namespace wf
