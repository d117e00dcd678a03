// The claim of what is plainly next: one statement finds it, takes it and shows it.
#pragma once

#include "base/scope.h"
#include "base/taker.h"
#include "engine/claim_order.h"

namespace wf {

// What a scope of wf_claim begins with: `done` where a workflow was claimed, which `out` shows then.
class PlainClaim final : public PlainOpening, private RowTaker {
 public:
  PlainClaim(Db& db, const Claim& args, Text& out);

  // Whether it is worth trying: the call asks for nothing that the statement does not know, and the last tries have not been in vain.
  static bool is_worth_it(Db& db, const Claim& args, bool time_was_said);
  // Whether the claim has failed so for an authorizer that knows the engine's own function not: then it is to be begun anew, the whole way.
  static bool is_refused(Db& db, const Status& failed);
  Status run() override;
  // The workflow that was claimed.
  int64_t seq() const { return seq_; }

 private:
  Status take(const Value* row, int64_t* out) override;

  Db& db_;
  const Claim& args_;
  Text& out_;
  Millis now_ = 0, due_ = 0;
  int64_t seq_ = 0;
};

}  // namespace wf
