#include "engine/document.h"

#include <charconv>

#include "engine/start.h"
#include "engine/wait_row.h"
#include "version.h"

namespace wf {
namespace {

constexpr string_view kDocumentFormat = "1";

class Columns {
 public:
  explicit Columns(const Part& part) : rest_(part.columns) {}
  bool next() {
    const size_t end = rest_.find(' ');
    word_ = part(rest_, 0, end);
    rest_ = end == string_view::npos ? string_view() : part(rest_, end + 1);
    return !word_.empty();
  }
  bool required() const { return word_[0] < 'a'; }
  char type() const { return static_cast<char>(word_[0] | 0x20); }
  string_view name() const { return part(word_, 1); }

 private:
  string_view rest_, word_;
};

// Text as a JSON string, so that it comes back byte for byte; a real as its eight bytes, so that it comes back exactly.
void add_cell(const Value& value, Stop* stop, Text& out) {
  if (value.type == Value::Type::text) {
    json::quote(value.bytes, out, stop);
  } else if (value.type == Value::Type::real) {
    uint64_t bits;
    std::memcpy(&bits, &value.real, sizeof bits);
    unsigned char bytes[sizeof bits];
    for (size_t i = sizeof bits; i-- > 0; bits >>= 8) bytes[i] = static_cast<unsigned char>(bits);
    out.add("{\"$real\":\"").add_hex(bytes, sizeof bytes).add("\"}");
  } else {
    add_json(value, out);
  }
}

// {"$blob":"<hex>"} or {"$real":"<hex>"}; the bytes are held by `buffer`.
bool read_bytes(json::Checked json, Text& buffer, Value* out) {
  json::Members m(json);
  if (!m.next() || !m.value().is(json::Kind::string)) return false;
  const bool real = m.key_is("$real");
  if (!real && !m.key_is("$blob")) return false;
  json::unquote(m.value(), buffer);
  const size_t size = buffer.size() / 2;
  if (m.next() || buffer.size() % 2 != 0 || (real && size != sizeof(double))) return false;
  uint64_t bits = 0;
  for (size_t i = 0; i < size; ++i) {
    const char* digits = buffer.data() + 2 * i;
    unsigned byte = 0;
    if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return false;
    buffer.data()[i] = static_cast<char>(byte);
    bits = bits << 8 | byte;
  }
  buffer.truncate(size);
  *out = Value::blob(buffer.view());
  if (real) {
    out->type = Value::Type::real;
    std::memcpy(&out->real, &bits, sizeof bits);
  }
  return true;
}

bool in_range(const Value& value, int64_t min, int64_t max) {
  return value.type == Value::Type::integer && value.integer >= min && value.integer <= max;
}

// Whether it is what wf_start would take.
bool is_backoff(string_view json) {
  bool sound;
  (void)stored_backoff(json, &sound);
  return sound;
}

// What a column of the type `type` takes; text and BLOBs are held by `buffer`.
Status read_cell(char type, json::Checked json, string_view place, Text& buffer, Value* out) {
  const json::Kind kind = json.kind();
  const string_view written = json.text();
  bool ok = true;
  if (kind == json::Kind::string) {
    json::unquote(json, buffer);
    *out = Value::text(buffer.view());
  } else if (kind == json::Kind::number) {
    out->type = Value::Type::integer;
    const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), out->integer);
    ok = error == std::errc() && end == written.data() + written.size();
  } else {
    ok = kind == json::Kind::object && read_bytes(json, buffer, out);
  }
  if (!buffer.ok()) return Status::no_memory();
  const bool text = out->type == Value::Type::text;
  const json::Checked inner = ok && text ? json::check(out->bytes, json.stop()) : json::Checked();
  switch (type) {
    case 'i':
    case 'n':
      if (!text) return wrong(place, "text", json);
      return type == 'i' ? check_id(place, out->bytes) : check_name(place, out->bytes);
    case 't': return ok && in_range(*out, kTimeMin, kTimeMax) ? Status() : wrong(place, "a time in milliseconds", json);
    case 'c': return ok && in_range(*out, -kDurationMax, kDurationMax) ? Status() : wrong(place, "an integer", json);
    case 'h': return ok && out->type == Value::Type::integer ? Status() : wrong(place, "an integer", json);
    case 'v':
      return ok && (!text || inner) ? Status() : wrong(place, "JSON as a string, an integer, {\"$real\":...} or {\"$blob\":...}", json);
    case 'x': return inner ? Status() : wrong(place, "JSON as a string", json);
    case 'a': {
      if (inner.is(json::Kind::object)) {
        WaitRow several;
        several.topics = out->bytes;
        bool sound;
        WF_TRY(several.read(json.stop(), &sound));
        return sound ? Status() : wrong(place, "what a wait can wait for", json);
      }
      if (!inner.is(json::Kind::array)) return wrong(place, "a JSON array or object as a string", json);
      Text name;
      for (json::Elements e(inner); e.next();) {
        name.clear();
        if (!e.value().is(json::Kind::string)) return wrong(place, "an array of names", json);
        json::unquote(e.value(), name);
        if (!name.ok()) return Status::no_memory();
        WF_TRY(check_name(place, name.view()));
      }
      return {};
    }
    default:
      return inner.is(json::Kind::object) && (type != 'b' || is_backoff(out->bytes)) ? Status()
                                                                                    : wrong(place, "a JSON object as a string", json);
  }
}

}  // namespace

