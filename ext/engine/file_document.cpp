#include "engine/file_document.h"

#include "base/scope.h"
#include "engine/above.h"
#include "engine/document.h"
#include "engine/wake.h"
#include "version.h"

namespace wf {
namespace {

constexpr Part kFileParts[] = {
    {"queues", Sql::export_queues, Sql::import_queue,
     "Nqueue cconcurrency cworker_concurrency cpartition_concurrency nhold crate_limit crate_per Cpaused clease cmax_attempts bbackoff"},
    {"rates", Sql::export_rates, Sql::import_rate, "Nname Crate_limit Crate_per"},
    {"events", Sql::export_events, Sql::import_event, "Nname Tat vpayload"},
    {"definitions", Sql::export_definitions, Sql::import_definition, "Nname Cversion Ccurrent Jdefinition"},
    {"schedules", Sql::export_schedules, Sql::import_schedule, "Nname Ncron Nworkflow Jsettings Tcreated_at tlast_at Cskipped vinput"},
};
constexpr size_t kEventsPart = 2, kDefinitionPart = 3;

Status read_file_document(json::Checked document, json::Checked (&rows)[std::size(kFileParts)]) {
  json::Checked format, made_by;
  for (json::Members m(document); m.next();) {
    json::Checked* slot = nullptr;
    if (m.key_is("format")) slot = &format;
    if (m.key_is("wfext")) slot = &made_by;
    for (size_t i = 0; i < std::size(kFileParts); ++i) {
      if (m.key_is(kFileParts[i].name)) slot = &rows[i];
    }
    if (slot == nullptr || *slot) return wrong_member(m, slot != nullptr);
    *slot = m.value();
  }
  WF_TRY(check_format(format, made_by));
  for (size_t i = 0; i < std::size(kFileParts); ++i) {
    if (!rows[i].is(json::Kind::array)) return wrong(kFileParts[i].name, "an array", rows[i]);
  }
  return {};
}

Status take_definition_row(Db& db, Query& q, Millis now) {
  bool row;
  WF_TRY(q.next(&row));
  char digits[24];
  sqlite3_snprintf(sizeof digits, digits, "%lld", static_cast<long long>(q.integer(1)));
  Name here;
  WF_TRY(db.above().kind->take_definition(db, q.text(0), digits, json::check(q.text(3), &db.stop()), now, &here));
  if (q.integer(2) == 0) return {};
  Query set(db, Sql::import_current);
  set.bind(":name", q.text(0)).bind(":version", here.view());
  return set.run();
}

Status take_row(Db& db, size_t which, json::Checked row, string_view place, Millis now) {
  const Part& part = kFileParts[which];
  Query q(db, part.add);
  WF_TRY(bind_row(q, part, row, place));
  if (which == kDefinitionPart) return take_definition_row(db, q, now);
  WF_TRY(q.run());
  if (q.changes() != 0) return {};
  return Status::error(Code::conflict, "%.*s contradicts itself, or what this file has under its name", WF_SV(place));
}

// Who waits for an event that comes with the document is woken first, as by wf_emit.
Status wake_for(Db& db, json::Checked row, Millis now) {
  for (json::Members m(row); m.next();) {
    if (!m.key_is("name") || !m.value().is(json::Kind::string)) continue;
    Text topic;
    topic.add('e');
    json::unquote(m.value(), topic);
    if (!topic.ok()) return Status::no_memory();
    return wake_all(db, topic.view(), now);
  }
  return {};
}

// The first thing that wf_check would say of a schedule.
struct Found {
  Text problem;
  static void add(void* to, string_view problem, string_view where) {
    Text& text = static_cast<Found*>(to)->problem;
    if (text.size() == 0) text.add(problem).add(": ").add(where);
  }
};

Status check_schedules(Db& db) {
  Found found;
  WF_TRY(db.above().duty->check(db, {Found::add, &found}));
  if (!found.problem.ok()) return Status::no_memory();
  return found.problem.size() == 0 ? Status() : Status::error(Code::invalid, "%.*s", WF_SV(found.problem.view()));
}

}  // namespace

Status export_file(Db& db, Text& out) {
  begin_document(out);
  for (const Part& part : kFileParts) {
    out.add(",\"").add(part.name).add("\":[");
    Query q(db, part.show);
    WF_TRY(add_rows(q, part, &db.stop(), out));
  }
  out.add('}');
  return out.ok() ? Status() : Status::no_memory();
}

bool is_file_document(json::Checked document) {
  for (json::Members m(document); m.next();) {
    if (m.key_is(kFileParts[0].name)) return true;
  }
  return false;
}

Status import_file(Db& db, json::Checked document, const Now& now, Text& out) {
  json::Checked rows[std::size(kFileParts)];
  WF_TRY(read_file_document(document, rows));
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_import"));
  Millis time;
  WF_TRY(call_time(db, now, &time));
  Text place;
  for (size_t i = 0; i < std::size(kFileParts); ++i) {
    int64_t n = 0;
    for (json::Elements e(rows[i]); e.next(); ++n) {
      place.clear();
      place.add(kFileParts[i].name).add('[').add_integer(n).add(']');
      if (!place.ok()) return Status::no_memory();
      if (i == kEventsPart) WF_TRY(wake_for(db, e.value(), time));
      WF_TRY(take_row(db, i, e.value(), place.view(), time));
    }
    out.add(i == 0 ? "{\"" : ",\"").add(kFileParts[i].name).add("\":").add_integer(n);
  }
  out.add('}');
  if (!out.ok()) return Status::no_memory();
  WF_TRY(check_schedules(db));
  return scope.commit();
}

}  // namespace wf
