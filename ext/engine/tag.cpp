#include "engine/tag.h"

#include "engine/may_act.h"
#include "engine/opening.h"

namespace wf {
namespace {

Status put(Db& db, int64_t seq, string_view key, string_view value) {
  Query q(db, Sql::tag_put);
  q.bind(":seq", seq).bind(":key", key).bind(":value", value);
  return q.run();
}

// One member of an object of tags, unquoted.
struct Tag {
  Text key, value;
  Status read(const json::Members& m) {
    key.clear();
    value.clear();
    json::unquote(m.key(), key);
    json::unquote(m.value(), value);
    return key.ok() && value.ok() ? Status() : Status::no_memory();
  }
};

}  // namespace

Status check_tag(string_view key, string_view value) {
  WF_TRY(check_name("key of a tag", key));
  if (key.find('=') != string_view::npos) return Status::error(Code::invalid, "key of a tag '%.*s' must not hold '='", WF_SV(key));
  return check_name("value of a tag", value);
}

Status check_tags(json::Checked json) {
  Tag tag;
  for (json::Members m(json); m.next();) {
    if (!m.value().is(json::Kind::string)) {
      return Status::error(Code::invalid, "the option \"tags\" must be an object of texts, got %.*s in it", WF_SV(excerpt(m.value().text())));
    }
    WF_TRY(tag.read(m));
    WF_TRY(check_tag(tag.key.view(), tag.value.view()));
  }
  bool failed = false;
  const json::Checked twice = json::repeated_key(json, &failed);
  if (failed) return Status::no_memory();
  if (!twice) return {};
  tag.key.clear();
  json::unquote(twice, tag.key);
  return Status::error(Code::invalid, "the option \"tags\" has the key '%.*s' twice", WF_SV(tag.key.view()));
}

Status put_tags(Db& db, int64_t seq, json::Checked tags) {
  Tag tag;
  for (json::Members m(tags); m.next();) {
    WF_TRY(tag.read(m));
    WF_TRY(put(db, seq, tag.key.view(), tag.value.view()));
  }
  return {};
}

Status drop_tags(Db& db, int64_t seq) {
  return run_all(db, Sql::tag_drop_all, [&](Query& q) { q.bind(":seq", seq); });
}

Status set_tag(Db& db, const Handle& handle, string_view key, const string_view* value, const Now& now) {
  WriteScope scope(db);
  Millis time;
  Workflow w;
  WF_TRY(open_for(db, scope, "wf_tag", handle, now, &time, &w));
  if (handle.is_token) WF_TRY(may_act(db, handle, w, time, Act::note));
  if (value != nullptr) WF_TRY(put(db, w.seq, key, *value));
  else WF_TRY(run_all(db, Sql::tag_drop, [&](Query& q) { q.bind(":seq", w.seq).bind(":key", key); }));
  return scope.commit();
}

}  // namespace wf
