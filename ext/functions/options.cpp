#include <new>

#include "base/json.h"
#include "functions/call.h"
#include "functions/nested.h"
#include "functions/reference.h"

namespace wf {
namespace {

constexpr const char* kDurationForm = "a duration: seconds as a number, or text like '250ms', '30s', '1h30m'";
constexpr const char* kTimeForm = "a time: ISO-8601 text like '2026-11-23 10:00:00' or unix seconds as a number";

// What was given, for messages.
struct ShownOption : Text {
  explicit ShownOption(const Value& value) {
    if (value.type == Value::Type::text) add('\'').add(shown(value.bytes)).add('\'');
    else if (value.type == Value::Type::blob) add("a BLOB");
    else add_json(value, *this);
  }
};

// The JSON value as SQLite would see it: strings unquoted (held by `buffer`), numbers as numbers, the rest as text.
Value plain(json::Checked json, Text& buffer) {
  switch (json.kind()) {
    case json::Kind::string:
      json::unquote(json, buffer);
      return Value::text(buffer.view());
    case json::Kind::number: {
      int64_t integer;
      return json::to_integer(json, &integer) ? Value::of(integer) : Value::of(json::to_real(json));
    }
    default: return Value::text(json.text());
  }
}

Status read_real(const char* what, json::Checked json, double min, double max, double* out) {
  if (json.is(json::Kind::number)) {
    *out = json::to_real(json);
    if (*out >= min && *out <= max) return {};
  }
  return Status::error(Code::invalid, "%s must be a number from %g to %g, got %.*s", what, min, max, WF_SV(excerpt(json.text())));
}

// The number of `word` among `words`, or -1.
int64_t choice_index(string_view words, string_view word) {
  for (int64_t i = 0; !words.empty(); ++i) {
    const size_t end = words.find(' ');
    if (part(words, 0, end) == word) return i;
    words = end == string_view::npos ? string_view() : part(words, end + 1);
  }
  return -1;
}

Status read_json_duration(const char* what, json::Checked json, Millis min, Millis* out) {
  Text buffer;
  const Value value = plain(json, buffer);
  if (!buffer.ok()) return Status::no_memory();
  // Exact where a double would round: 0.001 is a millisecond.
  if (json::to_thousandths(json, out) && *out >= min && *out <= kDurationMax) return {};
  return read_duration(what, value, min, out);
}

}  // namespace

Status wrong_value(const char* what, const char* wanted, const Value& got) {
  return Status::error(Code::invalid, "%s must be %s, got %.*s", what, wanted, WF_SV(ShownOption(got).view()));
}

Status read_duration(const char* what, const Value& value, Millis min, Millis* out) {
  bool ok = false;
  switch (value.type) {
    case Value::Type::integer: ok = seconds_to_millis(static_cast<double>(value.integer), out); break;
    case Value::Type::real: ok = seconds_to_millis(value.real, out); break;
    case Value::Type::text: ok = parse_duration(value.bytes, out); break;
    default: break;
  }
  if (!ok) return wrong_value(what, kDurationForm, value);
  if (*out < min) return wrong_value(what, min > 0 ? "greater than 0" : "0 or more", value);
  return {};
}

Status read_time(const char* what, const Value& value, Millis* out) {
  bool ok = false;
  switch (value.type) {
    case Value::Type::integer: ok = seconds_to_millis(static_cast<double>(value.integer), out); break;
    case Value::Type::real: ok = seconds_to_millis(value.real, out); break;
    case Value::Type::text: ok = parse_time(value.bytes, out); break;
    default: break;
  }
  return ok && *out <= kTimeMax ? Status() : wrong_value(what, kTimeForm, value);
}

Status read_backoff(const char* what, json::Checked json, Backoff* out) {
  if (!json.is(json::Kind::object)) return wrong_value(what, "an object with initial, factor, max, jitter", Value::text(json.text()));
  *out = {};
  static constexpr string_view kKeys[] = {"initial", "max", "factor", "jitter"};
  bool seen[std::size(kKeys)] = {};
  for (json::Members m(json); m.next();) {
    for (size_t i = 0; i < std::size(kKeys); ++i) {
      if (!m.key_is(kKeys[i])) continue;
      if (seen[i]) return Status::error(Code::invalid, "%s has the key %.*s twice", what, WF_SV(excerpt(m.key().text())));
      seen[i] = true;
    }
    if (m.key_is("initial")) WF_TRY(read_json_duration("backoff.initial", m.value(), 0, &out->initial));
    else if (m.key_is("max")) WF_TRY(read_json_duration("backoff.max", m.value(), 0, &out->max));
    else if (m.key_is("factor")) WF_TRY(read_real("backoff.factor", m.value(), 1, 1000, &out->factor));
    else if (m.key_is("jitter")) WF_TRY(read_real("backoff.jitter", m.value(), 0, 1, &out->jitter));
    else return Status::error(Code::invalid, "%s has no key %.*s; allowed are initial, factor, max, jitter", what, WF_SV(excerpt(m.key().text())));
  }
  return {};
}

Status read_rate(json::Checked json, int64_t* limit, Millis* per) {
  *limit = -1;
  *per = kNoTime;
  for (json::Members m(json); m.next();) {
    if (m.key_is("limit") && *limit < 0) {
      if (!json::to_integer(m.value(), limit) || *limit < 0) {
        return Status::error(Code::invalid, "rate.limit must be an integer from 0, got %.*s", WF_SV(excerpt(m.value().text())));
      }
    } else if (m.key_is("per") && *per == kNoTime) {
      WF_TRY(read_json_duration("rate.per", m.value(), 1, per));
    } else {
      return Status::error(Code::invalid, "the option \"rate\" must have the keys limit and per, once, got %.*s", WF_SV(excerpt(m.key().text())));
    }
  }
  if (*limit >= 0 && *per != kNoTime) return {};
  return Status::error(Code::invalid, "the option \"rate\" must be an object with limit and per, got %.*s", WF_SV(excerpt(json.text())));
}

Options::~Options() {
  for (size_t i = 0; i < described_.size(); ++i) given_[i].~Given();
}

Status in_option(const char* name, Status status) {
  if (!status.is(Code::invalid)) return status;
  const size_t code = string_view(code_name(Code::invalid)).size() + 2;
  return Status::error(Code::invalid, "in the option \"%s\": %s", name, status.message() + code);
}

Status Options::parse(std::span<const Option> described, string_view text, Stop* stop, const char* function) {
  described_ = described;
  for (size_t i = 0; i < described.size(); ++i) new (&given_[i]) Given;
  stop_ = stop;
  const json::Checked json = json::check(text, stop);
  if (!json.is(json::Kind::object)) {
    return Status::error(Code::invalid, "options%s%s%s must be a JSON object, got '%.*s'%s", function != nullptr ? " of " : "", function != nullptr ? function : "",
                         function != nullptr ? "()" : "", WF_SV(shown(text)), json ? "" : json::hint(text));
  }
  for (json::Members m(json); m.next();) {
    size_t i = 0;
    while (i < described.size() && !m.key_is(described[i].name)) ++i;
    if (i == described.size()) {
      Text key, allowed;
      json::unquote_shown(m.key(), key);
      for (const Option& option : described) allowed.add(allowed.size() != 0 ? ", " : "").add(option.name);
      return Status::error(Code::invalid, "there is no option \"%.*s\"; allowed are %.*s", WF_SV(excerpt(key.view())), WF_SV(allowed.view()));
    }
    if (given_[i].given || given_[i].null) return Status::error(Code::invalid, "the option \"%s\" is given twice", described[i].name);
    given_[i].null = m.value().is(json::Kind::null);
    if (given_[i].null) continue;
    given_[i].given = true;
    WF_TRY(read(described[i], m.value(), &given_[i]));
    if (!given_[i].text.ok()) return Status::no_memory();
  }
  return {};
}

Status Options::read(const Option& option, json::Checked json, Given* out) {
  char what[64];
  sqlite3_snprintf(sizeof what, what, "the option \"%s\"", option.name);
  Text buffer;
  const json::Kind kind = json.kind();
  const string_view written = json.text();
  const auto refuse = [&] {
    Text type;
    add_type(option, type);
    const bool is_text = option.type == OptionType::name || option.type == OptionType::id;
    Text hint;
    if (is_text && kind == json::Kind::number) hint.add(", which is no text: \"").add(written).add('"');
    if (option.type == OptionType::object) hint.add(" (").add(option.words).add(')');
    return Status::error(Code::invalid, "%s must be %.*s, got %.*s%.*s", what, WF_SV(type.view()), WF_SV(excerpt(written)), WF_SV(hint.view()));
  };
  switch (option.type) {
    case OptionType::name:
    case OptionType::id:
      if (kind != json::Kind::string) return refuse();
      json::unquote(json, out->text);
      if (!out->text.ok()) return Status::no_memory();
      return option.type == OptionType::id ? check_id(what, out->text.view()) : check_name(what, out->text.view());
    case OptionType::names:
      if (kind == json::Kind::string) {
        json::unquote(json, buffer);
        if (!buffer.ok()) return Status::no_memory();
        WF_TRY(check_name(what, buffer.view()));
        out->text.add('[').add(written).add(']');
        return {};
      }
      if (kind != json::Kind::array) return refuse();
      for (json::Elements e(json); e.next();) {
        if (!e.value().is(json::Kind::string)) return refuse();
        buffer.clear();
        json::unquote(e.value(), buffer);
        if (!buffer.ok()) return Status::no_memory();
        WF_TRY(check_name(what, buffer.view()));
      }
      out->text.add(written);
      return {};
    case OptionType::integer:
      if (!json::to_integer(json, &out->integer) || out->integer < option.min || out->integer > option.max) {
        return refuse();
      }
      return {};
    case OptionType::boolean:
      if (kind == json::Kind::boolean) out->integer = written[0] == 't';
      else if (!json::to_integer(json, &out->integer) || (out->integer != 0 && out->integer != 1)) return refuse();
      return {};
    case OptionType::duration:
      if (kind != json::Kind::number && kind != json::Kind::string) return refuse();
      WF_TRY(read_json_duration(what, json, option.min, &out->integer));
      return out->integer > option.max ? refuse() : Status();
    case OptionType::time:
      if (json::to_thousandths(json, &out->integer) && out->integer >= kTimeMin && out->integer <= kTimeMax) return {};
      if (kind != json::Kind::string) return refuse();
      buffer.clear();
      if (const Value time = plain(json, buffer); buffer.ok()) return read_time(what, time, &out->integer);
      return Status::no_memory();
    case OptionType::object:
      if (kind != json::Kind::object) return refuse();
      out->text.add(written);
      return {};
    case OptionType::value:
      out->text.add(written);
      return {};
    case OptionType::choice: {
      if (kind != json::Kind::string) return refuse();
      json::unquote(json, out->text);
      if (!out->text.ok()) return Status::no_memory();
      out->integer = choice_index(option.words, out->text.view());
      return out->integer >= 0 ? Status() : refuse();
    }
    case OptionType::backoff: return read_backoff(what, json, &out->backoff);
  }
  return {};
}

const Options::Given* Options::look_for(string_view name) const {
  for (size_t i = 0; i < described_.size(); ++i) {
    if (given_[i].given && name == described_[i].name) return &given_[i];  // most are not given: asked first, as it costs least
  }
  return nullptr;
}

string_view Options::text(OptionName name, string_view otherwise) const {
  const Given* given = find(name);
  return given != nullptr ? given->text.view() : otherwise;
}

json::Checked Options::names(OptionName name) const { return json::check(text(name), stop_); }

Value Options::value(OptionName name) const {
  const Given* given = find(name);
  return given != nullptr ? Value::text(given->text.view()) : Value{};
}

int64_t Options::integer(OptionName name, int64_t otherwise) const {
  const Given* given = find(name);
  return given != nullptr ? given->integer : otherwise;
}

Backoff Options::backoff(OptionName name) const {
  const Given* given = find(name);
  return given != nullptr ? given->backoff : Backoff{};
}

bool Options::mentions(OptionName name) const {
  for (size_t i = 0; i < described_.size(); ++i) {
    if (name == described_[i].name) return given_[i].given || given_[i].null;
  }
  return false;
}

Status Options::exclusive(const char* one, const char* other) const {
  if (!has(string_view(one)) || !has(string_view(other))) return {};
  return Status::error(Code::invalid, "the options \"%s\" and \"%s\" exclude each other", one, other);
}

}  // namespace wf
