// wf_wait_any: several waits at once.

#include "base/json.h"
#include "engine/wait_list.h"
#include "functions/waits.h"

namespace wf {

Status wf_wait_any(Call& call) {
  Wait args;
  args.kind = kWaitAny;
  Text held;
  const Value given = call.raw(2);
  const json::Checked array = given.type == Value::Type::text ? json::check(given.bytes, &call.db.stop()) : json::Checked();
  if (!json::Elements(array).next()) {
    return wrong_value("waits of wf_wait_any()", "a JSON array of objects like {\"signal\":\"go\"}, {\"event\":...}, {\"join\":[...]}, {\"sleep\":\"1h\"}", given);
  }
  WF_TRY(read_wait_list("waits", array, held, &args.things));
  if (call.given(3)) WF_TRY(read_duration("timeout", call.raw(3), 0, &args.timeout));
  args.all = call.options.integer("mode", 0) == 1;
  return run_wait(call, args);
}

}  // namespace wf
