#include "scripts/definition_reader.h"

#include "base/json.h"
#include "scripts/definition_keys.h"

namespace wf {

// Reads one document. Texts are unescaped into the second half of a block of twice its size, each once: unescaping makes none longer.
class DefinitionReader {
 public:
  DefinitionReader(Definition& out, Mistakes& mistakes, Stop& stop) : d_(out), mistakes_(mistakes), stop_(stop) { d_.stop_ = &stop; }

  Status read(string_view document) {
    WF_TRY(read_all(document));
    return stop_.stopped() ? Status::sqlite(SQLITE_INTERRUPT) : Status();  // it may be half of it
  }

 private:
  Status read_all(string_view document) {
    d_.texts_ = static_cast<char*>(sqlite3_malloc64(document.size() * 2 + 1));
    if (d_.texts_ == nullptr) return Status::no_memory();
    std::memcpy(d_.texts_, document.data(), document.size());
    d_.document_ = {d_.texts_, document.size()};
    free_ = d_.texts_ + document.size();
    const json::Checked json = json::check(d_.document_, &stop_);
    if (!json) {
      mistakes_.add(-1, {}, "it is not valid JSON: '%.*s'%s", WF_SV(shown(document)), json::hint(document));
      return {};
    }
    if (!json.is(json::Kind::object)) {
      mistakes_.add(-1, {}, "it must be a JSON object, with the key steps, got %.*s", WF_SV(shown(document)));
      return {};
    }
    members(json, kInDocument, -1, "", &d_.defaults_);
    if (!steps_) {
      if (!saw_steps_) mistakes_.add(-1, "steps", "there must be an array of at least one step");
    } else {
      size_t n = 0;
      for (json::Elements e(steps_); e.next(); ++n) step(e.value(), static_cast<int64_t>(n));
      if (n == 0) mistakes_.add(-1, "steps", "there must be at least one step");
      WF_TRY(link());
      add_output();
    }
    const bool ok = d_.steps_.ok() && d_.fields_.ok() && d_.after_.ok() && after_json_.ok() && mistakes_.ok() && !failed_;
    if (!ok) return Status::no_memory();
    d_.is_line_ = mistakes_.count() == 0;
    for (size_t i = 0; i < d_.steps_.size() && d_.is_line_; ++i) {
      d_.is_line_ = d_.steps_[i].after_count == (i != 0) && (i == 0 || d_.after(d_.steps_[i], 0) == i - 1);
    }
    return {};
  }

  // The text of a JSON string, kept. Not twice for the same string: there is room for each once.
  string_view unescaped(json::Checked json) {
    const string_view inside = part(json.text(), 1, json.text().size() - 2);
    if (inside.find('\\') == string_view::npos) return inside;
    Text text;
    json::unquote_shown(json, text);
    has_half_ = has_half_ || is_half_pair(json);
    if (!text.ok()) {
      failed_ = true;
      return inside;
    }
    std::memcpy(free_, text.view().data(), text.size());
    const string_view kept(free_, text.size());
    free_ += text.size();
    return kept;
  }

  // Whether it holds half of a surrogate pair, which no text has.
  bool is_half_pair(json::Checked json) {
    Text text;
    json::unquote(json, text);
    failed_ = failed_ || !text.ok();
    return !is_utf8(text.view());
  }

  // A key of an object as users see it: "sql", within an undo "undo.sql".
  void wrong(int64_t step, const char* within, string_view key, const char* wanted, json::Checked got) {
    Text path;
    path.add(within).add(key);
    failed_ = failed_ || !path.ok();
    mistakes_.add(step, path.view(), "it must be %s, got %.*s", wanted, WF_SV(excerpt(got.text())));
  }

  void members(json::Checked object, char where, int64_t n, const char* within, ScriptStep* out) {
    uint64_t seen = 0;
    for (json::Members m(object); m.next();) {
      size_t i = 0;
      while (i < std::size(kKeys) && !(m.key_is(kKeys[i].name) && kKeys[i].allowed(where))) ++i;
      Text path;
      path.add(within);
      json::unquote_shown(m.key(), path);
      failed_ = failed_ || !path.ok();
      if (i == std::size(kKeys)) {
        if (where != kUnknownStep || !is_key_of_some_step(m)) unknown(n, where, path.view());
        continue;
      }
      if (seen >> i & 1) {
        mistakes_.add(n, path.view(), "the key is given twice");
        continue;
      }
      seen |= uint64_t{1} << i;
      value(kKeys[i], m.value(), where, n, within, out);
    }
  }

  static bool is_key_of_some_step(const json::Members& m) {
    for (const DefinitionKey& kind : kKeys) {
      if (m.key_is(kind.name) && std::strpbrk(kind.on.letters, kActionLetters) != nullptr) return true;
    }
    return false;
  }

