#include "scripts/start.h"

#include <charconv>

#include "base/json.h"
#include "scripts/define.h"
#include "scripts/definition_reader.h"

namespace wf {
namespace {

// Whether a JSON value is of the declared type; null is of any.
bool has_type(FieldType type, json::Checked json) {
  const json::Kind kind = json.kind();
  int64_t integer;
  switch (type) {
    case FieldType::text: return kind == json::Kind::string || kind == json::Kind::null;
    case FieldType::integer: return kind == json::Kind::null || (kind == json::Kind::number && json::to_integer(json, &integer));
    case FieldType::real: return kind == json::Kind::number || kind == json::Kind::null;
    case FieldType::json:
    case FieldType::any: break;
  }
  return true;
}

Status check_input(const Definition& d, string_view name, const Value& input, Stop* stop) {
  if (d.fields() == 0 || input.is_null()) return {};
  const json::Checked json = input.type == Value::Type::text ? json::check(input.bytes, stop) : json::Checked();
  if (!json.is(json::Kind::object)) {
    return Status::error(Code::invalid, "the input of '%.*s' must be a JSON object, got %s", WF_SV(name), json ? "other JSON" : input.type == Value::Type::text ? "text that is not JSON" : input.type_name());
  }
  static constexpr const char* kTypes[] = {"text", "an integer", "a number"};
  for (json::Members m(json); m.next();) {
    for (size_t i = 0; i < d.fields(); ++i) {
      const Field& field = d.field(i);
      if (!m.key_is(field.name) || has_type(field.type, m.value())) continue;
      return Status::error(Code::invalid, "the field '%.*s' of the input of '%.*s' must be %s, got %.*s", WF_SV(field.name), WF_SV(name),
                           kTypes[static_cast<size_t>(field.type)], WF_SV(excerpt(m.value().text())));
    }
  }
  return {};
}

}  // namespace

Status prepare_start(Db& db, Prepared* prepared) {
  Start* const out = &prepared->start;
  int64_t version = 0;
  bool found;
  Text document;
  WF_TRY(read_definition(db, out->name, &version, &found, document));
  if (!found) return {};
  if (!out->version.empty()) {
    const auto [end, error] = std::from_chars(out->version.data(), out->version.data() + out->version.size(), version);
    const bool is_number = error == std::errc() && end == out->version.data() + out->version.size() && version > 0;
    if (is_number) WF_TRY(read_definition(db, out->name, &version, &found, document));
    if (!is_number || !found) return Status::error(Code::not_found, "definition '%.*s' has no version '%.*s'", WF_SV(out->name), WF_SV(out->version));
  }
  Definition definition;
  Mistakes mistakes;
  WF_TRY(parse_definition(db, document.view(), definition, mistakes));
  if (mistakes.count() != 0) return Status::error(Code::state, "definition '%.*s' is damaged: %.*s", WF_SV(out->name), WF_SV(mistakes.text()));
  if (out->manual) return Status::error(Code::invalid, "'%.*s' is scripted in SQL, it cannot be manual", WF_SV(out->name));
  WF_TRY(check_input(definition, out->name, out->input, &db.stop()));
  char digits[20];
  prepared->version = string_view(digits, static_cast<size_t>(std::to_chars(digits, digits + sizeof digits, version).ptr - digits));
  out->version = prepared->version.view();
  prepared->other_kind = true;
  out->cleanup = definition.has_undo();
  const ScriptStep& defaults = definition.defaults();
  if (!out->has_queue && !defaults.queue.empty()) {
    prepared->queue = defaults.queue;
    out->queue = prepared->queue.view();
  }
  if (out->timeout == kNoTime) out->timeout = defaults.timeout;
  if (out->max_attempts == 0) out->max_attempts = defaults.max_attempts;
  if (!out->has_backoff && defaults.has_backoff) out->has_backoff = true, out->backoff = defaults.backoff;
  return {};
}

}  // namespace wf
