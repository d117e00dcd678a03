// wf_wait: until there is work, or something else that a worker waits for. wf_wake: to be waited for.

#include "base/json.h"
#include "base/scope.h"
#include "engine/wait_for_work.h"
#include "functions/call.h"
#include "functions/nested.h"

namespace wf {
namespace {

constexpr Option kStreamOptions[] = {
    {"id", OptionType::id, ""},
    {"stream", OptionType::name, ""},
    {"offset", OptionType::integer, "", 0, INT64_MAX},
};

// What one call waits for, and what of it has come.
struct Wanted {
  Call& call;
  Text came;
  int64_t rings = 0;  // of bells, up to which they have been looked at
};

uint64_t bell(Db& db, string_view name) { return Bells::of(sqlite3_db_filename(db.handle(), "main"), name); }

// Calls f with each of the names.
template <class F>
Status for_each_name(json::Checked names, F&& f) {
  Text name;
  for (json::Elements e(names); e.next();) {
    name.clear();
    json::unquote(e.value(), name);
    if (!name.ok()) return Status::no_memory();
    WF_TRY(f(name.view()));
  }
  return {};
}

// One thing: options of wf_wait, or an element of its "any", which is reported by its index.
class Thing {
 public:
  Thing(Db& db, const Options& options, int64_t index, Millis now, Text& out) : db_(db), o_(options), index_(index), now_(now), out_(out) {}

  // One kind of thing each.
  Status check() const {
    const char* kind = nullptr;
    for (const char* name : {"queue", "worker", "names", "versions", "id", "streams", "tokens", "wake"}) {
      if (!o_.has(string_view(name))) continue;
      const char* own = name == string_view("worker") || name == string_view("names") || name == string_view("versions") ? "queue" : name;
      if (kind != nullptr && string_view(kind) != own) {
        return Status::error(Code::invalid, "the option \"%s\" of wf_wait() does not go with \"%s\": \"any\" waits for several things", name, kind);
      }
      kind = own;
    }
    return {};
  }

  // Reports what has come of it.
  Status look() {
    WF_TRY(check());
    if (o_.has("streams")) return look_at_streams();
    if (o_.has("tokens")) return look_at_tokens();
    if (o_.has("wake")) return look_at_bells();
    bool came;
    if (o_.has("id")) {
      WF_TRY(has_ended(db_, o_.text("id"), nullptr, &came));
    } else {
      Claim args;
      args.queues = o_.names("queue");
      args.worker = o_.text("worker");
      args.names = o_.names("names");
      args.versions = o_.names("versions");
      WF_TRY(has_work(db_, args, now_, &came));
    }
    if (came) report(), out_.add('}');
    return {};
  }

 private:
  Text& report() { return out_.add(out_.size() != 0 ? ",{\"index\":" : "{\"index\":").add_integer(index_); }
  Text& report(const char* key, string_view value) {
    json::quote(value, out_.add(",\"").add(key).add("\":"));
    return out_;
  }

  Status look_at_streams() {
    const json::Checked streams = o_.object("streams");
    if (streams.is(json::Kind::object)) return look_at_stream(streams);
    if (!streams.is(json::Kind::array)) return Status::error(Code::invalid, "the option \"streams\" of wf_wait() must be {id, stream, offset} or an array of them, got %.*s", WF_SV(excerpt(streams.text())));
    for (json::Elements e(streams); e.next();) WF_TRY(look_at_stream(e.value()));
    return {};
  }

  Status look_at_stream(json::Checked stream) {
    Options one;
    WF_TRY(in_option("streams", one.parse(kStreamOptions, stream.text(), &db_.stop())));
    if (!one.has("id") || !one.has("stream")) return Status::error(Code::invalid, "a stream of wf_wait() needs an id and a stream, got %.*s", WF_SV(excerpt(stream.text())));
    const Reading reading{one.text("stream"), one.integer("offset", 0)};
    bool ready;
    WF_TRY(has_ended(db_, one.text("id"), &reading, &ready));
    if (!ready) return {};
    report();
    report("id", one.text("id"));
    report("stream", reading.stream).add('}');
    return {};
  }

