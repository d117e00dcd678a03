#include "engine/definition.h"

#include <cstdarg>

#include "base/json.h"

namespace wf {
namespace {

constexpr string_view kActions[] = {"sql", "task", "start", "sleep", "await", "await_event", "emit"};
constexpr string_view kFieldTypes[] = {"text", "integer", "real", "json", "any"};
constexpr int64_t kMostSteps = 1000, kMostMistakes = 100;
constexpr size_t kMostNameBytes = 100;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }

bool is_parameter_name(string_view name) {
  if (name.empty() || name.size() > kMostNameBytes || !is_letter(name[0])) return false;
  for (const char c : name) {
    if (!is_word(c)) return false;
  }
  return true;
}

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_letters(string_view a, string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (small(a[i]) != small(b[i])) return false;
  }
  return true;
}

// Whether a text that may be a query is one.
bool is_query(string_view text) {
  size_t from = 0;
  while (from < text.size() && static_cast<unsigned char>(text[from]) <= ' ') ++from;
  for (const string_view word : {"select", "values", "with"}) {
    if (!same_letters(part(text, from, word.size()), word)) continue;
    const string_view rest = part(text, from + word.size());
    return !rest.empty() && !is_word(rest[0]);
  }
  return false;
}

// ---- The keys --------------------------------------------------------------------------------------------------------
// What a key takes, and where it is allowed: `on` holds the letters of the actions of its steps (s sql, t task, r start, z sleep, w await,
// v await_event, e emit), d for the document itself and u for the object of an undo.
enum class Takes : char { text, name, names, sql, query, name_or_query, duration, duration_or_query, attempts, count, choice, boolean, backoff, after, undo, steps, input };

enum class Key : char {
  name, sql, task, start, sleep, await, await_event, emit, when, after, for_each, loop, on_error, expect, rows, input, max_attempts, backoff, timeout,
  undo, queue, detached, description, steps, fields, output
};

struct KeyKind {
  const char* name;
  Key key;
  Takes takes;
  const char* on;
};

constexpr const char* kEvery = "strzwvex";
constexpr KeyKind kKeys[] = {
    {"name", Key::name, Takes::name, kEvery},
    {"sql", Key::sql, Takes::sql, "su"},
    {"task", Key::task, Takes::name, "tu"},
    {"start", Key::start, Takes::name, "r"},
    {"sleep", Key::sleep, Takes::duration_or_query, "z"},
    {"await", Key::await, Takes::names, "w"},
    {"await_event", Key::await_event, Takes::name_or_query, "v"},
    {"emit", Key::emit, Takes::name_or_query, "e"},
    {"when", Key::when, Takes::query, kEvery},
    {"after", Key::after, Takes::after, kEvery},
    {"for_each", Key::for_each, Takes::query, "str"},
    {"while", Key::loop, Takes::query, "strzwv"},
    {"on_error", Key::on_error, Takes::choice, kEvery},
    {"expect", Key::expect, Takes::count, "s"},
    {"rows", Key::rows, Takes::choice, "s"},
    {"input", Key::input, Takes::query, "treu"},
    {"max_attempts", Key::max_attempts, Takes::attempts, "strzwveud"},
    {"backoff", Key::backoff, Takes::backoff, "strzwveud"},
    {"timeout", Key::timeout, Takes::duration, "trwvd"},
    {"undo", Key::undo, Takes::undo, kEvery},
    {"queue", Key::queue, Takes::name, "rd"},
    {"detached", Key::detached, Takes::boolean, "r"},
    {"description", Key::description, Takes::text, "strzwved"},
    {"steps", Key::steps, Takes::steps, "d"},
    {"input", Key::fields, Takes::input, "d"},
    {"output", Key::output, Takes::query, "d"},
};
constexpr char kActionLetters[] = "strzwve";

bool allows(const KeyKind& kind, char where) { return std::strchr(kind.on, where) != nullptr; }

