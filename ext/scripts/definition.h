// A definition: the document of a workflow scripted in SQL (docs/scripts.md), parsed and checked.
//
// The same parser (definition_reader.h) serves wf_define, which wants every mistake at once, and wf_run, which wants to run what was stored.
#pragma once

#include "base/json.h"
#include "base/list.h"
#include "base/numbers.h"
#include "engine/settings.h"

namespace wf {

constexpr size_t kMostSteps = 1000;
constexpr size_t kMostFields = 1000;

enum class Action : char { sql, task, start, sleep, await, await_event, emit, acquire };
inline constexpr string_view kActions[] = {"sql", "task", "start", "sleep", "await", "await_event", "emit", "acquire"};
inline string_view action_name(Action action) { return kActions[static_cast<size_t>(action)]; }

// The SQL texts that a step may have. `action` is the statement of sql, or the query of sleep, await_event, emit and acquire.
enum class Role : char { action, when, for_each, loop, input, undo, undo_input, key, amount };
constexpr size_t kRoles = 9;
// "sql", "when" and so on, as in the document.
string_view role_key(Role role, Action action);

// Names that mean something in statements by themselves: no step may have one, and no field.
inline constexpr string_view kBuiltIn[] = {"input", "id", "attempt", "now", "item", "iteration", "error", "output"};

enum class FieldType : char { text, integer, real, json, any };
inline constexpr string_view kFieldTypes[] = {"text", "integer", "real", "json", "any"};

struct Field {
  string_view name;
  FieldType type = FieldType::any;
};

struct Script {  // what a step and its undo have in common
  int64_t max_attempts = 0;   // 0: of the workflow
  bool has_backoff = false;
  Backoff backoff;
};

struct ScriptStep : Script {
  string_view name;
  Action action = Action::sql;
  string_view sql[kRoles];    // empty: there is none
  string_view target;         // queue of task, workflow of start, event of await_event and emit, rate of acquire, what await waits for, as JSON
  string_view queue;          // of start; empty: default
  string_view key;            // of acquire
  int64_t amount = 1;
  Millis duration = kNoTime;  // of sleep
  Millis timeout = kNoTime;
  int64_t expect = -1;
  bool all_rows = false;
  bool wait_all = false;      // of await: mode all
  bool keep_on = false;       // on_error continue
  bool detached = false;
  string_view undo_task;      // queue
  Script undo;
  size_t after = 0, after_count = 0;   // in Definition::after()
  bool order_unknown = false;   // mistakes leave open what it comes after
  bool shares_name = false;     // by mistake, with a step behind it in the document

  string_view text(Role role) const { return sql[static_cast<size_t>(role)]; }
  bool has(Role role) const { return !text(role).empty(); }
  bool has_undo() const { return has(Role::undo) || !undo_task.empty(); }
};

// Collects what is wrong with a definition: "path: message; path: message".
class Mistakes {
 public:
  // `step` is the number of a step, or -1 for the document itself; `key` may be empty.
  void add(int64_t step, string_view key, const char* format, ...);
  int64_t count() const { return count_; }
  string_view text() const { return text_.view(); }
  bool ok() const { return text_.ok(); }

 private:
  Text text_;
  int64_t count_ = 0;
};

class Definition {
 public:
  Definition() = default;
  Definition(const Definition&) = delete;
  Definition& operator=(const Definition&) = delete;
  ~Definition() { sqlite3_free(texts_); }

  // In the order of the document; the pseudo step `output` is the last, if there is one.
  size_t size() const { return steps_.size(); }
  const ScriptStep& step(size_t i) const { return steps_[i]; }
  bool has_output() const { return has_output_; }
  bool is_output(size_t step) const { return has_output_ && step + 1 == size(); }
  // Whether the statement only reads, and has columns; an undo and the statement of sql may do anything.
  bool is_query(size_t step, Role role) const;
  // The number of the step, or -1. No step has an empty name.
  int64_t find(string_view name) const;
  // The numbers of the steps that `step` comes after.
  size_t after(const ScriptStep& step, size_t i) const { return static_cast<size_t>(after_[step.after + i]); }
  bool comes_after(size_t step, size_t other) const;
  // The same, or through others.
  bool is_behind(size_t step, size_t other) const;
  // The same, or mistakes in the order of the steps leave it open.
  bool may_be_behind(size_t step, size_t other) const;
  size_t fields() const { return fields_.size(); }
  const Field& field(size_t i) const { return fields_[i]; }
  bool has_undo() const;
  // Whether the definition says so of the function.
  bool says_deterministic(string_view function) const;
  // Whether every step comes after the one before it, and after no other.
  bool is_line() const { return is_line_; }
  string_view document() const { return document_; }
  // Defaults of wf_start's options.
  const ScriptStep& defaults() const { return defaults_; }

 private:
  friend class DefinitionReader;
  class Behind;
  bool stops(size_t work) const { return stop_ != nullptr && stop_->after(work); }

  char* texts_ = nullptr;      // the document, and the texts unescaped from it
  string_view document_;
  List<ScriptStep> steps_;
  List<Field> fields_;
  Numbers after_;
  ScriptStep defaults_;
  json::Checked deterministic_;
  Stop* stop_ = nullptr;      // of the connection
  bool has_output_ = false, is_line_ = false;
};

}  // namespace wf
