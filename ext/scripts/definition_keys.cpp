#include "scripts/definition_keys.h"

#include "base/json.h"
#include "engine/wait_list.h"

namespace wf {
namespace {

constexpr size_t kMostNameBytes = 100;

bool is_first_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool read_duration(json::Checked json, Millis* out, bool* failed) {
  if (json.is(json::Kind::number)) return json::to_thousandths(json, out) && *out >= 0 && *out <= kDurationMax;
  Text text;
  if (!json.is(json::Kind::string)) return false;
  json::unquote(json, text);
  *failed = *failed || !text.ok();
  return parse_duration(text.view(), out);
}

bool read_real(json::Checked json, double min, double max, double* out) {
  if (!json.is(json::Kind::number)) return false;
  *out = json::to_real(json);
  return *out >= min && *out <= max;
}

bool read_backoff(json::Checked json, Backoff* out, bool* failed) {
  if (!json.is(json::Kind::object)) return false;
  for (json::Members m(json); m.next();) {
    const bool ok = m.key_is("initial")  ? read_duration(m.value(), &out->initial, failed)
                    : m.key_is("max")    ? read_duration(m.value(), &out->max, failed)
                    : m.key_is("factor") ? read_real(m.value(), 1, 1000, &out->factor)
                                         : m.key_is("jitter") && read_real(m.value(), 0, 1, &out->jitter);
    if (!ok) return false;
  }
  return true;
}

// An array of at least one name.
bool is_names(json::Checked json, bool* failed) {
  size_t count = 0;
  for (json::Elements e(json); e.next(); ++count) {
    Text one;
    if (!e.value().is(json::Kind::string)) return false;
    json::unquote(e.value(), one);
    *failed = *failed || !one.ok();
    if (!check_name("", one.view()).ok()) return false;
  }
  return count != 0;
}

// Signals, events and times, of which one is waited for, or all.
bool is_wait_list(json::Checked json, bool* failed) {
  Text held;
  List<Awaited> things;
  const Status status = read_wait_list("", json, held, &things);
  *failed = *failed || !held.ok() || !things.ok();
  for (size_t i = 0; status.ok() && i < things.size(); ++i) {
    if (things[i].kind == WaitKind::join) return false;  // a step with task or start is waited for by those after it
  }
  return status.ok() && things.size() != 0;
}

bool one_of(string_view text, string_view first, string_view second, int64_t* which) {
  *which = text == second;
  return *which != 0 || text == first;
}

}  // namespace

bool is_word(char c) { return is_first_letter(c) || (c >= '0' && c <= '9'); }

const char* form(Takes takes) {
  switch (takes) {
    case Takes::text: return "a text";
    case Takes::name: return "a name: text of 1 to 255 bytes";
    case Takes::names: return "a name or an array of names";
    case Takes::waits: return "a name, an array of names, or an array of objects with signal, event or sleep";
    case Takes::mode: return "any or all";
    case Takes::sql: return "an SQL statement";
    case Takes::query: return "a query";
    case Takes::name_or_query: return "a name or a query";
    case Takes::duration: return "a duration: seconds as a number, or text like '250ms', '30s', '1h30m'";
    case Takes::duration_or_query: return "a duration (seconds as a number, or text like '30s') or a query";
    case Takes::attempts: return "an integer from 1 to 1000000";
    case Takes::count: return "an integer from 0";
    case Takes::amount_or_query: return "an integer from 1 or a query";
    case Takes::boolean: return "true or false";
    case Takes::backoff: return "an object of initial, max (durations), factor (1 to 1000), jitter (0 to 1)";
    case Takes::after: return "a step's name or an array of them";
    case Takes::undo: return "an SQL statement, or an object with sql or task";
    case Takes::steps: return "an array";
    case Takes::input: return "an object of field names and types";
    case Takes::rows: return "first or all";
    case Takes::on_error: return "fail or continue";
  }
  return "";
}

bool has_form(Takes takes, json::Checked json, string_view text, int64_t* number, Backoff* backoff, bool* failed) {
  const json::Kind is = json.kind();
  const bool string = is == json::Kind::string;
  switch (takes) {
    case Takes::text: return string;
    case Takes::name: return string && check_name("", text).ok();
    case Takes::names: return string ? check_name("", text).ok() : is == json::Kind::array && is_names(json, failed);
    case Takes::waits: return string ? check_name("", text).ok() : is_names(json, failed) || is_wait_list(json, failed);
    case Takes::mode: return one_of(text, "any", "all", number);
    case Takes::sql:
    case Takes::query: return string && !text.empty();
    case Takes::name_or_query: return string && (is_query(text) || check_name("", text).ok());
    case Takes::duration: return read_duration(json, number, failed);
    case Takes::duration_or_query: return (string && is_query(text)) || read_duration(json, number, failed);
    case Takes::attempts: return json::to_integer(json, number) && *number >= 1 && *number <= kMaxAttemptsLimit;
    case Takes::count: return json::to_integer(json, number) && *number >= 0;
    case Takes::amount_or_query: return (string && is_query(text)) || (json::to_integer(json, number) && *number >= 1);
    case Takes::rows: return one_of(text, "first", "all", number);
    case Takes::on_error: return one_of(text, "fail", "continue", number);
    case Takes::boolean: return is == json::Kind::boolean;
    case Takes::backoff: return read_backoff(json, backoff, failed);
    case Takes::after: return string || is == json::Kind::array;
    case Takes::undo: return (string && !text.empty()) || is == json::Kind::object;
    case Takes::steps: return is == json::Kind::array;
    case Takes::input: return is == json::Kind::object;
  }
  return false;
}

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

bool is_parameter_name(string_view name) {
  if (name.empty() || name.size() > kMostNameBytes || !is_first_letter(name[0])) return false;
  for (const char c : name) {
    if (!is_word(c)) return false;
  }
  return true;
}

bool is_built_in(string_view name) {
  for (const string_view word : kBuiltIn) {
    if (same_letters(word, name)) return true;
  }
  return false;
}

}  // namespace wf