bool read_duration(string_view json, Millis* out) {
  if (json::kind(json) == json::Kind::number) return json::to_thousandths(json, out) && *out >= 0 && *out <= kDurationMax;
  Text text;
  if (json::kind(json) != json::Kind::string) return false;
  json::unquote(json, text);
  return parse_duration(text.view(), out);
}

bool read_real(string_view json, double min, double max, double* out) {
  if (json::kind(json) != json::Kind::number) return false;
  *out = json::to_real(json);
  return *out >= min && *out <= max;
}

bool read_backoff(string_view json, Backoff* out) {
  if (json::kind(json) != json::Kind::object) return false;
  for (json::Members m(json); m.next();) {
    const bool ok = m.key_is("initial") ? read_duration(m.value(), &out->initial) : m.key_is("max") ? read_duration(m.value(), &out->max)
                    : m.key_is("factor") ? read_real(m.value(), 1, 1000, &out->factor) : m.key_is("jitter") && read_real(m.value(), 0, 1, &out->jitter);
    if (!ok) return false;
  }
  return true;
}

}  // namespace

string_view action_name(Action action) { return kActions[static_cast<size_t>(action)]; }

string_view role_key(Role role, Action action) {
  static constexpr string_view kNames[] = {"", "when", "for_each", "while", "input", "undo", "undo.input"};
  return role == Role::action ? action_name(action) : kNames[static_cast<size_t>(role)];
}

void Mistakes::add(int64_t step, string_view key, const char* format, ...) {
  if (++count_ > kMostMistakes) return;
  if (text_.size() != 0) text_.add("; ");
  if (step >= 0) text_.add("steps[").add_integer(step).add(key.empty() ? "]" : "].");
  text_.add(key).add(step >= 0 || !key.empty() ? ": " : "");
  va_list arguments;
  va_start(arguments, format);
  char* message = sqlite3_vmprintf(format, arguments);
  va_end(arguments);
  if (message == nullptr) text_.fail();
  else text_.add(message);
  sqlite3_free(message);
}

// Reads one document. Texts are unescaped into the second half of a block of twice its size: unescaping makes none longer.
class DefinitionReader {
 public:
  DefinitionReader(Definition& out, Mistakes& mistakes) : d_(out), mistakes_(mistakes) {}

  Status read(string_view document) {
    d_.texts_ = static_cast<char*>(sqlite3_malloc64(document.size() * 2 + 1));
    if (d_.texts_ == nullptr) return Status::no_memory();
    std::memcpy(d_.texts_, document.data(), document.size());
    d_.document_ = {d_.texts_, document.size()};
    free_ = d_.texts_ + document.size();
    if (!json::valid(document)) {
      mistakes_.add(-1, {}, "it is not valid JSON");
      return {};
    }
    if (json::kind(document) != json::Kind::object) {
      mistakes_.add(-1, {}, "it must be a JSON object, with the key steps");
      return {};
    }
    members(d_.document_, 'd', -1, "", &d_.defaults_);
    if (steps_.empty()) {
      if (!saw_steps_) mistakes_.add(-1, "steps", "there must be an array of at least one step");
    } else {
      size_t n = 0;
      for (json::Elements e(steps_); e.next(); ++n) step(e.value(), static_cast<int64_t>(n));
      if (n == 0) mistakes_.add(-1, "steps", "there must be at least one step");
      link();
      add_output();
    }
    return d_.steps_.ok() && d_.fields_.ok() && d_.after_.ok() && after_json_.ok() && mistakes_.ok() && !failed_ ? Status() : Status::no_memory();
  }

 private:
  // The text of a JSON string, kept.
  string_view unescaped(string_view json) {
    const string_view inside = part(json, 1, json.size() - 2);
    if (inside.find('\\') == string_view::npos) return inside;
    Text text;
    json::unquote(json, text);
    if (!text.ok()) {
      failed_ = true;
      return inside;
    }
    std::memcpy(free_, text.view().data(), text.size());
    const string_view kept(free_, text.size());
    free_ += text.size();
    return kept;
  }

