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

// Whether a conflict could make a table or a trigger of the statement roll the transaction back: EXPLAIN lists all their programs. What the
// statement itself says is in them only where a constraint of the table can be hit.
Status can_roll_back(Db& db, string_view sql, bool* out) {
  *out = false;
  Text text;
  add_sql(Sql::explain, text);
  text.add(' ').add(sql);
  if (!text.ok()) return Status::no_memory();
  sqlite3_stmt* statement = nullptr;
  int rc = prepare(db, text.view(), &statement, nullptr);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const char* opcode = reinterpret_cast<const char*>(sqlite3_column_text(statement, 1));
    const string_view op(opcode != nullptr ? opcode : "");
    if ((op == "Halt" || op == "HaltIfNull") && sqlite3_column_int(statement, 2) != 0 && sqlite3_column_int(statement, 3) == kRollback) *out = true;
    if (op == "VUpdate" && sqlite3_column_int(statement, 6) == kRollback) *out = true;
    rc = SQLITE_OK;
  }
  Status status = rc == SQLITE_DONE ? Status() : Status::sqlite(rc, db.handle());
  sqlite3_finalize(statement);
  return status;
}

// Whether the text after a statement holds another.
bool is_more(string_view tail) { return !skip_blanks(tail, true).empty(); }

}  // namespace

Status prepare_statement(Db& db, string_view sql, bool query, sqlite3_stmt** out, Text& why) {
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
      WF_TRY(prepare_statement(db, step.text(role), d.is_query(i, role), &statement, why));
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
