#include "tables/tables.h"

#include <algorithm>

namespace wf {
namespace {

using enum ColumnType;

constexpr Column kWorkflows[] = {
    {"id", text}, {"name", text}, {"status", text}, {"queue", text}, {"priority", integer}, {"version", any}, {"partition", any},
    {"dedup", any}, {"attempt", integer}, {"resumed", integer}, {"max_attempts", any}, {"worker", text}, {"input", any}, {"output", any}, {"error", any},
    {"headers", any}, {"parent_id", parent}, {"ending", text}, {"due_at", time}, {"deadline_at", time}, {"created_at", time},
    {"started_at", time}, {"completed_at", time}, {"updated_at", time}, {"period", integer}, {"attempt_at", time}, {"tags", any}, {"seq", integer}, {"tag", tag},
};

constexpr Column kPending[] = {
    {"id", text}, {"name", text}, {"status", text}, {"queue", text}, {"priority", integer}, {"ready", any}, {"due_at", time},
    {"reason", any}, {"attempt", integer}, {"worker", text}, {"deadline_at", time}, {"created_at", time}, {"seq", integer}, {"tag", tag}, {"now", now},
};

constexpr Column kSteps[] = {
    {"workflow_id", text}, {"seq", integer}, {"name", text}, {"kind", text}, {"status", text}, {"output", any}, {"error", text},
    {"attempts", integer}, {"begun_at", time}, {"recorded_at", time}, {"attempt", any}, {"worker", text}, {"ended_by", any}, {"hash", any},
};

constexpr Column kFailures[] = {
    {"workflow_id", text}, {"seq", integer}, {"attempt", integer}, {"step", text}, {"worker", text}, {"error", text}, {"at", time}, {"claimed_at", time},
};

constexpr Column kSignals[] = {
    {"workflow_id", text}, {"seq", integer}, {"name", text}, {"key", text}, {"payload", any}, {"received_at", time}, {"taken_by", any},
};

constexpr Column kEvents[] = {{"name", text}, {"payload", any}, {"emitted_at", time}};

constexpr Column kValues[] = {{"workflow_id", text}, {"key", text}, {"value", any}, {"updated_at", time}};

constexpr Column kStreams[] = {{"workflow_id", text}, {"stream", text}, {"offset", integer}, {"value", any}, {"appended_at", time}, {"closed", any}, {"epoch", any}};

constexpr Column kQueues[] = {
    {"queue", text}, {"concurrency", any}, {"worker_concurrency", any}, {"partition_concurrency", any}, {"hold", any}, {"rate_limit", any},
    {"rate_per", any}, {"paused", any}, {"lease", any}, {"max_attempts", any}, {"backoff", any}, {"depth", any}, {"running", any},
    {"oldest_due_at", time}, {"now", now},
};

constexpr Column kRates[] = {
    {"name", text}, {"key", any}, {"rate_limit", integer}, {"rate_per", any}, {"spent", any}, {"waiting", any}, {"next_at", time},
};

constexpr Column kScheduleColumns[] = {
    {"name", text}, {"cron", text}, {"timezone", any}, {"workflow", text}, {"input", any}, {"catch_up", any}, {"grace", any},
    {"overlap", any}, {"paused", integer}, {"next_at", time}, {"last_at", time}, {"last_id", any}, {"skipped", integer}, {"start", any},
    {"created_at", time}, {"error", any},
};

constexpr Column kDefinitions[] = {
    {"name", text}, {"version", integer}, {"current", integer}, {"steps", any}, {"definition", any}, {"created_at", time}, {"live", any},
};

constexpr Column kStats[] = {
    {"name", any}, {"queue", any}, {"status", any}, {"count", any}, {"p50", any}, {"p95", any}, {"max", any}, {"now", now},
};

constexpr Column kInDoubt[] = {
    {"workflow_id", text}, {"step", text}, {"key", key}, {"held", any}, {"begun_at", time}, {"worker", text}, {"now", now},
};

constexpr Column kExports[] = {{"id", text}, {"document", document}, {"now", now}};

constexpr Column kDoctor[] = {{"name", any}, {"value", any}, {"ok", any}, {"advice", any}, {"now", now}};

constexpr Column kFunctions[] = {
    {"name", any}, {"signature", any}, {"summary", any}, {"writes", any}, {"in_writing_statement", any}, {"idempotent", any},
};

constexpr Table kTables[] = {
    {"wf_workflows", Sql::table_workflows, kWorkflows, Order::by_start}, {"wf_pending", Sql::table_pending, kPending, Order::by_start},
    {"wf_steps", Sql::table_steps, kSteps, Order::by_workflow}, {"wf_failures", Sql::table_failures, kFailures, Order::by_workflow},
    {"wf_signals", Sql::table_signals, kSignals, Order::by_workflow}, {"wf_events", Sql::table_events, kEvents},
    {"wf_values", Sql::table_values, kValues},          {"wf_streams", Sql::table_streams, kStreams},
    {"wf_queues", Sql::table_queues, kQueues},          {"wf_rates", Sql::table_rates, kRates},
    {"wf_schedules", Sql::table_schedules, kScheduleColumns},
    {"wf_definitions", Sql::table_definitions, kDefinitions}, {"wf_stats", Sql::table_stats, kStats, Order::any, Sql::table_counts, 4},
    {"wf_exports", Sql::table_exports, kExports, Order::by_number},
    {"wf_in_doubt", Sql::table_in_doubt, kInDoubt, Order::by_number},
    {"wf_doctor", Sql::table_doctor, kDoctor},          {"wf_functions", Sql::table_functions, kFunctions},
};

static_assert(std::ranges::all_of(kTables, [](const Table& table) { return table.columns.size() <= kMostColumns; }));

}  // namespace

std::span<const Table> tables() { return kTables; }

}  // namespace wf
