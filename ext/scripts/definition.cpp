#include "scripts/definition.h"

#include <cstdarg>

namespace wf {
namespace {

constexpr int64_t kMostMistakes = 100;

}  // namespace

// Goes through the steps that one is behind, each once. It takes no memory: where there is none, a step is not to seem not to be behind another.
class Definition::Behind {
 public:
  Behind(const Definition& d, size_t step) : d_(d), step_(step) {}

  bool next() {
    const ScriptStep& last = d_.step(step_);
    if (d_.stops(last.after_count)) return false;
    for (size_t k = 0; k < last.after_count; ++k) {
      const size_t before = d_.after(last, k);
      if (!seen_[before]) found_[count_++] = static_cast<uint16_t>(before);
      seen_[before] = true;
    }
    if (at_ == count_) return false;
    step_ = found_[at_++];
    return true;
  }
  size_t step() const { return step_; }

 private:
  const Definition& d_;
  size_t step_, at_ = 0, count_ = 0;
  uint16_t found_[kMostSteps];
  bool seen_[kMostSteps] = {};
};

string_view role_key(Role role, Action action) {
  static constexpr string_view kNames[] = {"", "when", "for_each", "while", "input", "undo", "undo.input", "key", "amount"};
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

int64_t Definition::find(string_view name) const {
  if (stops(steps_.size())) return -1;
  for (size_t i = 0; i < steps_.size() && !name.empty(); ++i) {
    if (steps_[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

bool Definition::comes_after(size_t step, size_t other) const {
  if (stops(steps_[step].after_count)) return false;
  for (size_t k = 0; k < steps_[step].after_count; ++k) {
    if (after(steps_[step], k) == other) return true;
  }
  return false;
}

bool Definition::is_query(size_t step, Role role) const {
  return role != Role::undo && (role != Role::action || steps_[step].action != Action::sql || is_output(step));
}

bool Definition::says_deterministic(string_view function) const {
  const auto is_it = [function](json::Checked name) {
    Text text;
    json::unquote(name, text);
    return text.ok() && same_letters(text.view(), function);
  };
  if (deterministic_.is(json::Kind::string)) return is_it(deterministic_);
  if (!deterministic_) return false;
  for (json::Elements e(deterministic_); e.next();) {
    if (is_it(e.value())) return true;
  }
  return false;
}

bool Definition::has_undo() const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].has_undo()) return true;
  }
  return false;
}

bool Definition::is_behind(size_t step, size_t other) const {
  if (is_output(step)) return true;
  if (is_line_) return other < step;
  for (Behind all(*this, step); all.next();) {
    if (all.step() == other) return true;
  }
  return false;
}

bool Definition::may_be_behind(size_t step, size_t other) const {
  if (is_behind(step, other) || steps_[step].order_unknown || steps_[other].shares_name) return true;
  for (Behind all(*this, step); all.next();) {
    if (steps_[all.step()].order_unknown) return true;
  }
  return false;
}

}  // namespace wf
