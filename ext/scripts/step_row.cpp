#include "scripts/step_row.h"

#include <charconv>

#include "engine/wait_row.h"

namespace wf {
namespace {

constexpr string_view kItems = "{\"items\":", kIteration = "{\"iteration\":", kAmount = "\"amount\":";

// Reads the number that follows upon `before`, if that is there.
void read_after(string_view before, string_view text, int64_t* number) {
  const size_t at = text.find(before);
  if (at == string_view::npos) return;
  std::from_chars(text.data() + at + before.size(), text.data() + text.size(), *number);
  *number = within(*number, 0, kMostCount);
}

}  // namespace

void StepRow::clear() {
  n = 0;
  undo = begun = unwritten = false;
  item = -1;
  attempts = iteration = 0;
  items = -1;
  amount = 1;
  due = begun_at = kNoTime;
  topics.clear();
}

void StepRow::add_how(Text& out) const {
  if (iteration == 0) out.add('{');
  else out.add(kIteration).add_integer(iteration).add(',');
  out.add(kAmount).add_integer(amount).add('}');
}

bool StepRow::is_how(string_view how) const {
  Text written;
  if (has_prefix(how, kItems)) written.add(kItems).add_integer(items).add('}');
  else if (how.find(kAmount) != string_view::npos) add_how(written);
  else if (!how.empty()) written.add(kIteration).add_integer(iteration).add('}');
  return written.ok() && written.view() == how;
}

Status StepRow::read(const Query& q, int column) {
  n = q.integer(column);
  name = q.text(column + 1);
  undo = q.text(column + 2) == "undo";
  attempts = q.count(column + 3);
  begun = !q.is_null(column + 4);
  begun_at = q.time(column + 4);
  due = q.time(column + 5);
  topics.add(q.text(column + 6));
  const string_view text = name.view(), how = q.text(column + 7);
  read_after("[", text, &item);
  read_after(kIteration, how, &iteration);
  read_after(kItems, how, &items);
  read_after(kAmount, how, &amount);
  return topics.ok() ? Status() : Status::no_memory();
}

Status StepRows::add(string_view name, string_view kind, Millis due, string_view topics, int64_t* added) {
  Query q(db_, Sql::run_add);
  q.bind(":seq", seq_).bind(":step", name).bind(":kind", kind).bind(":now", now_).bind_time(":due", due).bind_name(":topics", topics);
  WF_TRY(q.run());
  const int inserted = q.changes();
  if (added != nullptr) *added += inserted;
  if (inserted != 0) return {};
  // It was there, or a trigger has ignored it: then it would be looked for again and again.
  int64_t n;
  WF_TRY(number(name, &n));
  return n != 0 ? Status() : q.not_written();
}

Status StepRows::make(StepRow& row, string_view kind) {
  row.unwritten = false;
  int64_t added = 0;
  WF_TRY(add(row.name.view(), kind, now_, {}, &added));
  if (added == 0) return number(row.name.view(), &row.n);  // someone else has been here meanwhile
  row.n = sqlite3_last_insert_rowid(db_.handle());
  return {};
}

Status StepRows::open(const StepRow& row, Millis due, string_view topics, string_view how) {
  Query q(db_, Sql::run_open);
  q.bind(":n", row.n).bind(":now", now_).bind_time(":due", due).bind_name(":topics", topics).bind_name(":how", how);
  return q.run();
}

Status StepRows::open_items(const StepRow& row, int64_t count) {
  if (row.items >= 0) {
    Query q(db_, Sql::run_items_again);
    q.bind(":seq", seq_).bind(":step", row.name.view()).bind(":now", now_);
    WF_TRY(q.run());
  }
  Text how;
  how.add(kItems).add_integer(count).add('}');
  return how.ok() ? open(row, kNoTime, {}, how.view()) : Status::no_memory();
}

Status StepRows::wait_for(const StepRow& row, string_view kind, string_view topics) {
  return list_names(db_, Sql::run_wait, Sql::run_unlisted, topics, [&](Query& q) { q.bind(":kind", kind).bind(":seq", seq_).bind(":step", row.name.view()); });
}

Status StepRows::forget(const StepRow& row) {
  return run_all(db_, Sql::run_forget, [&](Query& q) { q.bind(":seq", seq_).bind(":step", row.name.view()); });
}

Status StepRows::iterate(const StepRow& row, string_view output) {
  Text how;
  how.add(kIteration).add_integer(row.iteration + 1).add('}');
  Query q(db_, Sql::run_iterate);
  q.bind(":n", row.n).bind(":now", now_).bind(":how", how.view()).bind(":output", output);
  if (!how.ok()) return Status::no_memory();
  WF_TRY(q.run());
  if (q.changes() != 0) return {};
  Query there(db_, Sql::run_row);
  there.bind(":n", row.n).bind(":seq", seq_);
  bool found;
  WF_TRY(there.next(&found));
  return found ? q.not_written() : Status();
}

Status StepRows::retry(const StepRow& row, Millis due, string_view error) {
  Query q(db_, Sql::run_retry);
  q.bind(":n", row.n).bind(":attempts", row.attempts + 1).bind(":now", now_).bind(":due", due).bind(":error", error);
  return q.run();
}

Status StepRows::put_off(const StepRow& row, Millis due, string_view error) {
  Query q(db_, Sql::run_unfit);
  q.bind(":n", row.n).bind(":due", due).bind(":error", error);
  return q.run();
}

Status StepRows::record(const StepRow& row, string_view kind, const StepEnd& end, bool nested, bool* inserted) {
  *inserted = row.unwritten;
  if (!row.unwritten) {
    Query q(db_, Sql::run_record);
    q.bind(":n", row.n).bind(":status", end.status).bind(":now", now_).bind_name(":output", end.output).bind_name(":error", end.error);
    if (end.goes_on) q.bind(":goes_on", int64_t{1});
    WF_TRY(q.run());
    *inserted = q.changes() == 0;
  }
  if (!*inserted) return {};
  int64_t n = 0;
  if (nested) {
    Query q(db_, Sql::run_next_n);
    q.bind(":seq", seq_);
    bool found;
    WF_TRY(q.next(&found));
    n = q.integer(0);
  }
  Query q(db_, nested ? Sql::run_insert_if : Sql::run_insert);
  q.bind(":n", n).bind(":seq", seq_).bind(":step", row.name.view()).bind(":kind", kind).bind(":status", end.status).bind(":now", now_);
  q.bind_name(":topics", row.topics.view()).bind_name(":output", end.output);
  return q.run();
}

Status StepRows::renumber(StepRow& row, string_view kind) {
  {
    Query q(db_, Sql::run_renumber);
    q.bind(":seq", seq_).bind(":n", row.n);
    WF_TRY(q.run());
    if (q.changes() == 0) return {};
  }
  const int64_t before = row.n;
  WF_TRY(number(row.name.view(), &row.n));
  if (kind != "await") return {};
  // By this number a signal knows who has taken it.
  Query q(db_, Sql::run_move_signals);
  q.bind(":seq", seq_).bind(":n", row.n).bind(":before", before);
  return q.run();
}

Status StepRows::next_planned(bool* found) {
  Query q(db_, Sql::run_next_planned);
  q.bind(":seq", seq_).bind(":now", now_);
  WF_TRY(q.run());
  *found = q.changes() != 0;
  return {};
}

Status StepRows::again(string_view name, int64_t* added) {
  Query q(db_, Sql::run_again);
  q.bind(":seq", seq_).bind(":step", name).bind(":now", now_);
  WF_TRY(q.run());
  *added += q.changes();
  return {};
}

Status StepRows::number(string_view name, int64_t* n) {
  Query q(db_, Sql::run_last_n);
  q.bind(":seq", seq_).bind(":step", name);
  bool found;
  WF_TRY(q.next(&found));
  *n = found ? q.integer(0) : 0;
  return {};
}

Status StepRows::is_unchanged(const StepRow& row, bool* unchanged) {
  Query q(db_, Sql::run_row);
  q.bind(":n", row.n).bind(":seq", seq_);
  bool found;
  WF_TRY(q.next(&found));
  *unchanged = found && q.count(0) == row.attempts && q.integer(1) != 0;
  return {};
}

Status StepRows::exists(Sql sql, string_view name, bool* found) {
  Query q(db_, sql);
  q.bind(":seq", seq_).bind(":step", name);
  return q.next(found);
}

Status StepRows::items(string_view step, bool* open, Text& results) {
  WF_TRY(exists(Sql::run_items_open, step, open));
  if (*open) return {};
  Query q(db_, Sql::run_items);
  q.bind(":seq", seq_).bind(":step", step);
  for (bool first = true;; first = false) {
    bool row;
    WF_TRY(q.next(&row));
    if (!row) break;
    results.add(first ? '[' : ',');
    add_json(q.value(0), results, &db_.stop());
  }
  results.add(results.size() == 0 ? "[]" : "]");
  return results.ok() ? Status() : Status::no_memory();
}

Status StepRows::next_due(Millis* due, bool* waits) {
  Query q(db_, Sql::run_due);
  q.bind(":seq", seq_);
  WF_TRY(q.one_row());
  const Millis ready = q.time(0), waiting = q.time(1);
  *due = ready == kNoTime || (waiting != kNoTime && waiting < ready) ? waiting : ready;
  *waits = q.integer(2) != 0;
  return {};
}

}  // namespace wf
