#include "engine/sleep.h"

namespace wf {

void decide_sleep(const WaitRow& row, bool time_is_up, Text& output) {
  if (time_is_up) output.add('"').add(TimeText(row.due, TimeForm::sql).view()).add('"');
}

}  // namespace wf
