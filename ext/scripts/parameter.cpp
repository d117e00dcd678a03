#include "scripts/parameter.h"

namespace wf {

bool Parameters::next() {
  if (name_ == nullptr || number_ == sqlite3_bind_parameter_count(statement_)) return false;
  name_ = sqlite3_bind_parameter_name(statement_, ++number_);
  why_not_ = resolve(name());
  return true;
}

// Finds out what the name stands for, or why it does not.
const char* Parameters::resolve(string_view name) {
  static constexpr char kNothing[] = "there is no field, step or built-in of this name";
  if (name[0] == '?') return "parameters have names, like :id";
  name = part(name, 1);
  string_view member;
  if (const size_t colons = name.find("::"); colons != string_view::npos) {
    member = part(name, colons + 2);
    name = part(name, 0, colons);
    if (member.empty() || member.find("::") != string_view::npos) return "it is :name::member, with one member";
  }
  if (name.find('(') != string_view::npos || member.find('(') != string_view::npos) return kNothing;
  const ScriptStep& step = d_.step(step_);
  const bool undo = role_ == Role::undo || role_ == Role::undo_input;
  if (const int64_t built_in = index_of(kBuiltIn, name); built_in >= 0 && name != "output") {
    const Source source = static_cast<Source>(static_cast<int64_t>(Source::input) + built_in);
    parameter_ = {source, 0, member};
    const bool in_items = step.has(Role::for_each) && role_ != Role::when && role_ != Role::for_each;
    const bool in_rounds = step.has(Role::loop) && role_ != Role::when && !undo;
    const bool has_members = source == Source::input || source == Source::item || source == Source::error;
    if (!member.empty() && !has_members) return "it has no members";
    if (source == Source::item && !in_items) return "it is there only in a step with for_each";
    if (source == Source::iteration && !in_rounds) return "it is there only in a step with while, not in its undo";
    return source == Source::error && !undo ? "it is there only in an undo" : nullptr;
  }
  for (size_t i = 0; i < d_.fields(); ++i) {
    if (d_.field(i).name != name) continue;
    parameter_ = {Source::field, i, member};
    return member.empty() || d_.field(i).type >= FieldType::json ? nullptr : "a field of this type has no members";
  }
  const int64_t other = d_.find(name);
  if (other < 0 || d_.is_output(static_cast<size_t>(other))) return kNothing;
  parameter_ = {Source::step, static_cast<size_t>(other), member};
  if (parameter_.index == step_) {
    return undo || (step.has(Role::loop) && role_ != Role::when) ? nullptr : "a step's own result is there only in its undo, or with while";
  }
  return d_.may_be_behind(step_, parameter_.index) ? nullptr : "this step does not come after that one";
}

}  // namespace wf
