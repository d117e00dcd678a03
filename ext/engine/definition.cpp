#include "engine/definition.h"

#include <cstdarg>

#include "engine/definition_reader.h"

namespace wf {
namespace {

constexpr int64_t kMostMistakes = 100;

}  // namespace

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

Status Definition::parse(string_view document, Mistakes& mistakes) {
  WF_TRY(read_document(document, *this, mistakes));
  is_line_ = mistakes.count() == 0;
  for (size_t i = 0; i < steps_.size() && is_line_; ++i) {
    is_line_ = steps_[i].after_count == (i != 0) && (i == 0 || after(steps_[i], 0) == i - 1);
  }
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

// Takes away again and again what comes after nothing that is left: what remains is a circle, or behind one.
Status Definition::find_circle(int64_t* step) const {
  *step = -1;
  Text left;
  for (size_t i = 0; i < size(); ++i) left.add('\1');
  if (!left.ok()) return Status::no_memory();
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < size(); ++i) {
      if (left.view()[i] == 0) continue;
      bool free = true;
      for (size_t k = 0; k < steps_[i].after_count && free; ++k) free = left.view()[after(steps_[i], k)] == 0;
      if (!free) continue;
      left.data()[i] = 0;
      changed = true;
    }
  }
  if (const size_t i = left.view().find('\1'); i != string_view::npos) *step = static_cast<int64_t>(i);
  return {};
}

}  // namespace wf
