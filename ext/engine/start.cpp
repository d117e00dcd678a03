#include "engine/start.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/plain.h"
#include "base/scope.h"
#include "engine/above.h"
#include "engine/lane.h"
#include "engine/tag.h"

namespace wf {
namespace {

Status conflict(string_view id, const char* other) {
  return Status::error(Code::conflict, "workflow '%.*s' exists with another %s", WF_SV(id), other);
}

// That the workflow in the row of `q` was spawned by the same step of the same parent, before which no redo came.
Status check_same_parent(const Query& q, const Start& args) {
  const bool same_step = q.integer_or(2, 0) == args.parent && q.text(3) == args.parent_step;
  if (same_step && q.integer(4) == args.parent_redo) return {};
  if (q.is_null(2)) {
    return Status::error(Code::conflict, "workflow '%.*s' exists and is nobody's child: join it, or give the child another id", WF_SV(args.id));
  }
  return Status::error(Code::conflict, "workflow '%.*s' exists and is the child of step '%.*s' of workflow '%.*s'%s: give this one another id", WF_SV(args.id),
                       WF_SV(q.text(3)), WF_SV(q.text(5)), same_step ? ", from before that step was dropped" : "");
}

Status conflict_of(string_view id, string_view status) {
  return Status::error(Code::conflict, "workflow '%.*s' exists already, it is %.*s", WF_SV(id), WF_SV(status));
}

// Whether a workflow of this id exists already; WF_CONFLICT if it is another one, or none may be there.
Status check_same_id(Db& db, const Start& args, bool* exists) {
  Query q(db, Sql::start_same_id);
  q.bind(":id", args.id);
  WF_TRY(q.next(exists));
  if (!*exists) return {};
  const IfExists rule = args.if_exists;
  if (rule == IfExists::fail || (args.parent != 0 && rule == IfExists::same)) {
    // A child that was left without its step is found again, whatever is said.
    Status same = args.parent != 0 ? check_same_parent(q, args) : Status::error(Code::conflict, "");
    if (!same.ok() && rule == IfExists::fail) return conflict_of(args.id, q.text(6));
    WF_TRY(static_cast<Status&&>(same));
  }
  if (q.text(0) != args.name) {
    return Status::error(Code::conflict, "workflow '%.*s' exists with the name '%.*s', not '%.*s'", WF_SV(args.id), WF_SV(q.text(0)), WF_SV(args.name));
  }
  if (rule != IfExists::same && rule != IfExists::fail) return {};
  bool same;
  WF_TRY(same_value(q.value(1), args.input, &db.stop(), &same));
  return same ? Status() : conflict(args.id, "input");
}

Status find_dedup(Db& db, const Start& args, string_view dedup, bool* exists, Name* id) {
  Query q(db, Sql::start_same_dedup);
  q.bind(":dedup", dedup);
  WF_TRY(q.next(exists));
  if (*exists) *id = q.text(0);
  if (!*exists || args.if_exists != IfExists::fail) return {};
  return Status::error(Code::conflict, "workflow '%.*s' holds the dedup key '%.*s' of queue '%.*s'", WF_SV(id->view()), WF_SV(args.dedup), WF_SV(args.queue));
}

// A child that cannot begin before one of those has ended who wait for it would be waited for in vain.
Status check_not_shut_out(Db& db, const Start& child, string_view id) {
  if (child.parent == 0 || child.detached) return {};
  Query q(db, Sql::start_is_shut_out);
  q.bind(":queue", child.queue).bind(":parent", child.parent).bind(":partition", child.partition);
  bool row;
  WF_TRY(q.next(&row));
  if (!row) return {};
  const bool none = child.partition.empty();
  return Status::error(Code::state, "the child '%.*s' could not begin before its parent, or one above it, has ended: they hold every slot of queue '%.*s'%s%.*s%s to their "
                       "ends. Let it be detached, or put it elsewhere", WF_SV(id), WF_SV(child.queue), none ? "" : ", partition '", WF_SV(child.partition), none ? "" : "'");
}

// A value as JSON; that of text is not copied.
class AsJson {
 public:
  explicit AsJson(const Value& value) : text_(value.bytes) {
    is_text_ = value.type == Value::Type::text;
    if (!is_text_) add_json(value, other_);
  }
  string_view view() const { return is_text_ ? text_ : other_.view(); }
  bool ok() const { return other_.ok(); }