  // A key of an object as users see it: "sql", within an undo "undo.sql".
  void wrong(int64_t step, const char* within, string_view key, const char* wanted, string_view got) {
    Text path;
    path.add(within).add(key);
    mistakes_.add(step, path.view(), "it must be %s, got %.*s", wanted, WF_SV(excerpt(got)));
  }

  void members(string_view object, char where, int64_t n, const char* within, ScriptStep* out) {
    uint64_t seen = 0;
    for (json::Members m(object); m.next();) {
      size_t i = 0;
      while (i < std::size(kKeys) && !(m.key_is(kKeys[i].name) && allows(kKeys[i], where))) ++i;
      Text path;
      path.add(within);
      json::unquote(m.key(), path);
      failed_ = failed_ || !path.ok();
      if (i == std::size(kKeys)) {
        if (where != 'x' || !is_key_of_some_step(m)) unknown(n, where, path.view());
        continue;
      }
      if (seen >> i & 1) {
        mistakes_.add(n, path.view(), "the key is given twice");
        continue;
      }
      seen |= uint64_t{1} << i;
      if (json::kind(m.value()) != json::Kind::null) value(kKeys[i], m.value(), where, n, within, out);
    }
  }

  static bool is_key_of_some_step(const json::Members& m) {
    for (const KeyKind& kind : kKeys) {
      if (m.key_is(kind.name) && std::strpbrk(kind.on, kActionLetters) != nullptr) return true;
    }
    return false;
  }

  void unknown(int64_t n, char where, string_view path) {
    Text allowed;
    for (const KeyKind& kind : kKeys) {
      if (allows(kind, where)) allowed.add(allowed.size() != 0 ? ", " : "").add(kind.name);
    }
    static constexpr const char* kWheres[] = {"a step with sql", "a step with task", "a step with start", "a step with sleep", "a step with await",
                                              "a step with await_event", "a step with emit"};
    const char* at = std::strchr(kActionLetters, where);
    mistakes_.add(n, path, "%s has no such key; allowed are %.*s", at != nullptr ? kWheres[at - kActionLetters] : where == 'u' ? "an undo" : where == 'd' ? "a definition" : "a step",
                  WF_SV(allowed.view()));
  }

  static const char* form(Takes takes) {
    switch (takes) {
      case Takes::text: return "a text";
      case Takes::name: return "a name: text of 1 to 255 bytes";
      case Takes::names: return "a name or an array of names";
      case Takes::sql: return "an SQL statement";
      case Takes::query: return "a query";
      case Takes::name_or_query: return "a name or a query";
      case Takes::duration: return "a duration: seconds as a number, or text like '250ms', '30s', '1h30m'";
      case Takes::duration_or_query: return "a duration (seconds as a number, or text like '30s') or a query";
      case Takes::attempts: return "an integer from 1 to 1000000";
      case Takes::count: return "an integer from 0";
      case Takes::boolean: return "true or false";
      case Takes::backoff: return "an object of initial, max (durations), factor (1 to 1000), jitter (0 to 1)";
      case Takes::after: return "a step's name or an array of them";
      case Takes::undo: return "an SQL statement, or an object with sql or task";
      case Takes::steps: return "an array";
      case Takes::input: return "an object of field names and types";
      case Takes::choice: break;
    }
    return "";
  }

  bool names(string_view json) {
    size_t count = 0;
    for (json::Elements e(json); e.next(); ++count) {
      Text one;
      if (json::kind(e.value()) != json::Kind::string) return false;
      json::unquote(e.value(), one);
      if (!check_name("", one.view()).ok()) return false;
    }
    return count != 0;
  }

