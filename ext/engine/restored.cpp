#include "engine/restored.h"

#include "base/place.h"
#include "engine/settings.h"

namespace wf {

Status find_restored(Db& db, Restored* out) {
  *out = Restored::unknown;
  Text stored, here;
  WF_TRY(add_meta(db, "place", stored));
  if (stored.size() == 0) return {};
  add_place(db, here);
  if (!here.ok()) return Status::no_memory();
  if (here.size() != 0) *out = here.view() == stored.view() ? Restored::no : Restored::yes;
  return {};
}

Status may_claim_here(Db& db) {
  if (db.is_in_place()) return {};
  Text stored;
  WF_TRY(add_meta(db, "require_recover", stored));
  const bool is_required = stored.view() == "1";
  if (is_required || !db.has_looked_for_place()) {
    Restored restored;
    WF_TRY(find_restored(db, &restored));
    db.knows_place(restored != Restored::yes);
  }
  if (!is_required || db.is_in_place()) return {};
  return Status::error(Code::state, "this file was restored or copied: wf_config('require_recover') lets nothing be claimed before SELECT wf_recover() has run");
}

}  // namespace wf
