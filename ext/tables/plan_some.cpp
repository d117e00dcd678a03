// What the values of a plan say of how its workflows are found.

#include "engine/workflow.h"
#include "tables/plan.h"

namespace wf {
namespace {

// So many are looked at one by one sooner than all are walked through, from the newest.
constexpr int64_t kFew = 5'000;

struct WantedRows {
  Value status, queue, name;
};

Status is_few(Db& db, Sql count, const WantedRows& wanted, int64_t* room) {
  Query q(db, count);
  q.bind(":queue", wanted.queue).bind(":name", wanted.name).bind(":most", *room + 1);
  WF_TRY(q.one_row());
  *room -= q.integer(0);
  return {};
}

// The query, with the values of its parameters in it: it stands inside of another, which has parameters of its own.
void add_quoted(const Value& value, Text& out) {
  char* text = value.is_null() ? sqlite3_mprintf("NULL") : sqlite3_mprintf("%.*Q", WF_SV(value.bytes));
  out.add(text != nullptr ? text : "");
  sqlite3_free(text);
}

Status add_filled(Sql sql, const WantedRows& wanted, Text& out) {
  const SqlText text(sql);
  if (!text.ok()) return Status::no_memory();
  string_view rest = text.view();
  for (;;) {
    const size_t at = rest.find(':');
    if (at == string_view::npos) break;
    const bool queue = has_prefix(part(rest, at), ":queue");
    out.add(part(rest, 0, at));
    add_quoted(queue ? wanted.queue : wanted.name, out);
    rest = part(rest, at + (queue ? 6 : 5));
  }
  out.add(rest);
  return {};
}

}  // namespace

bool add_status(string_view status, Text& out) {
  const State state = state_of(status);
  if (status != state_name(state)) return false;
  if (state != State::failed && state != State::cancelled && state != State::paused) {
    out.add('\'').add(status).add('\'');
    return true;
  }
  const SqlText unusual(Sql::plan_unusual);
  char* text = unusual.ok() ? sqlite3_mprintf(unusual.c_str(), state_name(state)) : nullptr;
  if (text == nullptr) return false;  // the value is compared as any other
  out.add(text);
  sqlite3_free(text);
  return true;
}

Status add_some(Db& db, const char* letters, int argc, sqlite3_value** argv, Text& out) {
  WantedRows wanted;
  for (int i = 0; i < argc; ++i) {
    if (letters[i] == 's') wanted.status = Value::from(argv[i]);
    if (letters[i] == 'q') wanted.queue = Value::from(argv[i]);
    if (letters[i] == 'n') wanted.name = Value::from(argv[i]);
  }
  // What is no text equals none; what holds a NUL cannot stand in a query.
  for (const Value* value : {&wanted.status, &wanted.queue, &wanted.name}) {
    if (!value->is_null() && (value->type != Value::Type::text || value->bytes.find('\0') != string_view::npos)) return {};
  }
  const bool of_lane = !wanted.queue.is_null() || !wanted.name.is_null();
  const bool any = wanted.status.is_null();
  const State state = any ? State::pending : state_of(wanted.status.bytes);
  if (state == State::failed || state == State::cancelled || state == State::paused) return {};  // they have an index
  if (state == State::completed && !of_lane) return {};
  const bool live = any || state != State::completed, ended = any ? of_lane : state == State::completed;
  int64_t room = kFew;
  if (live && (any || state != State::running)) WF_TRY(is_few(db, Sql::plan_live_count, wanted, &room));
  if (ended && room >= 0) WF_TRY(is_few(db, Sql::plan_ended_count, wanted, &room));
  if (room < 0) return {};
  const SqlText frame(live && ended ? Sql::plan_of_both : Sql::plan_of);
  Text first, second;
  WF_TRY(add_filled(!live ? Sql::plan_ended : state == State::running ? Sql::plan_running : Sql::plan_live, wanted, first));
  WF_TRY(add_filled(Sql::plan_ended, wanted, second));
  first.add('\0');
  second.add('\0');
  if (!frame.ok() || !first.ok() || !second.ok()) return Status::no_memory();
  char* condition = sqlite3_mprintf(frame.c_str(), first.data(), second.data());
  if (condition == nullptr) return Status::no_memory();
  out.add(' ').add(condition);
  sqlite3_free(condition);
  return {};
}

namespace {

char other_case(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? static_cast<char>(c ^ 0x20) : c; }

}  // namespace

// LIKE takes letters of ASCII in either case: the first of them are tried in every combination, and those that no id begins with narrow the bounds. So ids of
// one spelling are found as by GLOB.
Status bounds_of_pattern(Db& db, bool like, const Value& pattern, Text& low, Text& high, bool* bounded) {
  constexpr size_t kLetters = 6, kLongest = 100;
  *bounded = false;
  if (pattern.type != Value::Type::text) return {};
  char beginning[kLongest];
  size_t size = 0, letters = 0;
  for (const char c : pattern.bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7e || size == kLongest || (like ? c == '%' || c == '_' : c == '*' || c == '?' || c == '[')) break;
    if (like && other_case(c) != c && ++letters > kLetters) {
      --letters;
      break;
    }
    beginning[size++] = c;
  }
  if (size == 0) return {};
  for (unsigned cases = 0; cases < 1U << (like ? letters : 0); ++cases) {
    char from[kLongest], to[kLongest];
    for (size_t i = 0, letter = 0; i < size; ++i) {
      const bool is_letter = other_case(beginning[i]) != beginning[i];
      from[i] = to[i] = like && is_letter && (cases >> letter & 1) != 0 ? other_case(beginning[i]) : beginning[i];
      letter += is_letter;
    }
    ++to[size - 1];
    const string_view least(from, size), most(to, size);
    if (like && letters != 0) {
      Query q(db, Sql::plan_any_between);
      q.bind(":low", least).bind(":high", most);
      bool any;
      WF_TRY(q.next(&any));
      if (!any) continue;
    }
    if (!*bounded || least < low.view()) low.clear(), low.add(least);
    if (!*bounded || most > high.view()) high.clear(), high.add(most);
    *bounded = true;
  }
  if (!*bounded) {  // there is none
    *bounded = true;
    low.clear();
    high.clear();
  }
  return low.ok() && high.ok() ? Status() : Status::no_memory();
}

}  // namespace wf
