#include "engine/opening.h"

namespace wf {

Status open_for(Db& db, WriteScope& scope, const char* function, const Handle& handle, const Now& now, Millis* time, Workflow* w) {
  WF_TRY(scope.begin(Inline::allowed, function));
  WF_TRY(call_time(db, now, time));
  return load(db, handle, w);
}

}  // namespace wf
