#include "scripts/statement_check.h"

#include "scripts/definition_keys.h"
#include "scripts/parameter.h"

namespace wf {
namespace {

constexpr string_view kVerbs[] = {"SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE"};
constexpr int kRollback = 1;  // what an opcode does on a conflict: roll the transaction back

// `text` without the blanks and comments at its start, and without semicolons there if `semicolons`.
string_view skip_blanks(string_view text, bool semicolons) {
  for (;;) {
    if (has_prefix(text, "--")) {
      const size_t end = text.find('\n');
      text = end == string_view::npos ? string_view() : part(text, end + 1);
    } else if (has_prefix(text, "/*")) {
      const size_t end = text.find("*/", 2);
      text = end == string_view::npos ? string_view() : part(text, end + 2);
    } else if (!text.empty() && (static_cast<unsigned char>(text[0]) <= ' ' || (semicolons && text[0] == ';'))) {
      text = part(text, 1);
    } else {
      return text;
    }
  }
}

bool is_identifier(char c) { return is_word(c) || c == '$' || static_cast<unsigned char>(c) >= 0x80; }

// Takes the next token of a statement: a word, a parameter, a text or name in quotes, else one character; empty at the end. It is as exact as
// a search for words needs: a quote that is doubled within quotes makes two tokens, a number with a point three.
string_view next_token(string_view& sql) {
  sql = skip_blanks(sql, false);
  if (sql.empty()) return {};
  size_t end = 1;
  const char first = sql[0];
  if (first == '\'' || first == '"' || first == '`' || first == '[') {
    end = sql.find(first == '[' ? ']' : first, 1);
    end = end == string_view::npos ? sql.size() : end + 1;
  } else if (is_identifier(first) || first == ':' || first == '@' || first == '#') {
    while (end < sql.size() && is_identifier(sql[end])) ++end;
  }
  const string_view token = part(sql, 0, end);
  sql = part(sql, end);
  return token;
}

bool begins_with_a_verb(string_view sql) {
  const string_view first = next_token(sql);
  for (const string_view verb : kVerbs) {
    if (same_letters(first, verb)) return true;
  }
  return false;
}

// Whether it says INSERT OR ROLLBACK or UPDATE OR ROLLBACK. INSERT and UPDATE are never names without quotes.
bool says_or_rollback(string_view sql) {
  string_view before, last;
  for (string_view token; !(token = next_token(sql)).empty(); before = last, last = token) {
    if (!same_letters(token, "rollback") || !same_letters(last, "or")) continue;
    if (same_letters(before, "insert") || same_letters(before, "update")) return true;
  }
  return false;
}

// What the statement's own fault is, and no state of the machine.
bool is_fault(int rc) { return (rc & 0xff) == SQLITE_ERROR || (rc & 0xff) == SQLITE_AUTH || (rc & 0xff) == SQLITE_TOOBIG; }

int prepare(Db& db, string_view sql, sqlite3_stmt** out, const char** tail) {
  return sqlite3_prepare_v3(db.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, out, tail);
}

// Whether strftime() is given a format and no time. (The program does not say how many arguments there are.)
bool says_strftime_alone(string_view sql) {
  int depth = 0, inside = -1;  // of the parentheses
  bool comma = false;
  string_view last;
  for (string_view token; !(token = next_token(sql)).empty(); last = token) {
    if (token == "(") {
      ++depth;
      if (same_letters(last, "strftime")) inside = depth, comma = false;
    } else if (token == ")") {
      if (inside == depth && !comma) return true;
      if (inside == depth--) inside = -1;
    }
    comma = comma || (token == "," && inside == depth);
  }
  return false;
}

// Gives what EXPLAIN says of the statement, all its programs, to `take`: each opcode, its operand 4, and the row.
template <class Take>
Status explain_program(Db& db, string_view sql, const Take& take) {
  Text text;
  add_sql(Sql::explain, text);
  text.add(' ').add(sql);
  if (!text.ok()) return Status::no_memory();
  sqlite3_stmt* statement = nullptr;
  int rc = prepare(db, text.view(), &statement, nullptr);
  Status status;
  while (status.ok() && rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const auto word = [statement](int column) {
      const char* cell = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return string_view(cell != nullptr ? cell : "");
    };
    status = take(word(1), word(5), statement);
    rc = SQLITE_OK;
  }
  if (status.ok() && rc != SQLITE_DONE) status = Status::sqlite(rc, db.handle());
  sqlite3_finalize(statement);
  return status;
}

// Whether a conflict could make a table or a trigger of the statement roll the transaction back. What the
// statement itself says is in them only where a constraint of the table can be hit.
Status can_roll_back(Db& db, string_view sql, bool* out) {
  *out = false;
  return explain_program(db, sql, [out](string_view op, string_view, sqlite3_stmt* row) {
    if ((op == "Halt" || op == "HaltIfNull") && sqlite3_column_int(row, 2) != 0 && sqlite3_column_int(row, 3) == kRollback) *out = true;
    if (op == "VUpdate" && sqlite3_column_int(row, 6) == kRollback) *out = true;
    return Status();
  });
}

template <size_t N>
bool is_one_of(string_view word, const string_view (&words)[N]) {
  for (const string_view one : words) {
    if (same_letters(word, one)) return true;
  }
  return false;
}

// What may give another result on another machine: refused where the clock is explicit. Of a function of dates it is the clock that it reads where it is given no
// time, or 'now', and the zone of the machine. (A 'now' that comes out of data cannot be seen here: docs/replication.md.)
Status look_for_unsteady(Db& db, const Definition& d, string_view sql, Text& why) {
  constexpr string_view kDates[] = {"date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"};
  constexpr string_view kClocks[] = {"current_date", "current_time", "current_timestamp"};
  constexpr string_view kWords[] = {"now", "subsec", "subsecond", "localtime", "utc"};
  bool dates = false, words = false;
  const auto take = [&](string_view op, string_view operand, sqlite3_stmt* row) -> Status {
    if (has_prefix(op, "String")) words = words || is_one_of(operand, kWords);
    const size_t open = operand.find('(');
    if (why.size() != 0 || open == string_view::npos || !(op == "Function" || op == "PureFunc" || op == "Function0" || op == "PureFunc0" || has_prefix(op, "Agg"))) return {};
    const string_view name = part(operand, 0, open), count = part(operand, open + 1);
    if (is_one_of(name, kDates)) {
      dates = true;
      words = words || sqlite3_column_int(row, 3) == 0;  // it has no argument
      return {};
    }
    if (has_prefix(name, "wf_")) return {};  // it wants the time itself
    bool steady = false;
    if (!is_one_of(name, kClocks)) {
      Query q(db, Sql::function_is_steady);
      q.bind(":name", name).bind(":count", part(count, 0, count.find(')')));
      bool known;
      WF_TRY(q.next(&known));
      steady = q.integer(0) != 0 || d.says_deterministic(name);
    }
    if (!steady) why.add(name).add("() may give something else on every machine, and wf_config('clock') is 'explicit' in this file: let the input say it, :now is the time of the call, or name it under the key deterministic");
    return {};
  };
  WF_TRY(explain_program(db, sql, take));
  if (why.size() == 0 && dates && (words || says_strftime_alone(sql))) why.add("a date or time without a time, or with 'now', 'utc' or 'localtime', is of the machine, and wf_config('clock') is 'explicit' in this file: use :now, as datetime(:now)");
  return why.ok() ? Status() : Status::no_memory();
}

// Whether the text after a statement holds another.
bool is_more(string_view tail) { return !skip_blanks(tail, true).empty(); }

}  // namespace

Status prepare_statement(Db& db, const Definition& d, string_view sql, bool query, sqlite3_stmt** out, Text& why) {
  *out = nullptr;
  const auto refuse = [&why](const char* message) {
    why.add(message);
    return why.ok() ? Status() : Status::no_memory();
  };
  if (sql.find('\0') != string_view::npos) return refuse("it holds a NUL character");
  if (!begins_with_a_verb(sql)) return refuse("it must begin with SELECT, VALUES, WITH, INSERT, UPDATE, DELETE or REPLACE");
  const char* tail = nullptr;
  sqlite3_stmt* statement = nullptr;
  if (const int rc = prepare(db, sql, &statement, &tail); rc != SQLITE_OK) {
    return is_fault(rc) ? refuse(sqlite3_errmsg(db.handle())) : Status::sqlite(rc, db.handle());
  }
  const size_t used = tail != nullptr ? static_cast<size_t>(tail - sql.data()) : sql.size();
  bool rolls_back = false;
  Status status;
  if (is_more(part(sql, used))) status = refuse("it must be one statement");
  else if (query && !sqlite3_stmt_readonly(statement)) status = refuse("it must only read");
  else if (query && sqlite3_column_count(statement) == 0) status = refuse("it must return a column");
  else if (!sqlite3_stmt_readonly(statement) && !(rolls_back = says_or_rollback(sql))) status = can_roll_back(db, sql, &rolls_back);
  if (status.ok() && why.size() == 0 && !rolls_back) {
    bool is_explicit;
    status = file_is_explicit(db, &is_explicit);
    if (status.ok() && is_explicit) status = look_for_unsteady(db, d, part(sql, 0, used), why);
  }
  if (rolls_back) status = refuse("a conflict could roll the whole transaction back (OR ROLLBACK, or RAISE(ROLLBACK) in a trigger)");
  if (status.ok() && why.size() == 0) *out = statement;
  else sqlite3_finalize(statement);
  return status;
}

Status check_statements(Db& db, const Definition& d, Mistakes& mistakes) {
  for (size_t i = 0; i < d.size(); ++i) {
    const ScriptStep& step = d.step(i);
    for (size_t r = 0; r < kRoles; ++r) {
      const Role role = static_cast<Role>(r);
      if (!step.has(role)) continue;
      const string_view path = d.is_output(i) ? "output" : role_key(role, step.action);
      const int64_t n = d.is_output(i) ? -1 : static_cast<int64_t>(i);
      sqlite3_stmt* statement;
      Text why;
      WF_TRY(prepare_statement(db, d, step.text(role), d.is_query(i, role), &statement, why));
      if (statement == nullptr) {
        mistakes.add(n, path, "%.*s", WF_SV(why.view()));
        continue;
      }
      for (Parameters p(statement, d, i, role); p.next();) {
        if (p.why_not() != nullptr) mistakes.add(n, path, "%s: %s", p.name(), p.why_not());
      }
      sqlite3_finalize(statement);
    }
  }
  return mistakes.ok() ? Status() : Status::no_memory();
}

Status mistakes_error(string_view name, const Mistakes& mistakes) {
  if (mistakes.count() == 0) return {};
  const char* quote = name.empty() ? "" : "'";
  const char* blank = name.empty() ? "" : " ";
  if (mistakes.count() == 1) {
    return Status::error(Code::invalid, "definition%s%s%.*s%s: %.*s", blank, quote, WF_SV(name), quote, WF_SV(mistakes.text()));
  }
  return Status::error(Code::invalid, "definition%s%s%.*s%s has %lld mistakes: %.*s", blank, quote, WF_SV(name), quote,
                       static_cast<long long>(mistakes.count()), WF_SV(mistakes.text()));
}

}  // namespace wf
