// Call: one call of a SQL function. Arguments are read and checked here, and the result leaves here; the rules are in the engine.
//
// Every reader returns WF_INVALID with the argument's name and what was given. Views stay valid during the call.
#pragma once

#include "base/db.h"
#include "base/json.h"
#include "engine/fingerprint.h"
#include "engine/settings.h"
#include "engine/start.h"
#include "functions/registry.h"

namespace wf {

// The name of an option. Where it stands in the code the compiler counts its letters: a call asks for many options, and mostly has none.
struct OptionName : string_view {
  template <size_t kSize>
  consteval OptionName(const char (&name)[kSize]) : string_view(name, kSize - 1) {}  // NOLINT(google-explicit-constructor)
  constexpr OptionName(string_view name) : string_view(name) {}                      // NOLINT(google-explicit-constructor)
};

// The options of a call, as its function's registry entry describes them.
class Options {
 public:
  Options() {}  // NOLINT(modernize-use-equals-default): most calls have none, and pay for none
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  ~Options();

  // Parses the JSON object `text`. WF_INVALID for an unknown key, a wrong type, a number out of range, a key given twice.
  // `function` is named if it is no object at all.
  Status parse(std::span<const Option> described, string_view text, Stop* stop, const char* function = nullptr);

  // Whether the option was given, and not as null.
  bool has(OptionName name) const { return find(name) != nullptr; }
  string_view text(OptionName name, string_view otherwise = {}) const;   // of name, id, names (a JSON array), object
  json::Checked names(OptionName name) const;                            // of names: an array; none where it was not given
  json::Checked object(OptionName name) const { return names(name); }    // of object
  Value value(OptionName name) const;                                    // of value: JSON text
  int64_t integer(OptionName name, int64_t otherwise) const;             // of integer, duration, time, choice
  bool boolean(OptionName name, bool otherwise = false) const { return integer(name, otherwise) != 0; }
  Backoff backoff(OptionName name) const;
  Now now() const { return {has("now"), integer("now", 0)}; }
  // Whether the option was given, also as null.
  bool mentions(OptionName name) const;
  // WF_INVALID if both are given.
  Status exclusive(const char* one, const char* other) const;

 private:
  static constexpr size_t kMost = 24;
  struct Given {
    bool given = false;
    bool null = false;
    int64_t integer = 0;
    Backoff backoff;
    Text text;
  };

  const Given* find(OptionName name) const { return described_.empty() ? nullptr : look_for(name); }
  const Given* look_for(string_view name) const;
  Status read(const Option& option, json::Checked json, Given* out);

  std::span<const Option> described_;
  Stop* stop_ = nullptr;
  union {
    Given given_[kMost];  // as many as are described
  };
};

// The options of wf_start, of which "delay" and "at" exclude each other.
Status read_start_options(const Options& options, Start* out);
// The result of a start: the id, or with the option "report" what came of it.
Status result_started(Call& call, string_view id, Started outcome);

// WF_INVALID: that `what` must be `wanted`, and what was given.
Status wrong_value(const char* what, const char* wanted, const Value& got);

// A duration or time, as users write it in SQL or in JSON.
Status read_duration(const char* what, const Value& value, Millis min, Millis* out);
Status read_time(const char* what, const Value& value, Millis* out);
// The JSON object of a rate, {"limit", "per"}.
Status read_rate(json::Checked json, int64_t* limit, Millis* per);
// The JSON object of a backoff.
Status read_backoff(const char* what, json::Checked json, Backoff* out);

class Call {
 public:
  Call(sqlite3_context* context, int argc, sqlite3_value** argv, Db& connection, const Function& called)
      : db(connection), function(called), context_(context), argc_(argc), argv_(argv) {}

  // Reads the options, which are the last possible argument; to be called first.
  Status read_options();

  int count() const { return argc_; }
  bool given(int i) const { return i < argc_ && sqlite3_value_type(argv_[i]) != SQLITE_NULL; }
  Value raw(int i) const { return i < argc_ ? Value::from(argv_[i]) : Value{}; }

  Status name(int i, const char* what, string_view* out) const;
  // An integer that is not less than `least`.
  Status integer(int i, const char* what, int64_t least, int64_t* out) const;
  // Empty if it is missing or NULL.
  Status optional_name(int i, const char* what, string_view* out) const;
  Status handle(int i, Handle* out) const;
  // An id, and no token.
  Status id(int i, string_view* out) const;
  // One name, or a JSON array of names: a JSON array in any case.
  Status names(int i, const char* what, Text& out) const;
  // WF_INVALID: that the argument `what` must be `wanted`, and what was given: "text 'x'", "a real 0.5".
  Status wrong(const char* what, const char* wanted, const Value& got) const;
  // An input or payload: JSON, a number, a BLOB or NULL.
  Status input(int i, const char* what, Value* out) const;
  // An output or error, which is never refused: text that is not JSON becomes a JSON string, held by `buffer`.
  Status report(int i, Text& buffer, Value* out) const;

  void result_null() { sqlite3_result_null(context_); }
  void result(int64_t number) { sqlite3_result_int64(context_, number); }
  // Text, which hosts can read: of what is no UTF-8, a name that a hand edit has made, each byte becomes U+FFFD.
  void result(string_view text);
  void result(Millis time, TimeForm form) { result(TimeText(time, form).view()); }
  void result_json(string_view text);
  Status result_json(Text& text);      // takes its bytes over
  // A stored value, as it was stored: JSON text with the JSON subtype; NULL as JSON null. Text that is none is shown as add_json() does.
  Status result_stored(const Value& value);
  // The same for one that this call has checked.
  void result_checked(const Value& value);

  Db& db;
  const Function& function;
  Options options;

 private:
  void result_as_it_is(string_view text);
  bool looks_like_options(int i, string_view text) const;
  bool is_whole_claim(string_view text) const;
  Status check_last() const;
  // WF_INVALID, with the hint where options belong.
  Status meant_as_options(string_view what, string_view given) const;

  sqlite3_context* context_;
  int argc_;
  sqlite3_value** argv_;
};

// The fingerprint of what a step is called with, by the options "input" or "hash".
Status read_fingerprint(const Call& call, Fingerprint* out);

}  // namespace wf