  // The value of one key; wrong ones are reported.
  void value(const KeyKind& kind, string_view json, char where, int64_t n, const char* within, ScriptStep* out) {
    const json::Kind is = json::kind(json);
    const string_view text = is == json::Kind::string ? unescaped(json) : string_view();
    Script& script = where == 'u' ? out->undo : *out;
    int64_t number = 0;
    bool ok = true;
    switch (kind.takes) {
      case Takes::text: ok = is == json::Kind::string; break;
      case Takes::name: ok = is == json::Kind::string && check_name("", text).ok(); break;
      case Takes::names:
        ok = is == json::Kind::string ? check_name("", text).ok() : is == json::Kind::array && names(json);
        break;
      case Takes::sql:
      case Takes::query: ok = is == json::Kind::string && !text.empty(); break;
      case Takes::name_or_query: ok = is == json::Kind::string && (is_query(text) || check_name("", text).ok()); break;
      case Takes::duration: ok = read_duration(json, &number); break;
      case Takes::duration_or_query: ok = (is == json::Kind::string && is_query(text)) || read_duration(json, &number); break;
      case Takes::attempts: ok = is == json::Kind::number && json::to_integer(json, &number) && number >= 1 && number <= kMaxAttemptsLimit; break;
      case Takes::count: ok = is == json::Kind::number && json::to_integer(json, &number) && number >= 0; break;
      case Takes::boolean: ok = is == json::Kind::boolean; break;
      case Takes::backoff: ok = read_backoff(json, &script.backoff); break;
      case Takes::after: ok = is == json::Kind::string || is == json::Kind::array; break;
      case Takes::undo: ok = (is == json::Kind::string && !text.empty()) || is == json::Kind::object; break;
      case Takes::steps: ok = is == json::Kind::array; break;
      case Takes::input: ok = is == json::Kind::object; break;
      case Takes::choice: {
        const bool second = text == (kind.key == Key::rows ? "all" : "continue");
        if (!second && text != (kind.key == Key::rows ? "first" : "fail")) {
          return wrong(n, within, kind.name, kind.key == Key::rows ? "first or all" : "fail or continue", json);
        }
        number = second;
        break;
      }
    }
    if (kind.key == Key::steps) saw_steps_ = true;
    if (!ok) return wrong(n, within, kind.name, form(kind.takes), json);
    const auto set = [&](Role role) { out->sql[static_cast<size_t>(role)] = text; };
    switch (kind.key) {
      case Key::name: out->name = text; break;
      case Key::sql: set(where == 'u' ? Role::undo : Role::action); break;
      case Key::task: (where == 'u' ? out->undo_task : out->target) = text; break;
      case Key::start: out->target = text; break;
      case Key::sleep:
        if (text.empty() || !is_query(text)) out->duration = number;
        else set(Role::action);
        break;
      case Key::await: out->target = json; break;
      case Key::await_event:
      case Key::emit:
        if (is_query(text)) set(Role::action);
        else out->target = text;
        break;
      case Key::when: set(Role::when); break;
      case Key::for_each: set(Role::for_each); break;
      case Key::loop: set(Role::loop); break;
      case Key::input: set(where == 'u' ? Role::undo_input : Role::input); break;
      case Key::after: after_of_step_ = json; break;
      case Key::on_error: out->keep_on = number != 0; break;
      case Key::rows: out->all_rows = number != 0; break;
      case Key::expect: out->expect = number; break;
      case Key::max_attempts: script.max_attempts = number; break;
      case Key::backoff: script.has_backoff = true; break;
      case Key::timeout: out->timeout = number; break;
      case Key::undo:
        if (is == json::Kind::string) {
          set(Role::undo);
        } else {
          members(json, 'u', n, "undo.", out);
          if (out->has(Role::undo) != out->undo_task.empty()) mistakes_.add(n, "undo", "it must have sql or task, one of them");
          if (out->has(Role::undo_input) && out->undo_task.empty()) mistakes_.add(n, "undo.input", "only a task has input");
        }
        break;
      case Key::queue: out->queue = text; break;
      case Key::detached: out->detached = json == "true"; break;
      case Key::description: break;
      case Key::steps: steps_ = json; break;
      case Key::fields: fields(json); break;
      case Key::output: output_ = text; break;
    }
  }