 private:
  string_view text_;
  bool is_text_;
  Text other_;
};

Status drop_large(Db& db, int64_t seq) {
  Query q(db, Sql::start_drop_large);
  q.bind(":seq", seq);
  return q.run();
}

auto random_id(Millis now) {
  unsigned char random[10];
  Db::randomness(random, sizeof random);
  return uuid7(now, random);
}

Millis due_of(const Start& args, Millis now) { return args.at != kNoTime ? args.at : later(now, args.delay); }

// What stands in the row but for its id, its lane and a value that is large; `backoff` holds one.
Status bind_row(Query& q, const Start& args, bool other_kind, Millis now, Text& backoff) {
  const Millis due = due_of(args, now);
  q.bind(":due", due).bind(":now", now);
  q.bind(":place", static_cast<int64_t>(args.manual ? Place::not_offered : Place::in_line));
  if (args.timeout != kNoTime) q.bind(":timeout", args.timeout).bind(":deadline", later(due, args.timeout));
  q.bind(":flags", int64_t{(args.manual ? kManual : 0) | (args.cleanup ? kCleanup : 0) | (args.detached ? kDetached : 0) | (other_kind ? kOtherKind : 0)});
  if (args.parent != 0) q.bind(":parent", args.parent).bind(":parent_step", args.parent_step).bind(":parent_redo", args.parent_redo);
  if (args.max_attempts != 0) q.bind(":max_attempts", args.max_attempts);
  if (args.max_failures != 0) q.bind(":max_failures", args.max_failures);
  if (args.has_backoff) {
    add_backoff(args.backoff, backoff);
    if (!backoff.ok()) return Status::no_memory();
    q.bind(":backoff", backoff.view());
  }
  if (args.scheduled_at != kNoTime) q.bind(":scheduled", args.scheduled_at);
  if (!args.headers.empty()) q.bind(":headers", args.headers);
  if (!is_large(args.input)) q.bind(":input", args.input);
  return {};
}

// What start_plain can do, but for what only the file knows.
bool may_be_plain(const Start& args, const Now& now) {
  return args.parent == 0 && !args.manual && !args.tags && args.dedup.empty() && !is_large(args.input) && (!args.id.empty() || !now.given);
}

// Outside of any savepoint, so not where triggers are fired.
Status try_plain(Db& db, const Start& args, Millis time, bool said, Name* id, bool* started) {
  *started = false;
  Query q(db, Sql::start_plain);
  if (db.plain_fires_triggers() && q.prepared()) return {};
  *id = args.id;
  if (args.id.empty()) *id = random_id(time).view();
  q.bind(":id", id->view()).bind(":queue", args.queue).bind(":partition", args.partition).bind(":name", args.name).bind(":version", args.version);
  q.bind(":priority", args.priority).bind(":format", kSchemaVersion);
  if (said) q.bind(":said", int64_t{1});
  Text backoff;
  WF_TRY(bind_row(q, args, false, time, backoff));
  WF_TRY(q.run());
  *started = q.changes() != 0;
  return {};
}

Status insert(Db& db, const Prepared& prepared, string_view id, string_view dedup, Millis now) {
  const Start& args = prepared.start;
  const LaneKey key{args.queue, args.partition, args.name, args.version, args.priority, prepared.other_kind ? db.above().kind->number : 0};
  int64_t lane;
  WF_TRY(lane_for(db, key, args.manual ? kNoTime : due_of(args, now), now, &lane));
  Text backoff;
  Query q(db, Sql::start_insert);
  q.bind(":id", id).bind(":lane", lane).bind_name(":dedup", dedup);
  WF_TRY(bind_row(q, args, prepared.other_kind, now, backoff));
  const bool large = is_large(args.input);
  if (!large && !args.tags) return q.run();
  // The row of the workflow decides, so it comes last: a value without a workflow does no harm.
  int64_t seq;
  WF_TRY(next_seq(db, &seq));
  Status written = large ? put_large(db, seq, Large::input, args.input) : Status();
  if (written.ok() && args.tags) written = put_tags(db, seq, args.tags);
  if (written.ok()) {
    q.bind(":seq", seq);
    written = q.run();
  }
  if (!written.ok()) {  // inside a writing statement nothing else would take it back
    if (large) (void)drop_large(db, seq);
    if (args.tags) (void)drop_tags(db, seq);
  }
  return written;
}

}  // namespace

Status new_id(Db& db, string_view wanted, bool time_was_said, Millis now, Name* id) {
  *id = wanted;
  if (!wanted.empty()) return {};
  bool is_explicit;
  WF_TRY(clock_is_explicit(db, time_was_said, &is_explicit));
  if (is_explicit) return Status::error(Code::invalid, "the option \"id\" is required: wf_config('clock') is 'explicit' in this file");
  *id = random_id(now).view();
  return {};
}

Status next_seq(Db& db, int64_t* seq) {
  Query q(db, Sql::start_next_seq);
  WF_TRY(q.one_row());
  *seq = q.integer(0);
  return {};
}

Status same_value(const Value& a, const Value& b, Stop* stop, bool* same) {
  if ((a.type == Value::Type::blob) != (b.type == Value::Type::blob)) {
    *same = false;
    return {};
  }
  if (a.type == Value::Type::blob || (a.type == Value::Type::text && b.type == Value::Type::text && a.bytes == b.bytes)) {
    *same = a.bytes == b.bytes;
    return {};
  }
  const AsJson json_a(a), json_b(b);
  if (!json_a.ok() || !json_b.ok()) return Status::no_memory();
  bool failed = false;
  *same = json::same(json::check(json_a.view(), stop), json::check(json_b.view(), stop), &failed);
  const bool a_is_real = a.type == Value::Type::real;
  if (!*same && !failed && (a_is_real ? b : a).type == Value::Type::text && (a_is_real || b.type == Value::Type::real)) {
    // A driver that has made a double of a number has taken the one nearest to it.
    Text text;
    text.add((a_is_real ? b : a).bytes);
    const bool number = json::check(text.view(), stop).is(json::Kind::number);
    if (!text.add('\0').ok()) return Status::no_memory();
    *same = number && nearest_double(text.data()) == (a_is_real ? a : b).real;
  }
  return failed ? Status::no_memory() : Status();
}

Status put_large(Db& db, int64_t seq, Large what, const Value& value) {
  Query q(db, Sql::large_put);
  q.bind(":seq", seq).bind(":what", static_cast<int64_t>(what)).bind(":value", value);
  return q.run();
}

Status start(Db& db, const Start& args, const Now& now, Name* id, Started* outcome) {
  Started none;
  Started& became = outcome != nullptr ? *outcome : none;
  became = Started::existing;
  Millis time = now.given ? now.time : db.clock();
  if (may_be_plain(args, now)) {
    bool started = false;
    WF_TRY(run_plain(db, Sql::start_plain, [&] { return try_plain(db, args, time, now.given, id, &started); }));
    became = started ? Started::created : Started::existing;
    if (started) return {};
  }

  // Not that plain: find out why, or do it with all that belongs to it.
  WriteScope scope(db);
  WF_TRY(scope.begin(Inline::allowed, "wf_start"));
  WF_TRY(call_time(db, now, &time));

  bool exists = false;
  if (!args.id.empty()) {
    *id = args.id;
    WF_TRY(check_same_id(db, args, &exists));
  }
  if (exists) return scope.commit();
  Prepared prepared(args);
  WF_TRY(db.above().kind->prepare(db, &prepared));
  Text dedup;
  if (!args.dedup.empty()) {
    dedup.add(prepared.start.queue).add('\x1f').add(args.dedup);
    if (!dedup.ok()) return Status::no_memory();
    WF_TRY(find_dedup(db, prepared.start, dedup.view(), &exists, id));
  }
  if (exists) return scope.commit();

  WF_TRY(new_id(db, args.id, now.given, time, id));
  WF_TRY(check_not_shut_out(db, prepared.start, id->view()));
  WF_TRY(insert(db, prepared, id->view(), dedup.view(), time));
  became = Started::created;
  return scope.commit();
}

}  // namespace wf
