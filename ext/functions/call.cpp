#include "functions/call.h"

#include "base/json.h"
#include "functions/reference.h"

namespace wf {

Status Call::read_options() {
  const int last = function.max_args - 1;
  if (function.options.empty()) return {};
  if (!given(last)) return check_last();
  const Value value = raw(last);
  if (value.type != Value::Type::text) return wrong("options", "a JSON object as text", value);
  return options.parse(function.options, value.bytes, &db.stop(), function.name());
}

// Options that stand where a duration, a time or ids belong. Values may look as they like, and of names name() knows.
Status Call::check_last() const {
  const int i = count() - 1;
  if (i < 0 || i != function.max_args - 2) return {};
  const Value last = raw(i);
  if (last.type != Value::Type::text || !opens_with(last.bytes, '{')) return {};
  string_view name(function.arguments());
  if (!name.empty() && name.back() == ']') name.remove_suffix(1);
  name = part(name, name.find_last_of(" [") + 1);  // of none: all of it
  for (const string_view other : {"timeout", "duration", "duration_or_time", "time", "ids", "amount"}) {
    if (name == other) return looks_like_options(i, last.bytes) ? meant_as_options(name, last.bytes) : Status();
  }
  return {};
}

Status Call::meant_as_options(string_view what, string_view given) const {
  Text signature;
  add_signature(function, signature);
  if (!signature.ok()) return Status::no_memory();
  return Status::error(Code::invalid, "'%.*s' for %.*s of %.*s looks like options: %s", WF_SV(excerpt(given)), WF_SV(what), WF_SV(signature.view()),
                       function.options.empty() ? "it has none" : "they come last, after NULL for what is left out");
}

Status Call::wrong(const char* what, const char* wanted, const Value& got) const {
  Text shown_value;
  shown_value.add(got.type_name());
  if (got.type == Value::Type::integer || got.type == Value::Type::real) {
    shown_value.add(' ');
    add_json(got, shown_value);
  } else if (got.type == Value::Type::text) {
    shown_value.add(" '").add(shown(got.bytes)).add('\'');
  }
  return Status::error(Code::invalid, "%s of %s() must be %s, got %.*s", what, function.name(), wanted, WF_SV(shown_value.view()));
}

Status Call::name(int i, const char* what, string_view* out) const {
  const Value value = raw(i);
  if (value.type != Value::Type::text) return wrong(what, "text", value);
  *out = value.bytes;
  if (looks_like_options(i, value.bytes)) return meant_as_options(what, value.bytes);
  return check_name(what, value.bytes);
}

// Whether what is given for a name was meant for the options: a JSON object that has one of their keys, or, where the name may be left out,
// any object. Other names may look like JSON.
bool Call::looks_like_options(int i, string_view text) const {
  if (!opens_with(text, '{')) return false;
  const json::Checked object = json::check(text, &db.stop());
  if (!object) return false;
  bool known = i >= function.min_args;
  for (json::Members m(object); !known && m.next();) {
    for (const Option& option : function.options) known = known || m.key_is(option.name);
  }
  return known;
}

Status Call::integer(int i, const char* what, int64_t least, int64_t* out) const {
  const Value given = raw(i);
  *out = given.type == Value::Type::integer ? given.integer : least - 1;
  if (given.type == Value::Type::real && given.real >= static_cast<double>(least) && given.real <= static_cast<double>(kMostCount)) {
    *out = static_cast<int64_t>(given.real);  // some drivers bind every number as a double
    if (static_cast<double>(*out) != given.real) *out = least - 1;
  }
  if (*out >= least) return {};
  Text wanted;
  wanted.add("an integer from ").add_integer(least).add('\0');
  return wanted.ok() ? wrong(what, wanted.view().data(), given) : Status::no_memory();
}

Status Call::optional_name(int i, const char* what, string_view* out) const {
  *out = {};
  return given(i) ? name(i, what, out) : Status();
}

Status Call::handle(int i, Handle* out) const {
  // The handle of a claim that found nothing, or of a query that did.
  if (!given(i)) return Status::error(Code::invalid, "handle of %s() is NULL: was nothing claimed?", function.name());
  string_view text;
  Status status = name(i, "handle", &text);
  if (status.ok()) status = parse_handle(text, out);
  if (status.ok() || status.rc() == SQLITE_NOMEM || !is_whole_claim(text)) return status;
  return Status::error(Code::invalid, "handle of %s() is a whole claim: its token is json_extract(claim, '$.token'), of one of an array '$[0].token'", function.name());
}

// What wf_claim() returns, in place of the token in it.
bool Call::is_whole_claim(string_view text) const {
  if (!opens_with(text, '{') && !opens_with(text, '[')) return false;
  json::Checked claim = json::check(text, &db.stop());
  if (json::Elements first(claim); first.next()) claim = first.value();
  for (json::Members m(claim); m.next();) {
    if (m.key_is("token")) return true;
  }
  return false;
}

Status Call::id(int i, string_view* out) const {
  WF_TRY(name(i, "id", out));
  return check_id("id", *out);
}

Status Call::names(int i, const char* what, Text& out) const {
  const Value value = raw(i);
  if (value.type != Value::Type::text || !opens_with(value.bytes, '[')) {
    string_view one;
    WF_TRY(name(i, what, &one));
    out.add('[');
    json::quote(one, out);
    out.add(']');
    return out.ok() ? Status() : Status::no_memory();
  }
  const json::Checked array = json::check(value.bytes, &db.stop());
  if (!array) {
    return Status::error(Code::invalid, "%s of %s() must be a name or a JSON array of names, got '%.*s'%s", what, function.name(),
                         WF_SV(shown(value.bytes)), json::hint(value.bytes));
  }
  Text one;
  for (json::Elements e(array); e.next();) {
    if (!e.value().is(json::Kind::string)) {
      return Status::error(Code::invalid, "%s of %s() must be a JSON array of names, got %.*s in it", what, function.name(), WF_SV(excerpt(e.value().text())));
    }
    one.clear();
    json::unquote(e.value(), one);
    if (!one.ok()) return Status::no_memory();
    WF_TRY(check_name(what, one.view()));
  }
  out.add(value.bytes);
  return out.ok() ? Status() : Status::no_memory();
}

Status Call::input(int i, const char* what, Value* out) const {
  *out = raw(i);
  if (out->type != Value::Type::text || json::valid(out->bytes, &db.stop())) return {};
  if (!is_utf8(out->bytes, &db.stop())) return Status::error(Code::invalid, "%s of %s() is not valid UTF-8", what, function.name());
  if (std::memchr(out->bytes.data(), 0, out->bytes.size()) != nullptr) {
    return Status::error(Code::invalid, "%s of %s() holds a NUL character", what, function.name());
  }
  const char* hint = json::hint(out->bytes);
  return Status::error(Code::invalid, "%s of %s() is not valid JSON: '%.*s'%s", what, function.name(), WF_SV(excerpt(out->bytes)),
                       hint[0] != 0 ? hint : " (for a text value use json_quote(...))");
}

Status Call::report(int i, Text& buffer, Value* out) const {
  *out = raw(i);
  if (out->type != Value::Type::text || json::valid(out->bytes, &db.stop())) return {};
  json::quote(out->bytes, buffer, &db.stop());
  *out = Value::text(buffer.view());
  return buffer.ok() ? Status() : Status::no_memory();
}

void Call::result(string_view text) {
  if (is_utf8(text, &db.stop())) return result_as_it_is(text);
  Text readable;
  add_readable(text, readable);
  readable.ok() ? result_as_it_is(readable.view()) : sqlite3_result_error_nomem(context_);
}

void Call::result_as_it_is(string_view text) {
  sqlite3_result_text64(context_, text.empty() ? "" : text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Call::result_json(string_view text) {
  result_as_it_is(text);
  sqlite3_result_subtype(context_, 'J');
}

Status Call::result_json(Text& text) {
  const size_t size = text.size();
  if (!text.ok()) return Status::no_memory();
  if (size == 0) {
    result_json(string_view());
    return {};
  }
  sqlite3_result_text64(context_, text.release(), size, sqlite3_free, SQLITE_UTF8);
  sqlite3_result_subtype(context_, 'J');
  return {};
}

Status Call::result_stored(const Value& value) {
  if (value.type != Value::Type::text || json::valid(value.bytes, &db.stop())) {
    result_checked(value);
    return {};
  }
  Text shown;
  add_json(value, shown, &db.stop());
  return result_json(shown);
}

void Call::result_checked(const Value& value) {
  switch (value.type) {
    case Value::Type::null: result_json("null"); break;
    case Value::Type::integer: sqlite3_result_int64(context_, value.integer); break;
    case Value::Type::real: sqlite3_result_double(context_, value.real); break;
    case Value::Type::text: result_json(value.bytes); break;
    case Value::Type::blob: sqlite3_result_blob64(context_, value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(), SQLITE_TRANSIENT); break;
  }
}

Status read_fingerprint(const Call& call, Fingerprint* out) {
  const Options& o = call.options;
  WF_TRY(o.exclusive("input", "hash"));
  if (o.has("hash")) *out = fingerprint_of(o.text("hash"));
  return o.has("input") ? fingerprint_of(json::check(o.value("input").bytes, &call.db.stop()), out) : Status();
}

}  // namespace wf
