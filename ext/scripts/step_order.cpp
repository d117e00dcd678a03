#include "scripts/step_order.h"

namespace wf {
namespace {

Status put_in_line(Attempt& a, const ScriptStep& s, int64_t* added) { return a.rows.add(s.name, action_name(s.action), a.now, {}, added); }

// Puts the step in line if all that it comes after is over; `but` is known to be.
Status put_in_line_if_ready(Attempt& a, const ScriptStep& s, size_t but, int64_t* added) {
  const Definition& d = a.definition();
  for (size_t k = 0; k < s.after_count; ++k) {
    if (d.after(s, k) == but) continue;
    bool over;
    WF_TRY(a.rows.is_over(d.step(d.after(s, k)).name, &over));
    if (!over) return {};
  }
  return put_in_line(a, s, added);
}

// The same for a step of which nothing is known, after those that it comes after. `known`, of each step: 0 not known, 1 over, 2 not over.
Status look_at(Attempt& a, size_t i, char* known, bool* over, int64_t* added) {
  const Definition& d = a.definition();
  const ScriptStep& s = d.step(i);
  *over = known[i] == 1;
  if (known[i] != 0) return {};
  bool ready = true;
  for (size_t k = 0; k < s.after_count; ++k) {
    bool before;
    WF_TRY(look_at(a, d.after(s, k), known, &before, added));
    ready = ready && before;
  }
  if (ready) WF_TRY(a.rows.is_over(s.name, over));
  known[i] = *over ? 1 : 2;
  if (!ready || *over) return {};
  WF_TRY(a.rows.again(s.name, added));
  return put_in_line(a, s, added);
}

}  // namespace

Status put_next_in_line(Attempt& a, size_t step, int64_t* added) {
  const Definition& d = a.definition();
  if (a.retried) return put_all_in_line(a, added);
  for (size_t i = 0; i < d.size(); ++i) {
    if (d.comes_after(i, step)) WF_TRY(put_in_line_if_ready(a, d.step(i), step, added));
  }
  return {};
}

Status put_all_in_line(Attempt& a, int64_t* added) {
  const size_t size = a.definition().size();
  Text known;
  for (size_t i = 0; i < size; ++i) known.add('\0');
  if (!known.ok()) return Status::no_memory();
  for (size_t i = 0; i < size; ++i) {
    bool over;
    WF_TRY(look_at(a, i, known.data(), &over, added));
  }
  return {};
}

Status plan_undo(Attempt& a, int64_t* added) {
  Text names;
  Numbers ends;
  {
    Query q(a.db, Sql::run_done);
    q.bind(":seq", a.seq);
    for (;;) {
      bool row;
      WF_TRY(q.next(&row));
      if (!row) break;
      const string_view name = q.text(0);
      const size_t open = name.find('[');
      const int64_t i = a.definition().find(part(name, 0, open));
      if (i < 0) continue;
      const ScriptStep& s = a.definition().step(static_cast<size_t>(i));
      if (!s.has_undo() || s.has(Role::for_each) != (open != string_view::npos)) continue;
      names.add(kUndo).add(name);
      ends.add(static_cast<int64_t>(names.size()));
    }
  }
  if (!names.ok() || !ends.ok()) return Status::no_memory();
  for (size_t i = 0, from = 0; i < ends.size(); from = static_cast<size_t>(ends[i]), ++i) {
    WF_TRY(a.rows.add(part(names.view(), from, static_cast<size_t>(ends[i]) - from), "undo", i == 0 ? a.now : kNoTime, {}, added));
  }
  return {};
}

}  // namespace wf