  void unknown(int64_t n, char where, string_view path) {
    Text allowed;
    for (const DefinitionKey& kind : kKeys) {
      if (kind.allowed(where)) allowed.add(allowed.size() != 0 ? ", " : "").add(kind.name);
    }
    failed_ = failed_ || !allowed.ok();
    const char* at = std::strchr(kActionLetters, where);
    const char* place = where == kInUndo ? "an undo" : where == kInDocument ? "a definition" : at != nullptr ? "a step with " : "a step";
    const string_view action = at != nullptr ? kActions[at - kActionLetters] : string_view();
    mistakes_.add(n, path, "%s%.*s has no such key; allowed are %.*s", place, WF_SV(action), WF_SV(allowed.view()));
  }

  // The value of one key; wrong ones are reported.
  void value(const DefinitionKey& kind, json::Checked json, char where, int64_t n, const char* within, ScriptStep* out) {
    const json::Kind is = json.kind();
    // The names in `after` are unescaped when all steps are known: link_to().
    has_half_ = false;
    const string_view text = is == json::Kind::string && kind.key != Key::after ? unescaped(json) : string_view();
    if (has_half_) return wrong(n, within, kind.name, "text, without half of a surrogate pair", json);
    Script& script = where == kInUndo ? out->undo : *out;
    int64_t number = 0;
    if (kind.key == Key::steps) saw_steps_ = true;
    if (!has_form(kind.takes, json, text, &number, &script.backoff, &failed_)) return wrong(n, within, kind.name, form(kind.takes), json);
    const auto set = [&](Role role) { out->sql[static_cast<size_t>(role)] = text; };
    switch (kind.key) {
      case Key::name: out->name = text; break;
      case Key::sql: set(where == kInUndo ? Role::undo : Role::action); break;
      case Key::task: (where == kInUndo ? out->undo_task : out->target) = text; break;
      case Key::start: out->target = text; break;
      case Key::sleep:
        if (text.empty() || !is_query(text)) out->duration = number;
        else set(Role::action);
        break;
      case Key::await: out->target = json.text(); break;
      case Key::mode: out->wait_all = number != 0; break;
      case Key::await_event:
      case Key::emit:
      case Key::acquire:
        if (is_query(text)) set(Role::action);
        else out->target = text;
        break;
      case Key::key:
        if (is_query(text)) set(Role::key);
        else out->key = text;
        break;
      case Key::amount:
        if (text.empty()) out->amount = number;
        else set(Role::amount);
        break;
      case Key::when: set(Role::when); break;
      case Key::for_each: set(Role::for_each); break;
      case Key::loop: set(Role::loop); break;
      case Key::input: set(where == kInUndo ? Role::undo_input : Role::input); break;
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
          members(json, kInUndo, n, "undo.", out);
          if (out->has(Role::undo) != out->undo_task.empty()) mistakes_.add(n, "undo", "it must have sql or task, one of them");
          if (out->has(Role::undo_input) && out->undo_task.empty()) mistakes_.add(n, "undo.input", "only a task has input");
        }
        break;
      case Key::queue: out->queue = text; break;
      case Key::detached: out->detached = json.text() == "true"; break;
      case Key::schema:
      case Key::description: break;
      case Key::steps: steps_ = json; break;
      case Key::fields: fields(json); break;
      case Key::output: output_ = text; break;
      case Key::deterministic: d_.deterministic_ = json; break;
    }
  }

  void fields(json::Checked object) {
    for (json::Members m(object); m.next();) {
      if (d_.fields_.size() == kMostFields) {
        constexpr int64_t most = kMostFields;
        return mistakes_.add(-1, "input", "there may be %lld fields", static_cast<long long>(most));
      }
      const string_view name = unescaped(m.key());
      Text path, type;
      path.add("input.").add(name);
      json::unquote(m.value(), type);
      failed_ = failed_ || !path.ok() || !type.ok();
      const int64_t number = index_of(kFieldTypes, type.view());
      if (!is_parameter_name(name)) mistakes_.add(-1, path.view(), "a field is named like a parameter: letters, digits and _");
      else if (is_built_in(name)) mistakes_.add(-1, path.view(), "the name means something already");
      if (number < 0) {
        mistakes_.add(-1, path.view(), "the type must be text, integer, real, json or any, got %.*s", WF_SV(excerpt(m.value().text())));
      }
      for (size_t i = 0; d_.fields_.ok() && i < d_.fields_.size(); ++i) {
        if (!same_letters(d_.fields_[i].name, name)) continue;
        mistakes_.add(-1, path.view(), "the field is given twice: case does not matter");
        break;
      }
      d_.fields_.add({name, static_cast<FieldType>(number < 0 ? 0 : number)});
    }
  }

