#include "scripts/bind.h"

#include "base/json.h"
#include "scripts/parameter.h"

namespace wf {
namespace {

constexpr string_view kBlob = "\"$blob\"";

int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

int bind_text(sqlite3_stmt* statement, int i, string_view text) {
  return sqlite3_bind_text64(statement, i, text.empty() ? "" : text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// {"$blob":"<hex>"}
bool is_blob(json::Checked object, Text& bytes) {
  json::Members m(object);
  if (!m.next() || m.key().text() != kBlob || !m.value().is(json::Kind::string)) return false;
  const string_view quoted = m.value().text(), hex = part(quoted, 1, quoted.size() - 2);
  if (m.next() || hex.size() % 2 != 0) return false;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes.add(static_cast<char>(high * 16 + low));
  }
  return true;
}

// A JSON value as SQL sees it: objects and arrays as their text.
Status bind_real(sqlite3_stmt* statement, int i, string_view number, Facts& facts, int* rc) {
  double real;
  WF_TRY(facts.real(number, &real));
  *rc = sqlite3_bind_double(statement, i, real);
  return {};
}

// `integral`: 3.0 is 3.
Status bind_json(sqlite3_stmt* statement, int i, json::Checked json, Facts& facts, int* rc, bool integral = false) {
  Text text;
  *rc = SQLITE_OK;
  const string_view written = json.text();
  switch (json.kind()) {
    case json::Kind::none:  // what was damaged by hand
    case json::Kind::null: *rc = sqlite3_bind_null(statement, i); return {};
    case json::Kind::boolean: *rc = sqlite3_bind_int(statement, i, written == "true"); return {};
    case json::Kind::number: {
      int64_t number;
      if ((integral || written.find_first_of(".eE") == string_view::npos) && json::to_integer(json, &number)) {
        *rc = sqlite3_bind_int64(statement, i, number);
        return {};
      }
      return bind_real(statement, i, written, facts, rc);
    }
    case json::Kind::string:
      json::unquote_shown(json, text);
      *rc = text.ok() ? bind_text(statement, i, text.view()) : SQLITE_NOMEM;
      return {};
    case json::Kind::object:
      if (is_blob(json, text)) {
        *rc = text.ok() ? sqlite3_bind_blob64(statement, i, text.size() == 0 ? "" : text.view().data(), text.size(), SQLITE_TRANSIENT) : SQLITE_NOMEM;
        return {};
      }
      break;
    case json::Kind::array: break;
  }
  *rc = bind_text(statement, i, written);
  return {};
}

// The member of an object; nothing if there is none.
json::Checked member_of(string_view json, string_view name, Stop* stop) {
  for (json::Members m(json::check(json, stop)); m.next();) {
    if (m.key_is(name)) return m.value();
  }
  return {};
}

int bind_value(sqlite3_stmt* statement, int i, const Value& value) {
  switch (value.type) {
    case Value::Type::null: break;
    case Value::Type::integer: return sqlite3_bind_int64(statement, i, value.integer);
    case Value::Type::real: return sqlite3_bind_double(statement, i, value.real);
    case Value::Type::text: return bind_text(statement, i, value.bytes);
    case Value::Type::blob: return sqlite3_bind_blob64(statement, i, value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(), SQLITE_TRANSIENT);
  }
  return sqlite3_bind_null(statement, i);
}

// A value that is JSON text, or its member.
Status bind_holder(sqlite3_stmt* statement, int i, const Value& holder, string_view member, Facts& facts, int* rc) {
  const json::Checked found = member.empty() || holder.type != Value::Type::text ? json::Checked() : member_of(holder.bytes, member, facts.stop());
  if (found) return bind_json(statement, i, found, facts, rc);
  *rc = member.empty() ? bind_value(statement, i, holder) : sqlite3_bind_null(statement, i);
  return {};
}

Status bind_one(sqlite3_stmt* statement, int i, const Parameter& p, const Binding& b, Facts& facts, int* rc) {
  Text text, inner;
  Value value;
  switch (p.source) {
    case Source::id:
      WF_TRY(facts.load());
      *rc = bind_text(statement, i, facts.id());
      return {};
    case Source::attempt: *rc = sqlite3_bind_int64(statement, i, b.attempt); return {};
    case Source::iteration: *rc = sqlite3_bind_int64(statement, i, b.iteration); return {};
    case Source::now: *rc = bind_text(statement, i, TimeText(b.now, TimeForm::sql).view()); return {};
    case Source::input: WF_TRY(facts.input(&value)); break;
    case Source::error: WF_TRY(facts.error(&value)); break;
    case Source::field: {
      WF_TRY(facts.input(&value));
      const Field& field = b.definition.field(p.index);
      const json::Checked found = value.type == Value::Type::text ? member_of(value.bytes, field.name, facts.stop()) : json::Checked();
      if (p.member.empty() && field.type != FieldType::json) {
        if (!found) *rc = sqlite3_bind_null(statement, i);
        else if (field.type == FieldType::real && found.is(json::Kind::number)) return bind_real(statement, i, found.text(), facts, rc);
        else return bind_json(statement, i, found, facts, rc, field.type == FieldType::integer);
        return {};
      }
      value = found ? Value::text(found.text()) : Value{};
      break;
    }
    case Source::step: {
      const bool own = p.index == b.step;
      WF_TRY(facts.output(own ? b.row : b.definition.step(p.index).name, text));
      value = text.size() == 0 ? Value{} : Value::text(text.view());
      break;
    }
    case Source::item:
      WF_TRY(facts.item(b.row, text));
      if (p.member.empty()) {
        return bind_json(statement, i, json::check(text.view(), facts.stop()), facts, rc);
      }
      if (const json::Checked item = json::check(text.view(), facts.stop()); item.is(json::Kind::string)) json::unquote_shown(item, inner);
      else inner.add(text.view());
      value = Value::text(inner.view());
      break;
  }
  if (!text.ok() || !inner.ok()) return Status::no_memory();
  return bind_holder(statement, i, value, p.member, facts, rc);
}

}  // namespace

Status Facts::load() {
  if (loaded_) return {};
  Query q(db_, Sql::run_facts);
  q.bind(":seq", seq_);
  bool row;
  WF_TRY(q.next(&row));
  id_ = q.text(0);
  input_ = q.value(1);
  input_text_.add(input_.bytes);
  input_.bytes = input_text_.view();
  error_ = q.value(2);
  error_text_.add(error_.bytes);
  error_.bytes = error_text_.view();
  redo_ = q.count(3);
  loaded_ = input_text_.ok() && error_text_.ok();
  return loaded_ ? Status() : Status::no_memory();
}

void Facts::forget() {
  loaded_ = false;
  input_text_.clear();
  error_text_.clear();
}

Status Facts::input(Value* out) {
  WF_TRY(load());
  *out = input_;
  return {};
}

Status Facts::error(Value* out) {
  WF_TRY(load());
  *out = error_;
  return {};
}

Status Facts::real(string_view number, double* out) {
  Query q(db_, Sql::run_real);
  q.bind(":text", number);
  WF_TRY(q.one_row());
  *out = q.value(0).real;
  return {};
}

Status Facts::text_of(Sql sql, string_view row, Text& out) {
  Query q(db_, sql);
  q.bind(":seq", seq_).bind(":step", row);
  bool found;
  WF_TRY(q.next(&found));
  if (found) out.add(q.text(0));
  return out.ok() ? Status() : Status::no_memory();
}

Status Facts::output(string_view row, Text& out) { return text_of(Sql::run_output, row, out); }
Status Facts::item(string_view row, Text& out) { return text_of(Sql::run_item, row, out); }

Status bind_parameters(sqlite3_stmt* statement, const Binding& binding, Facts& facts) {
  for (Parameters p(statement, binding.definition, binding.step, binding.role); p.next();) {
    if (p.why_not() != nullptr) return Status::error(Code::state, "%s: %s", p.name(), p.why_not());
    int rc = SQLITE_OK;
    WF_TRY(bind_one(statement, p.number(), p.parameter(), binding, facts, &rc));
    if (rc != SQLITE_OK) return Status::sqlite(rc, sqlite3_db_handle(statement));
  }
  return {};
}

void add_value(sqlite3_value* value, Stop* stop, Text& out) {
  const Value v = Value::from(value);
  if (v.type == Value::Type::text) json::quote(v.bytes, out, stop);
  else add_json(v, out);
}

void add_row(sqlite3_stmt* statement, int columns, Stop* stop, Text& out) {
  out.add('{');
  for (int i = 0; i < columns; ++i) {
    const char* name = sqlite3_column_name(statement, i);
    if (i != 0) out.add(',');
    json::quote(name != nullptr ? name : "", out);
    out.add(':');
    add_value(sqlite3_column_value(statement, i), stop, out);
  }
  out.add('}');
}

}  // namespace wf
