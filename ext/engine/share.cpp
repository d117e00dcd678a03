#include "engine/share.h"

namespace wf {
namespace {

void bind(Query& q, const ShareOf& share, Millis now) { q.bind(":rate", share.rate.view()).bind(":key", share.key.view()).bind(":now", now); }

Status add(Db& db, const ShareOf& share, int64_t n, int64_t upto, Millis now) {
  Query q(db, Sql::share_add);
  bind(q, share, now);
  q.bind(":n", n).bind(":upto", upto);
  return q.run();
}

}  // namespace

Status read_limit(Db& db, string_view name, bool* exists, Limit* out) {
  Query q(db, Sql::share_limit);
  q.bind(":rate", name);
  WF_TRY(q.next(exists));
  if (!*exists) return {};
  out->limit = within(q.integer(0), 1, kMostCount);
  out->per = within(q.integer(1), 1, kDurationMax);
  return {};
}

bool read_share(const Awaited& thing, ShareOf* out) {
  const json::Checked names = json::check(thing.names, nullptr);
  if (!names.is(json::Kind::array)) return false;
  size_t count = 0;
  for (json::Elements e(names); e.next(); ++count) {
    Text name;
    json::unquote(e.value(), name);
    if (count > 1 || !e.value().is(json::Kind::string) || !name.ok() || !check_name({}, name.view()).ok()) return false;
    (count == 0 ? out->rate : out->key) = name.view();
  }
  out->amount = thing.amount;
  return count != 0;
}

void add_topics(const ShareOf& share, Text& out) {
  out.add('[');
  json::quote(share.rate.view(), out);
  if (!share.key.empty()) {
    out.add(',');
    json::quote(share.key.view(), out);
  }
  out.add(']');
}

void add_how(int64_t amount, bool keep, Text& out) { out.add("{\"amount\":").add_integer(amount).add(keep ? ",\"keep\":true}" : "}"); }

void add_share(const ShareOf& share, Millis at, Text& out) {
  out.add("\"rate\":");
  json::quote(share.rate.view(), out);
  if (!share.key.empty()) {
    out.add(",\"key\":");
    json::quote(share.key.view(), out);
  }
  out.add(",\"amount\":").add_integer(share.amount).add(",\"acquired_at\":\"").add(TimeText(at, TimeForm::json).view()).add('"');
}

Status look_at_window(Db& db, const ShareOf& share, Millis now, Window* out) {
  Query q(db, Sql::share_look);
  bind(q, share, now);
  WF_TRY(q.next(&out->exists));
  if (!out->exists) return {};
  out->limit = within(q.integer(0), 1, kMostCount);
  out->per = within(q.integer(1), 1, kDurationMax);
  out->given = q.count(2);
  out->last_at = q.time(3);
  out->before = within(q.integer(4), 0, out->given);
  out->has_line = q.integer(5) != 0;
  return {};
}

Status when_room(Db& db, const ShareOf& share, const Window& window, int64_t n, Millis now, Millis* at) {
  Query q(db, Sql::share_gives_back);
  bind(q, share, now);
  q.bind(":per", window.per).bind(":need", window.given + n - window.limit);
  bool row;
  WF_TRY(q.next(&row));
  const Millis given = row ? q.time(0) : now;
  *at = later(given < now ? given : now, window.per);
  return {};
}

Status prune_shares(Db& db, const ShareOf& share, Millis now) {
  ShareOf next;
  {
    Query q(db, Sql::share_neighbour);
    bind(q, share, now);
    bool row;
    WF_TRY(q.next(&row));
    next.key = q.text(0);
    next.rate = share.rate.view();
  }
  for (const ShareOf* of : {&share, static_cast<const ShareOf*>(&next)}) {
    Millis old;
    {
      Query q(db, Sql::share_old);
      bind(q, *of, now);
      bool row;
      WF_TRY(q.next(&row));
      old = row ? q.time(0) : kNoTime;
    }
    if (old != kNoTime) {
      Query q(db, Sql::share_prune);
      q.bind(":rate", of->rate.view()).bind(":key", of->key.view()).bind(":old", old);
      WF_TRY(q.run());
    }
    if (next.key.view() == share.key.view()) break;
  }
  return {};
}

Status give_share(Db& db, const ShareOf& share, int64_t given, Millis now) {
  const int64_t upto = given + share.amount;
  WF_TRY(add(db, share, share.amount, upto, now));
  // Of a key that is used for the first time, too: there may be many that are used once.
  return given == 0 || given / kBetweenPrunes != upto / kBetweenPrunes ? prune_shares(db, share, now) : Status();
}

Status cut_later_shares(Db& db, const ShareOf& share, const Window& window, Millis now) {
  if (window.last_at == kNoTime || window.last_at <= now) return {};
  int64_t later;
  {
    Query q(db, Sql::share_later);
    bind(q, share, now);
    WF_TRY(q.one_row());
    later = q.count(0);
  }
  WF_TRY(run_all(db, Sql::share_cut, [&](Query& q) { bind(q, share, now); }));
  return add(db, share, later, window.given, now);
}

}  // namespace wf
