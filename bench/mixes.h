// What a file can hold that makes a claim slow: each hides the one workflow that can be claimed behind very many that cannot.
#pragma once

#include <string>

#include "fixture.h"

namespace bench {

// What a worker calls, and what the file holds.
struct Mix {
  const char* name;
  const char* options;  // of wf_claim
  bool claims;          // false: the claim finds nothing
  void (*fill)(Fixture&, int64_t n);
  bool limits = false;  // needs wf_queue, which older modules do not have
};

constexpr int kMixCount = 9;
extern const Mix kMixes[kMixCount];

const Mix& mix_named(const std::string& name);

// A new file of this mix, of about n workflows.
void build_mix(const Run& run, const Mix& mix, const std::string& file, int64_t n);

}  // namespace bench
