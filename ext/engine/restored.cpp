#include "engine/restored.h"

#include "base/place.h"

namespace wf {
namespace {

// The stored value of a key, where there is one.
Status read_meta(Db& db, string_view key, Text* out) {
  Query q(db, Sql::setting_get);
  if (!q.prepared()) return {};  // there are no tables yet
  q.bind(":key", key);
  bool row;
  WF_TRY(q.next(&row));
  if (row) out->add(q.text(0));
  return out->ok() ? Status() : Status::no_memory();
}

}  // namespace

Status find_restored(Db& db, Restored* out) {
  *out = Restored::unknown;
  Text stored, here;
  WF_TRY(read_meta(db, "place", &stored));
  if (stored.size() == 0) return {};
  add_place(db, here);
  if (!here.ok()) return Status::no_memory();
  if (here.size() != 0) *out = here.view() == stored.view() ? Restored::no : Restored::yes;
  return {};
}

Status may_claim_here(Db& db) {
  if (db.may_claim()) return {};
  Text required;
  WF_TRY(read_meta(db, "require_recover", &required));
  Restored restored = Restored::no;
  if (required.view() == "1") WF_TRY(find_restored(db, &restored));
  db.knows_may_claim(restored != Restored::yes);
  if (db.may_claim()) return {};
  return Status::error(Code::state, "this file was restored or copied: wf_config('require_recover') lets nothing be claimed before SELECT wf_recover() has run");
}

}  // namespace wf
