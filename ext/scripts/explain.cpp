#include "scripts/explain.h"

#include <charconv>

#include "base/json.h"
#include "scripts/define.h"
#include "scripts/definition_reader.h"
#include "scripts/statement_check.h"

namespace wf {
namespace {

constexpr size_t kSqlBytes = 70;

// One line of an SQL text, cut.
void add_sql(string_view sql, Text& out) {
  Text line;
  for (const char c : sql) {
    const bool blank = static_cast<unsigned char>(c) <= ' ';
    if (!blank) line.add(c);
    else if (line.size() != 0 && line.view().back() != ' ') line.add(' ');
  }
  const string_view shown = excerpt(line.view(), kSqlBytes);
  out.add(shown).add(shown.size() < line.size() ? "..." : "");
  if (!line.ok()) out.fail();
}

void add_duration(Millis time, Text& out) {
  static constexpr struct {
    Millis length;
    const char* name;
  } kUnits[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
  for (const auto& unit : kUnits) {
    if (time % unit.length != 0 || (time == 0 && unit.length != 1000)) continue;
    out.add_integer(time / unit.length).add(unit.name);
    return;
  }
}

// What the step does, without its name.
void add_action(const ScriptStep& s, Text& out) {
  if (s.action != Action::sql) out.add(action_name(s.action)).add(' ');
  if (s.has(Role::amount)) add_sql(s.text(Role::amount), out);
  else if (s.amount != 1) out.add_integer(s.amount);
  if (s.has(Role::amount) || s.amount != 1) out.add(" of ");
  if (s.has(Role::action)) add_sql(s.text(Role::action), out);
  else if (s.action == Action::sleep) add_duration(s.duration, out);
  else out.add(s.target);
  if (s.has(Role::key) || !s.key.empty()) out.add(" for ");
  add_sql(s.has(Role::key) ? s.text(Role::key) : s.key, out);
  if (s.wait_all) out.add(", all of them");
  if (s.detached) out.add(", detached");
  if (s.timeout != kNoTime) {
    out.add(", timeout ");
    add_duration(s.timeout, out);
  }
}

class Plan {
 public:
  Plan(const Definition& d, Text& out) : d_(d), out_(out) {}

  // The state of each step of a workflow, one text per step.
  Status read_states(Db& db, int64_t seq) {
    for (size_t i = 0; i < d_.size(); ++i) {
      const string_view name = d_.step(i).name;
      Query q(db, Sql::explain_step);
      q.bind(":seq", seq).bind(":step", name);
      bool row;
      WF_TRY(q.next(&row));
      states_.add(q.text(0));
      ends_.add(static_cast<int64_t>(states_.size()));
    }
    return states_.ok() && ends_.ok() ? Status() : Status::no_memory();
  }

  void draw_text(string_view title) {
    size_t width = 0;
    for (size_t i = 0; i < d_.size(); ++i) width = d_.step(i).name.size() > width ? d_.step(i).name.size() : width;
    out_.add(title);
    for (size_t i = 0; i < d_.fields(); ++i) {
      out_.add(i == 0 ? "\n  input   " : ", ").add(d_.field(i).name).add(' ').add(kFieldTypes[static_cast<size_t>(d_.field(i).type)]);
    }
    for (size_t i = 0; i < d_.size(); ++i) {
      const ScriptStep& s = d_.step(i);
      out_.add(i < 9 ? "\n   " : i < 99 ? "\n  " : "\n ").add_integer(static_cast<int64_t>(i) + 1).add(". ").add(s.name);
      pad(width - s.name.size());
      if (has_states()) out_.add("  [").add(state(i)).add(']'), pad(state(i).size() < 10 ? 10 - state(i).size() : 0);
      out_.add("  ");
      add_action(s, out_);
      const size_t margin = width + 8;
      detail(margin, "when", s.text(Role::when));
      detail(margin, "for each row of", s.text(Role::for_each));
      detail(margin, "while", s.text(Role::loop));
      detail(margin, "input", s.text(Role::input));
      add_after(margin, i);
      add_policy(margin, s);
      detail(margin, "undo", s.text(Role::undo));
      if (!s.undo_task.empty()) detail(margin, "undo task", s.undo_task);
    }
    out_.add('\n');
  }

  void draw_mermaid() {
    out_.add("flowchart TD\n");
    for (size_t i = 0; i < d_.size(); ++i) {
      const ScriptStep& s = d_.step(i);
      Text label;
      label.add(s.name).add(": ");
      add_action(s, label);
      if (has_states()) label.add(" (").add(state(i)).add(')');
      out_.add("  s").add_integer(static_cast<int64_t>(i)).add(s.has(Role::when) ? "{{\"" : "[\"");
      for (const char c : label.view()) {
        if (c == '"') out_.add("#quot;");
        else out_.add(c);
      }
      out_.add(s.has(Role::when) ? "\"}}\n" : "\"]\n");
      for (size_t k = 0; k < s.after_count; ++k) {
        out_.add("  s").add_integer(static_cast<int64_t>(d_.after(s, k))).add(" --> s").add_integer(static_cast<int64_t>(i)).add('\n');
      }
      if (s.has(Role::loop)) out_.add("  s").add_integer(static_cast<int64_t>(i)).add(" -. while .-> s").add_integer(static_cast<int64_t>(i)).add('\n');
    }
  }

 private:
  bool has_states() const { return ends_.size() != 0; }
  string_view state(size_t i) const {
    const size_t from = i == 0 ? 0 : static_cast<size_t>(ends_[i - 1]);
    return part(states_.view(), from, static_cast<size_t>(ends_[i]) - from);
  }

  void pad(size_t n) {
    for (; n != 0; --n) out_.add(' ');
  }

  void detail(size_t margin, const char* what, string_view sql) {
    if (sql.empty()) return;
    out_.add('\n');
    pad(margin);
    out_.add(what).add(' ');
    add_sql(sql, out_);
  }

  // Where it does not simply come after the step before it.
  void add_after(size_t margin, size_t i) {
    const ScriptStep& s = d_.step(i);
    if (i == 0 ? s.after_count == 0 : s.after_count == 1 && d_.after(s, 0) == i - 1) return;
    out_.add('\n');
    pad(margin);
    out_.add(s.after_count == 0 ? "from the beginning" : "after ");
    for (size_t k = 0; k < s.after_count; ++k) out_.add(k != 0 ? ", " : "").add(d_.step(d_.after(s, k)).name);
  }

  void add_policy(size_t margin, const ScriptStep& s) {
    if (s.max_attempts == 0 && !s.keep_on && s.expect < 0) return;
    out_.add('\n');
    pad(margin);
    if (s.expect >= 0) out_.add("expects ").add_integer(s.expect).add(s.expect == 1 ? " row; " : " rows; ");
    if (s.max_attempts != 0) out_.add("at most ").add_integer(s.max_attempts).add(s.max_attempts == 1 ? " attempt; " : " attempts; ");
    if (s.keep_on) out_.add("a failure is passed over; ");
    out_.truncate(out_.size() - 2);
  }

  const Definition& d_;
  Text& out_;
  Text states_;
  Numbers ends_;
};

}  // namespace

Status explain(Db& db, string_view what, bool mermaid, Text& out) {
  Definition d;
  Mistakes mistakes;
  Text document, title;
  int64_t seq = 0;
  if (const size_t first = what.find_first_not_of(" \t\n\r"); first != string_view::npos && what[first] == '{') {
    title.add("a definition");
    WF_TRY(parse_definition(db, what, d, mistakes));
    WF_TRY(check_statements(db, d, mistakes));
    WF_TRY(mistakes_error({}, mistakes));
  } else {
    bool found = false, exists;
    int64_t version = 0;
    WF_TRY(db.schema_exists(&exists));
    if (exists) {
      Query q(db, Sql::explain_workflow);
      q.bind(":id", what);
      WF_TRY(q.next(&found));
      if (found) {
        seq = q.integer(0);
        const string_view digits = q.text(2);
        std::from_chars(digits.data(), digits.data() + digits.size(), version);
        title.add(what).add(": ").add(q.text(1)).add(" version ").add_integer(version).add(", ").add(q.text(3));
        WF_TRY(read_definition(db, q.text(1), &version, &found, document));
      } else {
        WF_TRY(read_definition(db, what, &version, &found, document));
        title.add(what).add(" version ").add_integer(version);
      }
    }
    if (!found) return Status::error(Code::not_found, "no scripted workflow and no definition '%.*s'", WF_SV(excerpt(what)));
    WF_TRY(parse_definition(db, document.view(), d, mistakes));
    if (mistakes.count() != 0) return Status::error(Code::state, "the definition of '%.*s' is damaged: %.*s", WF_SV(what), WF_SV(mistakes.text()));
  }
  Plan plan(d, out);
  if (seq != 0) WF_TRY(plan.read_states(db, seq));
  if (mermaid) plan.draw_mermaid();
  else plan.draw_text(title.view());
  return out.ok() && title.ok() ? Status() : Status::no_memory();
}

}  // namespace wf