  void fields(string_view object) {
    for (json::Members m(object); m.next();) {
      const string_view name = unescaped(m.key());
      Text path, type;
      path.add("input.").add(name);
      if (json::kind(m.value()) == json::Kind::string) json::unquote(m.value(), type);
      failed_ = failed_ || !path.ok() || !type.ok();
      const int64_t number = index_of(kFieldTypes, type.view());
      if (!is_parameter_name(name)) mistakes_.add(-1, path.view(), "a field is named like a parameter: letters, digits and _");
      else if (index_of(kBuiltIn, name) >= 0) mistakes_.add(-1, path.view(), "the name means something already");
      if (number < 0) mistakes_.add(-1, path.view(), "the type must be text, integer, real, json or any, got %.*s", WF_SV(excerpt(m.value())));
      for (size_t i = 0; d_.fields_.ok() && i < d_.fields_.size(); ++i) {
        if (same_letters(d_.fields_[i].name, name)) mistakes_.add(-1, path.view(), "the field is given twice");
      }
      d_.fields_.add({name, static_cast<FieldType>(number < 0 ? 0 : number)});
    }
  }

  void step(string_view json, int64_t n) {
    ScriptStep step;
    after_of_step_ = {};
    if (n == kMostSteps) mistakes_.add(-1, "steps", "there may be %lld steps", static_cast<long long>(kMostSteps));
    if (n >= kMostSteps) return;
    if (json::kind(json) != json::Kind::object) {
      mistakes_.add(n, {}, "it must be an object, got %.*s", WF_SV(excerpt(json)));
    } else {
      unsigned actions = 0;  // a bit for each
      bool named = false;
      for (json::Members m(json); m.next();) {
        named = named || m.key_is("name");
        for (size_t i = 0; i < std::size(kActions); ++i) {
          if (!m.key_is(kActions[i])) continue;
          step.action = static_cast<Action>(i);
          actions |= 1u << i;
        }
      }
      const bool one = actions != 0 && (actions & (actions - 1)) == 0;
      if (!one) mistakes_.add(n, {}, "it must have one of sql, task, start, sleep, await, await_event, emit");
      members(json, one ? kActionLetters[static_cast<size_t>(step.action)] : 'x', n, "", &step);
      if (!step.name.empty() || !named) check_name_of(step.name, n);
      if (step.has(Role::for_each) && step.has(Role::loop)) mistakes_.add(n, "while", "for_each and while exclude each other");
      if (step.detached && step.timeout != kNoTime && step.action != Action::start) mistakes_.add(n, "detached", "only start is detached");
    }
    d_.steps_.add(step);
    after_json_.add(after_of_step_);
  }

  void check_name_of(string_view name, int64_t n) {
    if (name.empty()) return mistakes_.add(n, "name", "a step needs a name");
    if (!is_parameter_name(name)) {
      return mistakes_.add(n, "name", "'%.*s' is not named like a parameter: a letter or _, then letters, digits and _, at most 100", WF_SV(excerpt(name)));
    }
    for (const string_view word : kBuiltIn) {
      if (same_letters(word, name)) return mistakes_.add(n, "name", "'%.*s' means something already", WF_SV(name));
    }
    for (size_t i = 0; i < d_.fields_.size(); ++i) {
      if (same_letters(d_.fields_[i].name, name)) return mistakes_.add(n, "name", "'%.*s' is a field of the input, too", WF_SV(name));
    }
    for (size_t i = 0; i < d_.steps_.size(); ++i) {
      if (same_letters(d_.steps_[i].name, name)) return mistakes_.add(n, "name", "'%.*s' is the name of steps[%d], too", WF_SV(name), static_cast<int>(i));
    }
  }

