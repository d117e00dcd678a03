// Doors of what moves to another file.
#include "base/scope.h"
#include "engine/export_import.h"
#include "engine/file_document.h"
#include "functions/call.h"
#include "functions/registry.h"

namespace wf {
namespace {

Status add_export(Call& call, string_view id, Millis now, Text& out) {
  bool found;
  WF_TRY(export_workflow(call.db, id, now, &found, out));
  if (!found) out.add("null");
  return {};
}

// Of the file, and of each workflow.
Status export_all(Call& call, Millis now, Text& out) {
  out.add('[');
  WF_TRY(export_file(call.db, out));
  Query q(call.db, Sql::export_ids);
  for (;;) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) break;
    out.add(',');
    WF_TRY(add_export(call, q.text(0), now, out));
  }
  out.add(']');
  return out.ok() ? Status() : Status::no_memory();
}

Status export_each(Call& call, json::Checked ids, Millis now, Text& out) {
  Text id;
  char separator = '[';
  for (json::Elements e(ids); e.next(); separator = ',') {
    id.clear();
    if (!e.value().is(json::Kind::string)) return Status::error(Code::invalid, "ids of wf_export() must be a JSON array of ids, got %.*s", WF_SV(excerpt(e.value().text())));
    json::unquote(e.value(), id);
    if (!id.ok()) return Status::no_memory();
    out.add(separator);
    WF_TRY(add_export(call, id.view(), now, out));
  }
  out.add(separator == '[' ? "[]" : "]");
  return out.ok() ? Status() : Status::no_memory();
}

Status import_one(Call& call, json::Checked document, bool in_array, Text& out) {
  if (!document.is(json::Kind::object)) {
    return wrong_value("json of wf_import()", "a document of wf_export(), a JSON object, or an array of them", in_array ? Value::text(document.text()) : call.raw(0));
  }
  if (is_file_document(document)) return import_file(call.db, document, call.options.now(), out);
  Name id;
  WF_TRY(import_workflow(call.db, document, call.options.now(), &id));
  if (in_array) json::quote(id.view(), out);
  else out.add(id.view());
  return out.ok() ? Status() : Status::no_memory();
}

Status import_each(Call& call, json::Checked documents, Text& out) {
  WriteScope scope(call.db);
  WF_TRY(scope.begin(Inline::refused, "wf_import"));
  char separator = '[';
  for (json::Elements e(documents); e.next(); separator = ',') {
    out.add(separator);
    WF_TRY(import_one(call, e.value(), true, out));
  }
  out.add(separator == '[' ? "[]" : "]");
  if (!out.ok()) return Status::no_memory();
  return scope.commit();
}

}  // namespace

Status wf_export(Call& call) {
  const bool all = call.count() == 0 || (call.count() == 2 && !call.given(0));  // wf_export(NULL, options)
  const Value given = all ? Value{} : call.raw(0);
  const bool several = given.type == Value::Type::text && has_prefix(given.bytes, "[");
  string_view id;
  json::Checked ids;
  if (several) {
    ids = json::check(given.bytes, &call.db.stop());
    if (!ids.is(json::Kind::array)) return Status::error(Code::invalid, "ids of wf_export() must be an id or a JSON array of ids, got '%.*s'", WF_SV(excerpt(given.bytes)));
  } else if (!all) {
    WF_TRY(call.id(0, &id));
  }
  bool exists;
  WF_TRY(call.db.schema_exists(&exists));
  Text document;
  Millis now;
  WF_TRY(time_to_show(call.db, call.options.now(), &now));
  if (exists) {
    if (all) WF_TRY(export_all(call, now, document));
    else if (several) WF_TRY(export_each(call, ids, now, document));
    else WF_TRY(export_workflow(call.db, id, now, &exists, document));
  }
  if (exists) return call.result_json(document);
  call.result_null();
  return {};
}

Status wf_import(Call& call) {
  const Value given = call.raw(0);
  const json::Checked document = given.type == Value::Type::text ? json::check(given.bytes, &call.db.stop()) : json::Checked();
  Text out;
  const bool several = document.is(json::Kind::array);
  WF_TRY(several ? import_each(call, document, out) : import_one(call, document, false, out));
  if (several || is_file_document(document)) return call.result_json(out);
  call.result(out.view());
  return {};
}

}  // namespace wf