  void step(json::Checked json, int64_t n) {
    ScriptStep step;
    after_of_step_ = {};
    constexpr int64_t most = kMostSteps;
    if (n == most) mistakes_.add(-1, "steps", "there may be %lld steps", static_cast<long long>(most));
    if (n >= most) return;
    if (!json.is(json::Kind::object)) {
      step.order_unknown = true;
      mistakes_.add(n, {}, "it must be an object, got %.*s", WF_SV(excerpt(json.text())));
    } else {
      unsigned actions = 0;  // a bit for each
      bool named = false;
      size_t afters = 0;
      for (json::Members m(json); m.next();) {
        named = named || m.key_is("name");
        afters += m.key_is("after");
        for (size_t i = 0; i < std::size(kActions); ++i) {
          if (!m.key_is(kActions[i])) continue;
          step.action = static_cast<Action>(i);
          actions |= 1u << i;
        }
      }
      const bool one = actions != 0 && (actions & (actions - 1)) == 0;
      if (!one) mistakes_.add(n, {}, "it must have one of sql, task, start, sleep, await, await_event, emit, acquire");
      members(json, one ? kActionLetters[static_cast<size_t>(step.action)] : kUnknownStep, n, "", &step);
      if (!step.name.empty() || !named) check_name_of(step.name, n);
      step.order_unknown = afters != (after_of_step_ ? 1 : 0);  // else it is wrong, or given twice
      if (step.has(Role::for_each) && step.has(Role::loop)) mistakes_.add(n, "while", "for_each and while exclude each other");
    }
    d_.steps_.add(step);
    after_json_.add(after_of_step_);
  }

  void check_name_of(string_view name, int64_t n) {
    if (name.empty()) return mistakes_.add(n, "name", "a step needs a name");
    if (!is_parameter_name(name)) {
      return mistakes_.add(n, "name", "'%.*s' is not named like a parameter: a letter or _, then letters, digits and _, at most 100",
                           WF_SV(excerpt(name)));
    }
    if (is_built_in(name)) return mistakes_.add(n, "name", "'%.*s' means something already", WF_SV(name));
    for (size_t i = 0; i < d_.fields_.size(); ++i) {
      if (same_letters(d_.fields_[i].name, name)) return mistakes_.add(n, "name", "'%.*s' is a field of the input, too", WF_SV(name));
    }
    for (size_t i = 0; i < d_.steps_.size(); ++i) {
      if (!same_letters(d_.steps_[i].name, name)) continue;
      d_.steps_[i].shares_name = true;
      return mistakes_.add(n, "name", "'%.*s' is the name of steps[%d], too", WF_SV(name), static_cast<int>(i));
    }
  }

  // Finds the steps that each comes after, and circles among them; what is not known makes no circle.
  Status link() {
    if (!d_.steps_.ok() || !after_json_.ok()) return Status::no_memory();
    const size_t n = d_.steps_.size();
    for (size_t i = 0; i < n; ++i) {
      ScriptStep& step = d_.steps_[i];
      step.after = d_.after_.size();
      std::memset(linked_, 0, sizeof linked_);
      const json::Checked json = after_json_[i];
      if (!json) {
        if (i != 0) d_.after_.add(static_cast<int64_t>(i) - 1);
      } else if (json.is(json::Kind::string)) {
        link_to(i, json);
      } else {
        for (json::Elements e(json); e.next();) link_to(i, e.value());
      }
      step.after_count = d_.after_.size() - step.after;
    }
    if (!d_.after_.ok()) return Status::no_memory();
    if (some_go_back_) find_circles();
    return {};
  }

  void link_to(size_t step, json::Checked json) {
    const int64_t n = static_cast<int64_t>(step);
    const bool is_text = json.is(json::Kind::string);
    const string_view name = is_text ? unescaped(json) : string_view();
    const int64_t other = d_.find(name);
    if (!is_text) wrong(n, "", "after", form(Takes::after), json);
    else if (other < 0) mistakes_.add(n, "after", "there is no step '%.*s'", WF_SV(excerpt(name)));
    else if (other == n) mistakes_.add(n, "after", "a step cannot come after itself");
    const bool known = other >= 0 && other != n;
    if (known && !linked_[other]) d_.after_.add(other);
    if (known) linked_[other] = true;
    if (!known || d_.steps_[static_cast<size_t>(other)].shares_name) d_.steps_[step].order_unknown = true;
    some_go_back_ = some_go_back_ || other > n;
  }

  // Names every circle once, at its first step.
  void find_circles() {
    bool told[kMostSteps] = {};
    for (size_t i = 0; i < d_.steps_.size(); ++i) {
      if (told[i] || !d_.is_behind(i, i)) continue;
      mistakes_.add(static_cast<int64_t>(i), "after", "the steps wait for each other in a circle");
      for (size_t k = i; k < d_.steps_.size(); ++k) told[k] = told[k] || (d_.is_behind(i, k) && d_.is_behind(k, i));
    }
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
  Stop& stop_;
  char* free_ = nullptr;
  json::Checked steps_, after_of_step_;
  string_view output_;
  List<json::Checked> after_json_;
  bool has_half_ = false;  // of the string that was unescaped last
  bool linked_[kMostSteps];  // to which the step under way is
  bool saw_steps_ = false, some_go_back_ = false, failed_ = false;
};

Status parse_definition(Db& db, string_view document, Definition& out, Mistakes& mistakes) { return DefinitionReader(out, mistakes, db.stop()).read(document); }

}  // namespace wf
