// The keys of a definition: where each is allowed, and what it takes.
#pragma once

#include "base/json.h"
#include "scripts/definition.h"

namespace wf {

enum class Takes : char {
  text, name, names, waits, sql, query, name_or_query, duration, duration_or_query, attempts, count, amount_or_query, rows, on_error, mode, boolean, backoff, after, undo,
  steps, input
};

enum class Key : char {
  name, sql, task, start, sleep, await, mode, await_event, emit, acquire, key, amount, when, after, for_each, loop, on_error, expect, rows, input, max_attempts,
  backoff, timeout, undo, queue, detached, description, steps, fields, output, deterministic, schema
};

// A letter for each place. (Texts stand in place here: a pointer would cost more, for it has to be relocated.)
struct DefinitionPlaces {
  char letters[13] = "";

  // NOLINTNEXTLINE(google-explicit-constructor): stands for the literal
  consteval DefinitionPlaces(const char* from) {
    for (size_t i = 0; from[i] != '\0'; ++i) letters[i] = from[i];
  }
};

struct DefinitionKey {
  char name[14];
  Key key;
  Takes takes;
  DefinitionPlaces on;   // where it is allowed

  bool allowed(char where) const { return std::strchr(on.letters, where) != nullptr; }
};

// A step has the letter of its action (s sql, t task, r start, z sleep, w await, v await_event, e emit, a acquire: in the order of kActions), or x
// if it has none or several; u is the object of an undo, d the document itself.
inline constexpr char kActionLetters[] = "strzwvea";
inline constexpr char kUnknownStep = 'x', kInUndo = 'u', kInDocument = 'd';

inline constexpr DefinitionPlaces kEvery = "strzwveax";
inline constexpr DefinitionKey kKeys[] = {
    {"name", Key::name, Takes::name, kEvery},
    {"sql", Key::sql, Takes::sql, "su"},
    {"task", Key::task, Takes::name, "tu"},
    {"start", Key::start, Takes::name, "r"},
    {"sleep", Key::sleep, Takes::duration_or_query, "z"},
    {"await", Key::await, Takes::waits, "w"},
    {"mode", Key::mode, Takes::mode, "w"},
    {"await_event", Key::await_event, Takes::name_or_query, "v"},
    {"emit", Key::emit, Takes::name_or_query, "e"},
    {"acquire", Key::acquire, Takes::name_or_query, "a"},
    {"key", Key::key, Takes::name_or_query, "a"},
    {"amount", Key::amount, Takes::amount_or_query, "a"},
    {"when", Key::when, Takes::query, kEvery},
    {"after", Key::after, Takes::after, kEvery},
    {"for_each", Key::for_each, Takes::query, "str"},
    {"while", Key::loop, Takes::query, "strzwva"},
    {"on_error", Key::on_error, Takes::on_error, kEvery},
    {"expect", Key::expect, Takes::count, "s"},
    {"rows", Key::rows, Takes::rows, "s"},
    {"input", Key::input, Takes::query, "treu"},
    {"max_attempts", Key::max_attempts, Takes::attempts, "strzwveaud"},
    {"backoff", Key::backoff, Takes::backoff, "strzwveaud"},
    {"timeout", Key::timeout, Takes::duration, "trwvad"},
    {"undo", Key::undo, Takes::undo, kEvery},
    {"queue", Key::queue, Takes::name, "rd"},
    {"detached", Key::detached, Takes::boolean, "r"},
    {"description", Key::description, Takes::text, "strzwvead"},
    {"steps", Key::steps, Takes::steps, "d"},
    {"input", Key::fields, Takes::input, "d"},
    {"output", Key::output, Takes::query, "d"},
    {"deterministic", Key::deterministic, Takes::names, "d"},
    {"$schema", Key::schema, Takes::text, "d"},  // for editors
};

// What a key takes, in words.
const char* form(Takes takes);
// Whether a JSON value is that; `text` is what it says if it is a string. `*number`: the integer, the duration, or 1 for the second of two
// words. A backoff goes to `*backoff`. False on a failed allocation, with `*failed` set.
bool has_form(Takes takes, json::Checked json, string_view text, int64_t* number, Backoff* backoff, bool* failed);

// Whether a text that may be a query is one.
bool is_query(string_view text);
// A letter, digit or _.
bool is_word(char c);
// Whether it could be the name of a parameter.
bool is_parameter_name(string_view name);
// Whether it is one of kBuiltIn, in any case.
bool is_built_in(string_view name);

}  // namespace wf
