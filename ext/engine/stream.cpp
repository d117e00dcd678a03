#include "engine/stream.h"

#include "engine/cleanup.h"
#include "engine/lease.h"
#include "engine/may_act.h"
#include "engine/opening.h"
#include "engine/start.h"
#include "engine/step.h"

namespace wf {
namespace {

struct End {
  int64_t first = 0;  // what stands before it was trimmed
  int64_t next = 0;
  bool closed = false;
};

Status read_end(Db& db, int64_t seq, string_view stream, End* out) {
  Query q(db, Sql::stream_end);
  q.bind(":seq", seq).bind(":stream", stream);
  bool row;
  WF_TRY(q.next(&row));
  out->first = q.count(0);
  out->next = q.count(1);
  out->closed = q.integer(2) != 0;
  return {};
}

Status put_end(Db& db, int64_t seq, string_view stream, const End& end) {
  Query q(db, Sql::stream_put_end);
  q.bind(":seq", seq).bind(":stream", stream).bind(":first", end.first).bind(":next", end.next).bind(":closed", int64_t{end.closed});
  return q.run();
}

// The items of a call, one after the other.
class Items {
 public:
  explicit Items(const Append& args) : args_(args), elements_(args.items) {}
  bool next() { return args_.each ? elements_.next() : !args_.close && first_++ == 0; }
  Value value() const { return args_.each ? Value::text(elements_.value().text()) : args_.value; }

 private:
  const Append& args_;
  json::Elements elements_;
  int first_ = 0;
};

// What is recorded at an offset is the same; what was trimmed was.
Status check_same(Db& db, int64_t seq, string_view stream, int64_t offset, const Value& value) {
  Query q(db, Sql::stream_at);
  q.bind(":seq", seq).bind(":stream", stream).bind(":offset", offset);
  bool row, same = true;
  WF_TRY(q.next(&row));
  if (row) WF_TRY(same_value(q.value(0), value, &db.stop(), &same));
  if (same) return {};
  return Status::error(Code::conflict, "stream '%.*s' has another value at offset %lld", WF_SV(stream), static_cast<long long>(offset));
}

Status add(Db& db, int64_t seq, string_view stream, int64_t offset, const Value& value, Millis now) {
  Query q(db, Sql::stream_add);
  q.bind(":seq", seq).bind(":stream", stream).bind(":offset", offset).bind(":now", now).bind(":value", value);
  return q.run();
}

// The item at hand and those behind it, from `next` on.
Status add_rest(Db& db, int64_t seq, const Append& args, Items& items, int64_t next, Millis now) {
  int64_t offset = next;
  do {
    Status added = add(db, seq, args.stream, offset++, items.value(), now);
    if (added.ok()) continue;
    if (args.each) {  // inside a statement that writes nothing else would take them back
      Query q(db, Sql::stream_drop_from);
      q.bind(":seq", seq).bind(":stream", args.stream).bind(":offset", next);
      (void)q.run();
    }
    return added;
  } while (items.next());
  return {};
}

Status write(Db& db, const Handle& handle, Workflow& w, const Append& args, Millis now, int64_t* offset) {
  End end;
  WF_TRY(read_end(db, w.seq, args.stream, &end));
  *offset = args.offset >= 0 ? args.offset : end.next;
  if (*offset > end.next) {
    return Status::error(Code::invalid, "the option \"offset\" is %lld, but stream '%.*s' goes on at %lld", static_cast<long long>(args.offset),
                         WF_SV(args.stream), static_cast<long long>(end.next));
  }
  Items items(args);
  bool more = items.next();
  for (int64_t at = *offset; more && at < end.next; ++at, more = items.next()) WF_TRY(check_same(db, w.seq, args.stream, at, items.value()));
  if (!more && (!args.close || end.closed)) return {};
  if (end.closed) return Status::error(Code::state, "stream '%.*s' of workflow '%.*s' is closed", WF_SV(args.stream), WF_SV(w.id.view()));
  WF_TRY(keep_or_end_claim(db, handle, w, now));
  end.closed = args.close;
  return args.close ? put_end(db, w.seq, args.stream, end) : add_rest(db, w.seq, args, items, end.next, now);
}

// The offset that the step has recorded; -1: none yet.
Status recorded_offset(Db& db, const Workflow& w, string_view step, int64_t* offset) {
  Query q(db, Sql::begin_row);
  q.bind(":seq", w.seq).bind(":step", step);
  bool row;
  WF_TRY(q.next(&row));
  *offset = -1;
  if (!row) return {};
  if (q.text(0) != "step") return wrong_kind(w, step, q.text(0), "step");
  if (q.text(1) == "done") *offset = q.count(2);
  return {};
}

Status move_record(Db& db, int64_t seq, string_view step, int64_t offset) {
  Query q(db, Sql::stream_move_record);
  q.bind(":seq", seq).bind(":step", step).bind(":offset", offset);
  return q.run();
}

Status append_as_step(Db& db, const Handle& handle, Workflow& w, Append args, Millis now, int64_t* offset) {
  if (args.cleanup) WF_TRY(end_in_two_phases(db, handle, w, now));
  WF_TRY(recorded_offset(db, w, args.step, &args.offset));
  // Where it stands the item may be missing: a fork has the steps of another, and no items. What steps of that have appended between stays missing.
  const bool stands = args.offset >= 0;
  End end;
  if (stands) WF_TRY(read_end(db, w.seq, args.stream, &end));
  const bool moves = stands && args.offset > end.next;
  if (moves) args.offset = -1;
  WF_TRY(write(db, handle, w, args, now, offset));
  if (stands && !moves) return {};
  Status recorded = moves ? move_record(db, w.seq, args.step, *offset) : write_step(db, handle, w, args.step, Value::of(*offset), {}, now);
  if (!recorded.ok()) {  // inside a statement that writes nothing else would take it back
    Query q(db, Sql::stream_drop_from);
    q.bind(":seq", w.seq).bind(":stream", args.stream).bind(":offset", *offset);
    (void)q.run();
  }
  return recorded;
}

}  // namespace

Status append(Db& db, const Handle& handle, const Append& args, const Now& now, int64_t* offset) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_append", handle, now, &time, &w));
  WF_TRY(may_act(db, handle, w, time, Act::note));
  WF_TRY(args.step.empty() ? write(db, handle, w, args, time, offset) : append_as_step(db, handle, w, args, time, offset));
  return scope.commit();
}

