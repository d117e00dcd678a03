// An option of a function: its name, what it takes, and what it means.
#pragma once

#include <cstdint>

namespace wf {

constexpr int64_t kTenYears = int64_t{10} * 365 * 86400 * 1000;  // shown as 3650d

enum class OptionType : char {
  name,       // text as the contract allows names
  id,         // a name that is no token and no array
  names,      // a JSON array of names, or one name
  integer,    // from min to max
  boolean,
  duration,   // from min to max milliseconds
  time,
  object,     // any JSON object, kept as it is
  value,      // any JSON value
  choice,     // one of the words of the option; its value is the number of the word
  backoff,    // {"initial","factor","max","jitter"}
};

struct Option {
  char name[23];  // in place: a pointer would cost more, for it has to be relocated
  OptionType type;
  const char* summary;
  int64_t min = 0, max = 0;  // of integer and duration
  const char* words = nullptr;  // of a choice, separated by blanks
};

}  // namespace wf
