#include "engine/digest.h"

#include "base/hash.h"

namespace wf {
namespace {

string_view bytes_of(const void* number) { return {static_cast<const char*>(number), 8}; }

uint64_t hash_of(const Value& value, uint64_t seed) {
  seed += static_cast<uint64_t>(value.type) + 1;
  switch (value.type) {
    case Value::Type::null: return hash64({}, seed);
    case Value::Type::integer: return hash64(bytes_of(&value.integer), seed);
    case Value::Type::real: return hash64(bytes_of(&value.real), seed);
    default: return hash64(value.bytes, seed);
  }
}

Status add_rows(Db& db, string_view table, string_view statement, bool* found, uint64_t* sum) {
  Query rows(db, statement);
  for (;;) {
    bool row;
    WF_TRY(rows.next(&row));
    if (!row) return {};
    *found = true;
    uint64_t hash = hash64(table);
    size_t work = 50;
    for (int i = 0; i < rows.columns(); ++i) {
      const Value value = rows.value(i);
      hash = hash_of(value, hash);
      work += value.bytes.size();
    }
    if (db.stop().after(work)) return Status::sqlite(SQLITE_INTERRUPT);
    *sum += hash;
  }
}

}  // namespace

Status digest(Db& db, string_view id, bool* found, uint64_t* out) {
  *found = false;
  *out = 0;
  bool row;
  WF_TRY(db.schema_exists(&row));
  if (!row) return {};
  Query tables(db, Sql::digest_tables);  // under way to the end, as the next one where it has a row: all statements see one state of the file
  Query workflow(db, Sql::digest_workflow);
  workflow.bind(":id", id);
  WF_TRY(workflow.next(&row));
  if (!id.empty() && !row) return {};
  if (!id.empty()) tables.bind(":seq", workflow.integer(0));
  for (;;) {
    WF_TRY(tables.next(&row));
    if (!row) return {};
    WF_TRY(add_rows(db, tables.text(0), tables.text(1), found, out));
  }
}

}  // namespace wf