Status trim(Db& db, string_view id, string_view stream, int64_t offset, int64_t limit, const Now& now, int64_t* count) {
  Handle handle;
  handle.id = id;
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_trim", handle, now, &time, &w));
  End end;
  WF_TRY(read_end(db, w.seq, stream, &end));
  int64_t first = offset < end.next ? offset : end.next;
  if (first - end.first > limit) first = end.first + limit;
  if (first > end.first) {
    // First: without the items the end alone says where the stream goes on; items that are left go with the next call.
    end.first = first;
    WF_TRY(put_end(db, w.seq, stream, end));
  }
  {
    Query q(db, Sql::stream_trim);
    q.bind(":seq", w.seq).bind(":stream", stream).bind(":first", end.first);
    WF_TRY(q.run());
    *count = q.changes();
  }
  {
    Query q(db, Sql::stream_trimmed);
    q.bind(":seq", w.seq).bind(":stream", stream).bind(":first", end.first);
    bool left;
    WF_TRY(q.next(&left));
    if (left) return Status::error(Code::state, "items of stream '%.*s' of workflow '%.*s' were not removed: a trigger has ignored them", WF_SV(stream), WF_SV(id));
  }
  return scope.commit();
}

Status stream_is_ready(Db& db, int64_t seq, string_view stream, int64_t offset, bool* ready) {
  Query q(db, Sql::stream_ready);
  q.bind(":seq", seq).bind(":stream", stream).bind(":offset", offset);
  return q.next(ready);
}

}  // namespace wf