  // Finds the steps that each comes after, and cycles among them.
  void link() {
    if (!d_.steps_.ok() || !after_json_.ok()) return;
    const size_t n = d_.steps_.size();
    bool known = true;
    for (size_t i = 0; i < n; ++i) {
      ScriptStep& step = d_.steps_[i];
      step.after = d_.after_.size();
      const string_view json = after_json_[i];
      if (json.empty()) {
        if (i != 0) d_.after_.add(static_cast<int64_t>(i) - 1);
      } else if (json::kind(json) == json::Kind::string) {
        known = link_to(i, json) && known;
      } else {
        for (json::Elements e(json); e.next();) known = link_to(i, e.value()) && known;
      }
      step.after_count = d_.after_.size() - step.after;
    }
    if (!known || !d_.after_.ok()) return;
    // Takes away again and again what comes after nothing that is left: what remains is a cycle, or behind one.
    Text left;
    for (size_t i = 0; i < n; ++i) left.add('\1');
    if (!left.ok()) return left_failed();
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < n; ++i) {
        if (left.view()[i] == 0) continue;
        bool free = true;
        for (size_t k = 0; k < d_.steps_[i].after_count && free; ++k) free = left.view()[d_.after(d_.steps_[i], k)] == 0;
        if (!free) continue;
        left.data()[i] = 0;
        changed = true;
      }
    }
    for (size_t i = 0; i < n; ++i) {
      if (left.view()[i] != 0) return mistakes_.add(static_cast<int64_t>(i), "after", "the steps wait for each other in a circle");
    }
  }

  void left_failed() { failed_ = true; }

  bool link_to(size_t step, string_view json) {
    const int64_t n = static_cast<int64_t>(step);
    if (json::kind(json) != json::Kind::string) {
      wrong(n, "", "after", form(Takes::after), json);
      return false;
    }
    const string_view name = unescaped(json);
    const int64_t other = d_.find(name);
    if (other < 0) mistakes_.add(n, "after", "there is no step '%.*s'", WF_SV(excerpt(name)));
    else if (other == n) mistakes_.add(n, "after", "a step cannot come after itself");
    else d_.after_.add(other);
    return other >= 0 && other != n;
  }

  void add_output() {
    if (output_.empty() || !d_.steps_.ok()) return;
    ScriptStep output;
    output.name = "output";
    output.sql[static_cast<size_t>(Role::action)] = output_;
    output.after = d_.after_.size();
    const size_t n = d_.steps_.size();
    for (size_t i = 0; i < n; ++i) {
      bool last = true;
      for (size_t k = 0; k < n && last; ++k) last = !d_.comes_after(k, i);
      if (last) d_.after_.add(static_cast<int64_t>(i));
    }
    output.after_count = d_.after_.size() - output.after;
    d_.steps_.add(output);
    d_.has_output_ = true;
  }

  Definition& d_;
  Mistakes& mistakes_;
  char* free_ = nullptr;
  string_view steps_, output_, after_of_step_;
  List<string_view> after_json_;
  bool saw_steps_ = false, failed_ = false;
};

Status Definition::parse(string_view document, Mistakes& mistakes) {
  WF_TRY(DefinitionReader(*this, mistakes).read(document));
  is_line_ = mistakes.count() == 0;
  for (size_t i = 0; i < steps_.size() && is_line_; ++i) is_line_ = steps_[i].after_count == (i != 0) && (i == 0 || after(steps_[i], 0) == i - 1);
  return {};
}

int64_t Definition::find(string_view name) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

bool Definition::comes_after(size_t step, size_t other) const {
  for (size_t k = 0; k < steps_[step].after_count; ++k) {
    if (after(steps_[step], k) == other) return true;
  }
  return false;
}

bool Definition::is_query(size_t step, Role role) const {
  return role != Role::undo && (role != Role::action || steps_[step].action != Action::sql || is_output(step));
}

bool Definition::has_undo() const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].has_undo()) return true;
  }
  return false;
}

bool Definition::is_behind(size_t step, size_t other) const {
  Text seen;
  for (size_t i = 0; i < steps_.size(); ++i) seen.add('\0');
  return seen.ok() && is_behind(step, other, seen);
}

bool Definition::is_behind(size_t step, size_t other, Text& seen) const {
  for (size_t k = 0; k < steps_[step].after_count; ++k) {
    const size_t before = after(steps_[step], k);
    if (before == other) return true;
    if (seen.view()[before] != 0) continue;
    seen.data()[before] = 1;
    if (is_behind(before, other, seen)) return true;
  }
  return false;
}

}  // namespace wf