  Status look_at_tokens() {
    return for_each_name(o_.names("tokens"), [&](string_view token) {
      Handle handle;
      WF_TRY(parse_handle(token, &handle));
      if (!handle.is_token) return Status::error(Code::invalid, "the option \"tokens\" of wf_wait() needs tokens of claims, '%.*s' is an id", WF_SV(token));
      Status why;
      WF_TRY(has_been_lost(db_, handle, now_, &why));
      if (why.ok()) return Status();
      report();
      report("token", token);
      report("code", why.code()).add('}');
      return Status();
    });
  }

  Status look_at_bells() {
    return for_each_name(o_.names("wake"), [&](string_view name) {
      if (!db_.bells().has_rung(bell(db_, name))) return Status();
      report();
      report("wake", name).add('}');
      return Status();
    });
  }

  Db& db_;
  const Options& o_;
  const int64_t index_;
  const Millis now_;
  Text& out_;
};

// Calls f with the options of each thing: those of the call, or of each element of its "any".
template <class F>
Status for_each_thing(Call& call, F&& f) {
  if (!call.options.has("any")) return f(call.options, 0);
  int64_t index = 0;
  for (json::Elements e(call.options.object("any")); e.next(); ++index) {
    Options one;
    WF_TRY(in_option("any", one.parse(call.function.options.first(call.function.options.size() - 1), e.value().text(), &call.db.stop())));
    WF_TRY(f(one, index));
  }
  return {};
}

Status look_for(Db& db, void* what, Millis now, bool* came) {
  Wanted& wanted = *static_cast<Wanted*>(what);
  wanted.came.clear();
  wanted.rings = Bells::rings();
  WF_TRY(for_each_thing(wanted.call, [&](const Options& o, int64_t index) { return Thing(db, o, index, now, wanted.came).look(); }));
  if (!wanted.came.ok()) return Status::no_memory();
  *came = wanted.came.size() != 0;
  return {};
}

// What has come is not told twice.
Status hear(Call& call, int64_t rings) {
  return for_each_thing(call, [&](const Options& o, int64_t) {
    return for_each_name(o.names("wake"), [&](string_view name) { return call.db.bells().hear(bell(call.db, name), rings) ? Status() : Status::no_memory(); });
  });
}

// An array of things, and nothing beside it.
Status check_any(const Call& call) {
  const json::Checked any = call.options.object("any");
  if (!any.is(json::Kind::array) || !json::Elements(any).next()) {
    return Status::error(Code::invalid, "the option \"any\" of wf_wait() must be a JSON array of objects like {\"queue\":\"mails\"}, {\"tokens\":[...]}, got %.*s", WF_SV(excerpt(any.text())));
  }
  for (const Option& option : call.function.options.first(call.function.options.size() - 1)) WF_TRY(call.options.exclusive("any", option.name));
  return {};
}

}  // namespace

Status wf_wait(Call& call) {
  WF_TRY(check_context(call.db, "wf_wait"));
  if (!call.db.autocommit()) return Status::error(Code::context, "wf_wait() cannot wait inside a transaction: nothing it waits for would be seen");
  WF_TRY(check_may_wait(call.db, "wf_wait"));
  Millis timeout = kNoTime;
  if (call.given(0)) WF_TRY(read_duration("timeout", call.raw(0), 0, &timeout));
  const bool any = call.options.has("any");
  if (any) WF_TRY(check_any(call));
  Wanted wanted{call, {}};
  bool came, by_bells = false;
  WF_TRY(for_each_thing(call, [&](const Options& o, int64_t) {
    by_bells |= o.has("wake");
    return Status();
  }));
  WF_TRY(wait_for(call.db, {look_for, &wanted, by_bells}, timeout, &came));
  if (came && by_bells) WF_TRY(hear(call, wanted.rings));
  if (!any) {
    call.result(int64_t{came});
    return {};
  }
  if (!came) {
    call.result_null();
    return {};
  }
  Text out;
  out.add('[').add(wanted.came.view()).add(']');
  return call.result_json(out);
}

Status wf_wake(Call& call) {
  string_view name;
  WF_TRY(call.name(0, "name", &name));
  if (!Bells::ring(bell(call.db, name))) return Status::no_memory();
  call.result(int64_t{1});
  return {};
}

}  // namespace wf
