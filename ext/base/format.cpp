// The version of the file's format.
#include "base/db.h"

namespace wf {

Status Db::schema_exists(bool* exists) {
  int64_t version;
  return schema_version(exists, &version);
}

// The row is written last: without it there are no tables yet.
Status Db::read_version(bool* exists, int64_t* version, bool* system_clock) {
  Query q(*this, Sql::schema_version);
  for (bool first = true;; first = false) {
    WF_TRY(q.next(exists));
    if (system_clock != nullptr) *system_clock = first && *exists;
    if (!*exists) return {};
    if (q.integer(1) != 0) break;
  }
  const Value stored = q.value(0);
  if (stored.type != Value::Type::integer || stored.integer < 1) {
    Text number;
    if (stored.type == Value::Type::integer || stored.type == Value::Type::real) add_json(stored, number);
    const string_view what = stored.type == Value::Type::text ? shown(stored.bytes) : number.view();
    return Status::error(Code::schema, "the schema version of the file is %s %.*s, which is none: the row of _wf_meta is damaged", stored.type_name(), WF_SV(what));
  }
  *version = stored.integer;
  return {};
}

Status Db::schema_version(bool* exists, int64_t* version, bool* system_clock) {
  *version = 0;
  Status read = read_version(exists, version, system_clock);
  if (!read.ok() && !read.is(Code::schema) && (read.rc() & 0xff) == SQLITE_ERROR) {
    {
      Query tables(*this, Sql::schema_exists);
      WF_TRY(tables.next(exists));
    }
    if (!*exists) return {};
    read = read_version(exists, version, system_clock);  // another process has made them meanwhile
  }
  WF_TRY(static_cast<Status&&>(read));
  if (*version > kSchemaVersion) {
    return Status::error(Code::schema, "the file has schema version %lld, this extension knows up to %lld: load a newer one",
                         static_cast<long long>(*version), static_cast<long long>(kSchemaVersion));
  }
  format_checked_ = true;
  return {};
}

Status Db::check_format() {
  const unsigned state = data_version();
  if (format_checked_ && state == format_of_) return {};
  bool exists;
  WF_TRY(schema_exists(&exists));
  format_of_ = state;
  return {};
}

}  // namespace wf
