// wf_heartbeat: one token, or many.

#include "base/json.h"
#include "base/scope.h"
#include "engine/lease.h"
#include "engine/trouble.h"
#include "functions/call.h"

namespace wf {
namespace {

// What the heartbeat of one token came to, as an element of the array: when the lease ends, or why not. What is no fault of the token ends the call.
Status add_heartbeat(Status status, Millis expires, bool is_inline, Text& out) {
  if (status.ok()) {
    out.add('"').add(TimeText(expires, TimeForm::json).view()).add('"');
  } else if (!status.code().empty()) {
    out.add("{\"code\":\"").add(status.code()).add("\"}");
  } else if (!is_inline && may_be_an_items_own(status)) {
    // A trigger of the application, say: undone by the scope of this heartbeat alone, which there is none of inside a writing statement.
    out.add("{\"code\":\"SQLITE_ERROR\",\"message\":");
    json::quote(status.message() != nullptr ? status.message() : sqlite3_errstr(status.rc()), out);
    out.add('}');
  } else {
    return status;
  }
  return {};
}

// A JSON array of tokens: a JSON array of what each came to. None hides another, but what is not meant as a token at all is a mistake in the call.
Status heartbeat_all(Call& call, json::Checked tokens, Millis duration) {
  const auto wrong = [](string_view got) {
    return Status::error(Code::invalid, "wf_heartbeat() needs the token of a claim, or a JSON array of tokens, got %.*s", WF_SV(excerpt(got)));
  };
  if (!tokens) return wrong(call.raw(0).bytes);
  Text token;
  const auto read = [&](json::Elements& e) {
    token.clear();
    json::unquote(e.value(), token);
    return token.ok() ? Status() : Status::no_memory();
  };
  for (json::Elements e(tokens); e.next();) {
    if (!e.value().is(json::Kind::string)) return wrong(e.value().text());
    WF_TRY(read(e));
    WF_TRY(check_name("token", token.view()));
    if (!looks_like_token(token.view())) return wrong(e.value().text());
  }
  Text out;
  WriteScope scope(call.db);
  WF_TRY(scope.begin(Inline::allowed, "wf_heartbeat"));
  Now now{true, 0};
  WF_TRY(call_time(call.db, call.options.now(), &now.time));  // that there is none is no fault of a token
  out.add('[');
  for (json::Elements e(tokens); e.next();) {
    WF_TRY(read(e));
    if (out.size() != 1) out.add(',');
    Handle handle;
    Millis expires = kNoTime;
    Status status = parse_handle(token.view(), &handle);
    if (status.ok()) status = heartbeat(call.db, handle, duration, now, &expires);
    WF_TRY(add_heartbeat(static_cast<Status&&>(status), expires, scope.is_inline(), out));
  }
  out.add(']');
  WF_TRY(scope.commit());
  return call.result_json(out);
}

}  // namespace

Status wf_heartbeat(Call& call) {
  Millis duration = kNoTime;
  if (call.given(1)) WF_TRY(read_duration("duration", call.raw(1), 1, &duration));
  const Value tokens = call.raw(0);
  if (tokens.type == Value::Type::text && opens_with(tokens.bytes, '[')) return heartbeat_all(call, json::check(tokens.bytes, &call.db.stop()), duration);
  Handle handle;
  WF_TRY(call.handle(0, &handle));
  if (!handle.is_token) return Status::error(Code::invalid, "wf_heartbeat() needs the token of a claim, '%.*s' is an id", WF_SV(handle.id));
  Millis expires;
  WF_TRY(heartbeat(call.db, handle, duration, call.options.now(), &expires));
  call.result(expires, TimeForm::sql);
  return {};
}

}  // namespace wf
