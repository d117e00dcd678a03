// An option of a function: its name, what it takes, and what it means.
#pragma once

#include <cstddef>
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

// What an option means, in words. Only docs/reference.md shows it, so the loadable module does without (WFEXT_MEANINGS).
class Meaning {
 public:
#ifdef WFEXT_MEANINGS
  constexpr explicit Meaning(const char* text) : text_(text) {}
  const char* text() const { return text_; }

 private:
  const char* text_;
#else
  constexpr explicit Meaning(const char*) {}
#endif
};

struct Option {
  constexpr Option() : type{}, meaning(""), min(0), max(0), words(nullptr) {}
  template <size_t size>
  consteval Option(const char (&name_)[size], OptionType type_, const char* meaning_, int64_t min_ = 0, int64_t max_ = 0, const char* words_ = nullptr)
      : type(type_), meaning(meaning_), min(min_), max(max_), words(type == OptionType::object ? meaning_ : words_) {
    static_assert(size <= sizeof name);
    for (size_t i = 0; i < size; ++i) name[i] = name_[i];
  }

  char name[23] = {};  // in place: a pointer would cost more, for it has to be relocated
  OptionType type;
  [[no_unique_address]] Meaning meaning;
  int64_t min, max;    // of integer and duration
  const char* words;   // of a choice, separated by blanks; of an object what it means, for messages
};

}  // namespace wf
