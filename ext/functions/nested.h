// Options of one function that stand in an option of another: those of wf_start in a schedule, those of wf_claim in a completion.
#pragma once

#include "functions/call.h"

namespace wf {

// What is wrong with the value of the option `name`, which says so.
Status in_option(const char* name, Status status);

class NestedOptions {
 public:
  // Those of `function` but `without`, and `more`.
  NestedOptions(string_view function, std::span<const string_view> without, std::span<const Option> more = {}) {
    for (const Function& f : functions()) {
      if (f.name() != function) continue;
      for (const Option& option : f.options) {
        bool allowed = true;
        for (const string_view name : without) allowed = allowed && name != option.name;
        if (allowed) add(option);
      }
    }
    for (const Option& option : more) add(option);
  }

  // Reads them from `json`, the value of the option `name`, which what is wrong with them is told of. `out` points into this.
  Status parse(const char* name, string_view json, Stop& stop, Options& out) const {
    return in_option(name, out.parse({options_, count_}, json, &stop));
  }

 private:
  void add(const Option& option) {
    if (count_ < std::size(options_)) options_[count_++] = option;
  }

  Option options_[24] = {};
  size_t count_ = 0;
};

}  // namespace wf
