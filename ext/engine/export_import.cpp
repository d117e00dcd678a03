#include "engine/export_import.h"

#include "base/json.h"
#include "base/scope.h"
#include "engine/above.h"
#include "engine/children.h"
#include "engine/document.h"
#include "engine/join.h"
#include "engine/start.h"
#include "engine/wait_row.h"

namespace wf {
namespace {

constexpr Part kWorkflow = {
    "workflow", Sql::export_workflow, Sql::import_look,
    "Iid Nname Nqueue Ckind Cpriority nversion npartition Nstatus tdue_at Cattempt Cresumed Cagain Cfailures Clost Cfailed Credo Cperiod nworker "
    "nclosed Cby_id Tcreated_at tstarted_at tattempt_at tfinished_at tdeadline_at ctime_left ctimeout nending Cflags cmax_attempts cmax_failures bbackoff "
    "iparent nparent_step cparent_redo tscheduled_at ndedup jheaders vinput vfirst_input voutput verror cends xends_reason"};

// In the order in which they are written: each may refer to those before.
constexpr Part kParts[] = {
    {"steps", Sql::export_steps, Sql::import_step,
     "Nname Nkind Nstatus Cattempts tbegun_at Tat tdue_at Cin_doubt cattempt nworker hhash atopics jhow voutput verror"},
    {"redos", Sql::export_redos, Sql::import_redo, "Nstep Credo"},
    {"failures", Sql::export_failures, Sql::import_failure, "Cattempt nstep nworker tclaimed_at Verror Tat"},
    {"signals", Sql::export_signals, Sql::import_signal, "Nname nkey Tat ntaken Cover vpayload"},
    {"values", Sql::export_values, Sql::import_value, "Nkey Tat vvalue"},
    {"tags", Sql::export_tags, Sql::import_tag, "Nkey Nvalue"},
    {"stream_ends", Sql::export_stream_ends, Sql::import_stream_end, "Nstream Cfirst Cnext Cclosed"},
    {"streams", Sql::export_streams, Sql::import_stream, "Nstream Coffset Tat vvalue"},
};

// The steps of a workflow of another kind: what they can be is for that kind to say.
constexpr const char* kOtherSteps = "Nname Nkind Nstatus Cattempts tbegun_at Tat tdue_at Cin_doubt xtopics jhow voutput verror";
Part steps_of(Db& db, bool other_kind) {
  return other_kind ? Part{kParts[0].name, db.above().kind->export_steps, Sql::import_other_step, kOtherSteps} : kParts[0];
}

// A document under way, and the number that its workflow gets.
struct Import {
  explicit Import(Db& file) : db(file) {}
  Db& db;
  int64_t seq = 0;
  Millis now = 0;
  Name version;                  // in this file
  bool other_kind = false;
  json::Checked workflow;
  json::Checked definition;      // of one of another kind
  json::Checked rows[std::size(kParts)];
};

Status read_document(json::Checked document, Import* in) {
  json::Checked format, made_by;
  for (json::Members m(document); m.next();) {
    json::Checked* slot = nullptr;
    if (m.key_is("format")) slot = &format;
    if (m.key_is("wfext")) slot = &made_by;
    if (m.key_is(kWorkflow.name)) slot = &in->workflow;
    if (m.key_is("definition")) slot = &in->definition;
    for (size_t i = 0; i < std::size(kParts); ++i) {
      if (m.key_is(kParts[i].name)) slot = &in->rows[i];
    }
    if (slot == nullptr || *slot) return wrong_member(m, slot != nullptr);
    *slot = m.value();
  }
  WF_TRY(check_format(format, made_by));
  if (!in->workflow) return Status::error(Code::invalid, "workflow is missing");
  for (size_t i = 0; i < std::size(kParts); ++i) {
    if (!in->rows[i]) return Status::error(Code::invalid, "%s is missing", kParts[i].name);
    if (!in->rows[i].is(json::Kind::array)) return wrong(kParts[i].name, "an array", in->rows[i]);
  }
  return {};
}

Status write_rows(const Import& in, const Part& part, json::Checked rows) {
  Text place;
  int64_t i = 0;
  for (json::Elements e(rows); e.next(); ++i) {
    place.clear();
    place.add(part.name).add('[').add_integer(i).add(']');
    if (!place.ok()) return Status::no_memory();
    Query q(in.db, part.add);
    WF_TRY(bind_row(q, part, e.value(), place.view()));
    q.bind(":seq", in.seq).bind(":n", i + 1);
    WF_TRY(q.run());
    if (q.changes() == 0) return Status::error(Code::invalid, "%.*s contradicts itself or what stands before it", WF_SV(place.view()));
  }
  return {};
}

// Whether what its steps wait for can come.
Status check_waits(const Import& in) {
  Query q(in.db, Sql::import_waits);
  q.bind(":seq", in.seq).bind(":kind", int64_t{in.other_kind});
  for (;;) {
    bool found, sound;
    WF_TRY(q.next(&found));
    if (!found) return {};
    WaitRow row;
    row.kind = q.text(1);
    row.topics = q.text(2);
    row.due = q.time(3);
    row.how = q.text(4);
    WF_TRY(row.check(&in.db.stop(), &sound));
    if (sound) continue;
    return Status::error(Code::invalid, "%s[%lld] contradicts itself: it waits for what is nothing", kParts[0].name, static_cast<long long>(q.integer(0)));
  }
}

// The children that have come before it are its own again.
Status adopt(const Import& in) {
  Numbers orphans;
  WF_TRY(list_children(in.db, Sql::import_orphans, in.seq, &orphans));
  for (size_t i = 0; i < orphans.size(); ++i) {
    Query q(in.db, Sql::import_adopt);
    q.bind(":seq", orphans[i]).bind(":parent", in.seq);
    WF_TRY(q.run());
  }
  return {};
}

// The last row, that of the workflow: whether it can be, and be in this file, and what it brings with it.
Status write_workflow(const Import& in) {
  bool ends;
  {
    Query q(in.db, Sql::import_look);
    WF_TRY(bind_row(q, kWorkflow, in.workflow, kWorkflow.name));
    q.bind(":seq", in.seq);
    bool row;
    WF_TRY(q.next(&row));
    if (q.integer(0) == 0) return Status::error(Code::invalid, "workflow contradicts itself or its steps");
    if (!q.is_null(1))
      return Status::error(Code::conflict, "workflow '%.*s' %s already", WF_SV(q.text(1)),
                           q.integer(2) != 0 ? "exists" : "holds this dedup key");
    ends = q.integer(3) != 0;
  }
  {
    Query q(in.db, Sql::import_no_limit);
    q.bind(":seq", in.seq);
    bool row;
    WF_TRY(q.next(&row));
    if (row) return Status::error(Code::not_found, "no rate '%.*s' in this file, of which step '%.*s' waits for a share: wf_rate() makes one", WF_SV(q.text(0)), WF_SV(q.text(1)));
  }
  for (const Sql sql : {Sql::import_lane, Sql::import_workflow, Sql::import_count, Sql::import_large, Sql::import_waiters, Sql::import_line, Sql::import_wake}) {
    if (sql == Sql::import_waiters) WF_TRY(adopt(in));
    Query q(in.db, sql);
    WF_TRY(bind_row(q, kWorkflow, in.workflow, kWorkflow.name));
    q.bind(":seq", in.seq).bind(":now", in.now);
    if (in.other_kind) q.bind(":version", in.version.view());
    WF_TRY(q.run());
  }
  if (ends) {
    Query q(in.db, Sql::import_ends);
    WF_TRY(bind_row(q, kWorkflow, in.workflow, kWorkflow.name));
    q.bind(":seq", in.seq).bind(":now", in.now);
    WF_TRY(q.run());
  }
  if (in.other_kind) WF_TRY(in.db.above().kind->imported(in.db, in.seq, in.now));
  Workflow w;
  bool found;
  WF_TRY(find_seq(in.db, in.seq, &found, &w));
  return is_terminal(w.state) ? tell_joins(in.db, in.seq, in.now) : Status();
}

// Whether the file has the workflow exactly as the document brings it.
Status is_there(Db& db, string_view id, string_view document, Millis now, bool* same) {
  Text is;
  WF_TRY(export_workflow(db, id, now, same, is));
  if (!*same) return {};
  Query q(db, Sql::import_same);
  q.bind(":id", id).bind(":is", is.view()).bind(":document", document);
  WF_TRY(q.next(same));
  bool failed = false;
  if (*same) *same = json::same(json::check(q.text(0), &db.stop()), json::check(q.text(1), &db.stop()), &failed);
  return failed ? Status::no_memory() : Status();
}

}  // namespace

Status export_workflow(Db& db, string_view id, Millis now, bool* found, Text& out) {
  // Under way until all has been read: it holds the state of the file that it saw.
  Query w(db, Sql::export_workflow);
  w.bind(":id", id).bind(":now", now);
  WF_TRY(w.next(found));
  if (!*found) return {};
  const bool other_kind = w.integer(3) != 0;
  begin_document(out);
  out.add(",\"workflow\":");
  add_row(w, kWorkflow, &db.stop(), out);
  if (other_kind) {
    out.add(",\"definition\":");
    WF_TRY(db.above().kind->show_definition(db, w.text(1), w.text(5), out));
  }
  for (size_t i = 0; i < std::size(kParts); ++i) {
    const Part part = i == 0 ? steps_of(db, other_kind) : kParts[i];
    out.add(",\"").add(part.name).add("\":[");
    Query q(db, part.show);
    q.bind(":seq", w.integer(w.columns() - 1));
    WF_TRY(add_rows(q, part, &db.stop(), out));
  }
  out.add('}');
  return out.ok() ? Status() : Status::no_memory();
}

Status import_workflow(Db& db, json::Checked document, const Now& now, Name* id) {
  Import in(db);
  WF_TRY(read_document(document, &in));
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::refused, "wf_import"));
  WF_TRY(call_time(db, now, &in.now));
  WF_TRY(next_seq(db, &in.seq));
  Name name, version;
  {
    Query q(db, Sql::import_id);
    WF_TRY(bind_row(q, kWorkflow, in.workflow, kWorkflow.name));
    bool row;
    WF_TRY(q.next(&row));
    *id = q.text(0);
    in.other_kind = q.integer(1) != 0;
    name = q.text(2);
    version = q.text(3);
  }
  if (in.other_kind != static_cast<bool>(in.definition)) {
    return Status::error(Code::invalid, in.other_kind ? "definition is missing" : "there is a definition, but the workflow is none of that kind");
  }
  bool same;
  WF_TRY(is_there(db, id->view(), document.text(), in.now, &same));
  if (same) return scope.commit();
  if (in.other_kind) WF_TRY(db.above().kind->take_definition(db, name.view(), version.view(), in.definition, in.now, &in.version));
  for (size_t i = 0; i < std::size(kParts); ++i) WF_TRY(write_rows(in, i == 0 ? steps_of(db, in.other_kind) : kParts[i], in.rows[i]));
  WF_TRY(check_waits(in));
  WF_TRY(write_workflow(in));
  return scope.commit();
}

}  // namespace wf
