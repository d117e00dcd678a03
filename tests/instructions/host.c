/* Runs SQL from standard input, one statement a line, on a connection in memory; {t} is the token of the last claim outside of a transaction.
 *
 *   host <module>
 *
 * A line that begins with `>` is the one to be counted: it is run by measured(), by whose name callgrind knows when to count and to dump. `=` opens
 * a new connection.
 * A statement that fails ends the program. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;
static char token[300];

static void die(const char *line) {
  fprintf(stderr, "%s: %s\n", line, sqlite3_errmsg(db));
  exit(1);
}

static void open_one(const char *module) {
  if (db) sqlite3_close(db);
  if (sqlite3_open(":memory:", &db) || sqlite3_enable_load_extension(db, 1) || sqlite3_load_extension(db, module, 0, 0)) die(module);
}

__attribute__((noinline)) int measured(sqlite3_stmt *statement) {
  int rc = sqlite3_step(statement);
  __asm__ volatile("" : "+r"(rc));  /* no tail call: the function has to end behind it */
  return rc;
}

static void run(const char *line, int counts) {
  char sql[8192] = "";
  const char *at;
  while ((at = strstr(line, "{t}")) != NULL) {
    strncat(sql, line, (size_t)(at - line));
    strcat(strcat(strcat(sql, "'"), token), "'");
    line = at + 3;
  }
  strcat(sql, line);
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, 0)) die(sql);
  int rc = counts ? measured(statement) : sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (text && !counts && sqlite3_get_autocommit(db) && (at = strstr(text, "\"token\":\"")) != NULL) sscanf(at + 9, "%299[^\"]", token);
    rc = sqlite3_step(statement);
  }
  if (rc != SQLITE_DONE) die(sql);
  sqlite3_finalize(statement);
}

int main(int count, char **arguments) {
  static char line[4096];
  if (count != 2) return 2;
  open_one(arguments[1]);
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (line[0] == '=') open_one(arguments[1]);
    else run(line[0] == '>' ? line + 1 : line, line[0] == '>');
  }
  return 0;
}