void add_row(const Query& q, const Part& part, Stop* stop, Text& out) {
  out.add('{');
  int column = 0;
  bool first = true;
  for (Columns c(part); c.next(); ++column) {
    if (q.is_null(column)) continue;
    out.add(first ? "\"" : ",\"").add(c.name()).add("\":");
    add_cell(q.value(column), stop, out);
    first = false;
  }
  out.add('}');
}

Status add_rows(Query& q, const Part& part, Stop* stop, Text& out) {
  for (bool first = true;; first = false) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) break;
    if (!first) out.add(',');
    add_row(q, part, stop, out);
  }
  out.add(']');
  return {};
}

void begin_document(Text& out) { out.add("{\"format\":").add(kDocumentFormat).add(",\"wfext\":\"").add(kVersion).add('"'); }

Status check_format(json::Checked format, json::Checked made_by) {
  if (format.text() != kDocumentFormat) return wrong("format", "1, which this version of the extension knows", format);
  return made_by.is(json::Kind::string) ? Status() : wrong("wfext", "the version that made the document", made_by);
}

Status wrong_member(const json::Members& m, bool twice) {
  return Status::error(Code::invalid, "the document has a member %.*s %s", WF_SV(excerpt(m.key().text())), twice ? "twice" : "that is unknown");
}

Status wrong(string_view place, const char* wanted, json::Checked got) {
  return Status::error(Code::invalid, "%.*s must be %s, got %.*s", WF_SV(place), wanted, WF_SV(got ? excerpt(got.text()) : string_view("nothing")));
}

Status bind_row(Query& q, const Part& part, json::Checked row, string_view where) {
  if (!row.is(json::Kind::object)) return wrong(where, "an object", row);
  uint64_t seen = 0, given = 0;
  for (json::Members m(row); m.next();) {
    Text place;
    place.add(where).add('.');
    json::unquote_shown(m.key(), place);
    if (!place.ok()) return Status::no_memory();
    Columns c(part);
    uint64_t bit = 1;
    bool known = c.next();
    for (; known && !m.key_is(c.name()); bit <<= 1) known = c.next();
    if (!known || (seen & bit) != 0) {
      return Status::error(Code::invalid, known ? "%.*s is given twice" : "%.*s is unknown", WF_SV(excerpt(place.view(), 100)));
    }
    seen |= bit;
    if (m.value().is(json::Kind::null)) continue;
    given |= bit;
    Text buffer;
    Value value;
    WF_TRY(read_cell(c.type(), m.value(), place.view(), buffer, &value));
    char parameter[24];
    sqlite3_snprintf(sizeof parameter, parameter, ":%.*s", WF_SV(c.name()));
    q.bind_held(SqlParameter::by_name(parameter), value, buffer);
  }
  for (Columns c(part); c.next(); given >>= 1) {
    if (c.required() && (given & 1) == 0) return Status::error(Code::invalid, "%.*s.%.*s is missing", WF_SV(where), WF_SV(c.name()));
  }
  return {};
}

}  // namespace wf
