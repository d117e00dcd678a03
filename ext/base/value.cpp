#include "base/value.h"

#include "base/json.h"

namespace wf {

Value Value::from(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: return of(static_cast<int64_t>(sqlite3_value_int64(value)));
    case SQLITE_FLOAT: return of(sqlite3_value_double(value));
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
      return Value::text({text != nullptr ? text : "", static_cast<size_t>(sqlite3_value_bytes(value))});
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
      return Value::blob({bytes != nullptr ? bytes : "", static_cast<size_t>(sqlite3_value_bytes(value))});
    }
    default: return {};
  }
}

const char* Value::type_name() const {
  static constexpr char kNames[][11] = {"NULL", "an integer", "a real", "text", "a BLOB"};
  return kNames[static_cast<int>(type)];
}

namespace {

void add_text(string_view text, Text& out, Stop* stop, int depth) {
  if (json::check(text, stop, depth)) {
    out.add(text);
    return;
  }
  out.add("{\"$text\":");
  json::quote(text, out, stop);
  out.add('}');
}

}  // namespace

void add_json(const Value& value, Text& out, Stop* stop, int depth) {
  switch (value.type) {
    case Value::Type::null: out.add("null"); break;
    case Value::Type::integer: out.add_integer(value.integer); break;
    case Value::Type::real: out.add_real(value.real); break;
    case Value::Type::text: add_text(value.bytes, out, stop, depth); break;
    case Value::Type::blob: out.add("{\"$blob\":\"").add_hex(value.bytes.data(), value.bytes.size()).add("\"}"); break;
  }
}

}  // namespace wf
