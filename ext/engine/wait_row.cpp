#include "engine/wait_row.h"

#include "engine/lane.h"
#include "engine/trouble.h"

namespace wf {
namespace {

constexpr string_view kKinds[] = {"sleep", "await", "await_event", "join", "acquire"};
constexpr string_view kKindWords[] = {"sleep", "signal", "event", "join"};  // in the stored form of one of several

bool kind_of(string_view name, WaitKind* out) {
  const int64_t i = index_of(kKinds, name);
  if (i >= 0) *out = static_cast<WaitKind>(i);
  return i >= 0;
}

}  // namespace

bool is_names(json::Checked array, WaitKind kind) {
  if (!array.is(json::Kind::array)) return false;
  size_t count = 0;
  Text name;
  for (json::Elements e(array); e.next(); ++count) {
    name.clear();
    json::unquote(e.value(), name);
    if (!e.value().is(json::Kind::string) || !name.ok()) return false;
    if (!(kind == WaitKind::join ? check_id({}, name.view()) : check_name({}, name.view())).ok()) return false;
  }
  return kind == WaitKind::share ? count == 1 || count == 2 : count != 0 || kind == WaitKind::join;
}

namespace {

bool read_time_of(json::Checked json, Millis* out) { return json::to_integer(json, out) && *out >= kTimeMin && *out <= kTimeMax; }

// {"mode":...,"timeout":...,"waits":[...]}
bool read_several(json::Checked object, WaitRow* row) {
  bool sound = true, has_mode = false;
  for (json::Members m(object); m.next();) {
    const json::Checked value = m.value();
    if (m.key_is("mode")) {
      has_mode = true;
      row->all = value.text() == "\"all\"";
      sound = sound && (row->all || value.text() == "\"any\"");
    } else if (m.key_is("timeout")) {
      sound = read_time_of(value, &row->timeout) && sound;
    } else if (m.key_is("waits")) {
      for (json::Elements e(value); e.next();) {
        Awaited thing;
        sound = read_awaited(e.value(), &thing) && sound;
        row->things.add(thing);
      }
    } else {
      sound = false;
    }
  }
  return sound && has_mode && row->things.ok() && row->things.size() != 0;
}

// How many shares: as add_how() writes it.
bool read_amount(json::Checked json, int64_t* out) {
  return json.text().find_first_not_of("0123456789") == string_view::npos && json::to_integer(json, out) && *out >= 1 && *out <= kMostShares;
}

// The options of a join, or of a share, from column how. False: a share has none, or several amounts, or one that is none; then one is waited for.
bool read_how(string_view how, Awaited* thing) {
  int amounts = 0;
  bool sound = true;
  for (json::Members m(json::check(how, nullptr)); m.next();) {
    if (m.key_is("mode")) thing->any = m.value().text() == "\"any\"";
    if (m.key_is("outputs")) thing->outputs = m.value().text() != "false";
    if (m.key_is("keep")) thing->keep = m.value().text() == "true";
    if (m.key_is("amount")) {
      ++amounts;
      sound = read_amount(m.value(), &thing->amount) && sound;
    }
  }
  sound = sound && amounts == 1;
  if (!sound) thing->amount = 1;
  return sound || thing->kind != WaitKind::share;
}

}  // namespace

string_view wait_kind_name(WaitKind kind) { return kKinds[static_cast<int>(kind)]; }

bool read_awaited(json::Checked object, Awaited* out) {
  bool sound = true;
  int kinds = 0;
  for (json::Members m(object); m.next();) {
    const json::Checked value = m.value();
    size_t i = 0;
    while (i < std::size(kKindWords) && !m.key_is(kKindWords[i])) ++i;
    if (i < std::size(kKindWords)) {
      out->kind = static_cast<WaitKind>(i);
      ++kinds;
      if (out->kind == WaitKind::sleep) sound = read_time_of(value, &out->due) && sound;
      else sound = is_names(value, out->kind) && sound;
      if (out->kind != WaitKind::sleep) out->names = value.text();
    } else if (m.key_is("as") && value.is(json::Kind::string)) {
      out->as = value.text();
    } else if (m.key_is("mode")) {
      out->any = value.text() == "\"any\"";
      sound = sound && (out->any || value.text() == "\"all\"");
    } else if (m.key_is("outputs") && value.is(json::Kind::boolean)) {
      out->outputs = value.text() == "true";
    } else {
      sound = false;
    }
  }
  return sound && kinds == 1 && (out->kind == WaitKind::join || (!out->any && out->outputs));
}

namespace {

void add_awaited(const Awaited& thing, Text& out) {
  out.add("{\"").add(kKindWords[static_cast<int>(thing.kind)]).add("\":");
  if (thing.kind == WaitKind::sleep) out.add_integer(thing.due);
  else out.add(thing.names);
  if (thing.any) out.add(",\"mode\":\"any\"");
  if (!thing.outputs) out.add(",\"outputs\":false");
  if (!thing.as.empty()) out.add(",\"as\":").add(thing.as);
  out.add('}');
}

}  // namespace

void WaitRow::add_topics(Text& out) const {
  out.add("{\"mode\":\"").add(all ? "all" : "any").add('"');
  if (timeout != kNoTime) out.add(",\"timeout\":").add_integer(timeout);
  out.add(",\"waits\":[");
  for (size_t i = 0; i < things.size(); ++i) {
    if (i != 0) out.add(',');
    add_awaited(things[i], out);
  }
  out.add("]}");
}

Millis WaitRow::next_time(Millis now) const {
  Millis sleep = kNoTime;
  for (size_t i = 0; i < things.size(); ++i) {
    const Millis end = things[i].due;
    if (end != kNoTime && (sleep == kNoTime || (all ? end > sleep : end < sleep))) sleep = end;
  }
  if (all && sleep <= now) sleep = kNoTime;
  return sleep == kNoTime || (timeout != kNoTime && timeout < sleep) ? timeout : sleep;
}

Status WaitRow::read(Stop* stop, bool* sound) {
  things.clear();
  timeout = kNoTime;
  all = false;
  const json::Checked object = json::check(topics, stop);
  several = object.is(json::Kind::object);
  if (several) {
    *sound = read_several(object, this);
  } else {
    Awaited thing;
    *sound = kind_of(kind, &thing.kind);
    thing.names = topics;
    if (thing.kind == WaitKind::sleep) thing.due = due;
    else timeout = due;
    if (thing.kind == WaitKind::join || thing.kind == WaitKind::share) *sound = read_how(how, &thing) && *sound;
    things.add(thing);
  }
  return things.ok() ? Status() : Status::no_memory();
}

Status WaitRow::check(Stop* stop, bool* sound) {
  WF_TRY(read(stop, sound));
  if (!*sound || several) return {};
  *sound = things[0].kind == WaitKind::sleep ? due != kNoTime : is_names(json::check(topics, stop), things[0].kind);
  return {};
}

void WaitRow::add_key(size_t i, Text& out) const {
  out.add(step);
  if (several) out.add('\x1f').add_integer(static_cast<int64_t>(i));
}

Status show_arrival(Db& db, const char* what, Sql sql, int64_t n, Text& out) {
  Query q(db, sql);
  q.bind(":n", n);
  bool row;
  WF_TRY(q.next(&row));
  if (!row) return {};
  out.add('"').add(what).add("\":");
  json::quote(q.text(0), out);
  out.add(",\"payload\":");
  add_json(q.value(2), out, &db.stop());
  out.add(",\"received_at\":\"").add(TimeText(q.time(1), TimeForm::json).view()).add('"');
  return {};
}

Status write_row(Db& db, Sql sql, int64_t seq, const WaitRow& row, Millis now, string_view output) {
  Query q(db, sql);
  q.bind(":n", row.n).bind(":seq", seq).bind(":step", row.step).bind(":kind", row.kind).bind(":now", now);
  q.bind_time(":due", row.due).bind_name(":topics", row.topics).bind_name(":how", row.how).bind_name(":output", output);
  row.print.bind(q);
  return q.run();
}

Status wake(Db& db, int64_t seq, int64_t lane, Wake why, Millis now) {
  bool past;
  WF_TRY(looks_past(db, seq, now, &past));
  if (past) return {};
  WF_TRY(lane_expect(db, lane, now, now));
  return run_all(db, Sql::wait_wake, [&](Query& q) { q.bind(":seq", seq).bind(":now", now).bind(":wake", static_cast<int64_t>(why)); });
}

Status list_names(Db& db, Sql list, Sql unlisted, string_view names, const Binds& bind) {
  for (json::Portions p(names, &db.stop());;) {
    bool more, missing;
    WF_TRY(p.next(&more));
    if (!more) return {};
    {
      Query q(db, list);
      q.bind(":topics", p.text());
      bind(q);
      WF_TRY(q.run());
      if (q.changes() == p.count()) continue;
    }
    // One that is listed already, or has ended; or one that was ignored.
    Query q(db, unlisted);
    q.bind(":topics", p.text());
    bind(q);
    WF_TRY(q.next(&missing));
    if (missing) return q.not_written();
  }
}

}  // namespace wf
