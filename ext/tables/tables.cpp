#include "tables/tables.h"

#include <algorithm>

#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "base/json.h"
#include "engine/settings.h"
#include "version.h"

namespace wf {
namespace {

using enum ColumnType;

constexpr Column kWorkflows[] = {
    {"id", text}, {"name", text}, {"status", text}, {"queue", text}, {"priority", integer}, {"version", any}, {"partition", any},
    {"dedup", any}, {"attempt", integer}, {"max_attempts", any}, {"worker", text}, {"input", any}, {"output", any}, {"error", any},
    {"headers", any}, {"parent_id", any}, {"ending", text}, {"due_at", time}, {"deadline_at", time}, {"created_at", time},
    {"started_at", time}, {"completed_at", time}, {"updated_at", time},
};

constexpr Column kPending[] = {
    {"id", text}, {"name", text}, {"status", text}, {"queue", text}, {"priority", integer}, {"ready", any}, {"due_at", time},
    {"reason", any}, {"attempt", integer}, {"worker", text}, {"deadline_at", time}, {"created_at", time},
};

constexpr Column kSteps[] = {
    {"workflow_id", text}, {"seq", integer}, {"name", text}, {"kind", text}, {"status", text}, {"output", any}, {"error", text},
    {"attempts", integer}, {"begun_at", time}, {"recorded_at", time},
};

constexpr Column kFailures[] = {
    {"workflow_id", text}, {"attempt", integer}, {"step", text}, {"worker", text}, {"error", text}, {"at", time},
};

constexpr Column kSignals[] = {
    {"workflow_id", text}, {"name", text}, {"key", text}, {"payload", any}, {"received_at", time}, {"taken_by", any},
};

constexpr Column kEvents[] = {{"name", text}, {"payload", any}, {"emitted_at", time}};

constexpr Column kValues[] = {{"workflow_id", text}, {"key", text}, {"value", any}, {"updated_at", time}};

constexpr Column kStreams[] = {{"workflow_id", text}, {"stream", text}, {"offset", integer}, {"value", any}, {"appended_at", time}};

constexpr Column kQueues[] = {
    {"queue", text}, {"concurrency", any}, {"worker_concurrency", any}, {"partition_concurrency", any}, {"hold", any}, {"rate_limit", any},
    {"rate_per", any}, {"paused", any}, {"lease", any}, {"max_attempts", any}, {"backoff", any}, {"depth", any}, {"running", any},
    {"oldest_due_at", time},
};

constexpr Column kSchedules[] = {
    {"name", text}, {"cron", text}, {"timezone", any}, {"workflow", text}, {"input", any}, {"catch_up", any}, {"grace", any},
    {"overlap", any}, {"paused", integer}, {"next_at", time}, {"last_at", time}, {"last_id", any}, {"skipped", integer}, {"start", any},
    {"created_at", time}, {"error", any},
};

constexpr Column kDefinitions[] = {
    {"name", text}, {"version", integer}, {"current", integer}, {"steps", any}, {"definition", any}, {"created_at", time}, {"live", any},
};

constexpr Column kStats[] = {
    {"name", any}, {"queue", any}, {"status", any}, {"count", any}, {"p50", any}, {"p95", any}, {"max", any},
};

constexpr Column kInDoubt[] = {
    {"workflow_id", text}, {"step", text}, {"key", any}, {"held", any}, {"begun_at", time}, {"worker", text},
};

constexpr Column kDoctor[] = {{"name", any}, {"value", any}, {"ok", any}, {"advice", any}};

constexpr Column kFunctions[] = {
    {"name", any}, {"signature", any}, {"summary", any}, {"writes", any}, {"in_writing_statement", any}, {"idempotent", any},
};

constexpr Table kTables[] = {
    {"wf_workflows", Sql::table_workflows, kWorkflows}, {"wf_pending", Sql::table_pending, kPending},
    {"wf_steps", Sql::table_steps, kSteps, true},       {"wf_failures", Sql::table_failures, kFailures, true},
    {"wf_signals", Sql::table_signals, kSignals, true}, {"wf_events", Sql::table_events, kEvents},
    {"wf_values", Sql::table_values, kValues},          {"wf_streams", Sql::table_streams, kStreams},
    {"wf_queues", Sql::table_queues, kQueues},          {"wf_schedules", Sql::table_schedules, kSchedules},
    {"wf_definitions", Sql::table_definitions, kDefinitions}, {"wf_stats", Sql::table_stats, kStats},
    {"wf_in_doubt", Sql::table_in_doubt, kInDoubt, true},
    {"wf_doctor", Sql::table_doctor, kDoctor},          {"wf_functions", Sql::table_functions, kFunctions},
};

static_assert(std::ranges::all_of(kTables, [](const Table& table) { return table.columns.size() <= kMostColumns; }));

// The name of a file system on which SQLite's locks cannot be relied on; empty: it is none that we know.
string_view network_file_system([[maybe_unused]] const char* path) {
#ifdef __linux__
  static const struct {
    long magic;
    string_view name;
  } kKnown[] = {
      {0x6969, "nfs"}, {0x517b, "smb"}, {0xff534d42, "cifs"}, {0xfe534d42, "smb2"}, {0x01021997, "9p"},
      {0x65735546, "fuse"}, {0x00c36400, "ceph"}, {0x6a656a63, "virtiofs"},
  };
  struct statfs stat;
  if (path != nullptr && *path != '\0' && statfs(path, &stat) == 0) {
    for (const auto& known : kKnown) {
      if (static_cast<unsigned long>(stat.f_type) == static_cast<unsigned long>(known.magic)) return known.name;
    }
  }
#endif
  return {};
}

}  // namespace

std::span<const Table> tables() { return kTables; }

Status add_host_json(Db& db, Text& out) {
  const char* path = sqlite3_db_filename(db.handle(), "main");
  out.add("{\"version\":\"").add(kVersion).add("\",\"sqlite\":\"").add(sqlite3_libversion()).add("\",\"file\":");
  json::quote(path != nullptr ? path : "", out);
  out.add(",\"network\":");
  json::quote(network_file_system(path), out);
  out.add(",\"format\":").add_integer(kSchemaVersion).add(",\"schema\":");
  // Read directly: the table is there to tell about a file that is too new.
  Query version(db, Sql::schema_version);
  bool row = false;
  if (version.prepared()) WF_TRY(version.next(&row));
  // What is no number, a hand edit that is, is shown as 0.
  row ? (void)out.add_integer(version.value(0).integer) : (void)out.add("null");
  out.add(",\"threadsafe\":").add_integer(sqlite3_threadsafe());
  out.add(",\"clock\":\"").add(TimeText(db.clock(), TimeForm::sql).view()).add("\"}");
  return {};
}

}  // namespace wf
