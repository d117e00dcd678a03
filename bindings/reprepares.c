/* A SQLite extension for tests, of any connection of any host: recompiled() gives, as JSON, how often SQLite has compiled each statement of the connection anew. */
#include <sqlite3ext.h>
#include <stddef.h>
SQLITE_EXTENSION_INIT1

static void recompiled(sqlite3_context *context, int count, sqlite3_value **values) {
  sqlite3 *db = sqlite3_context_db_handle(context);
  sqlite3_str *out = sqlite3_str_new(db);
  const char *between = "[";
  (void)count, (void)values;
  for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(db, s)) != NULL; between = ",") {
    const char *sql = sqlite3_sql(s); /* NULL: it was prepared by the old interface, which compiles nothing anew */
    sqlite3_str_appendf(out, "%s{\"n\":%d,\"hex\":\"", between, sqlite3_stmt_status(s, SQLITE_STMTSTATUS_REPREPARE, 0));
    for (const char *c = sql ? sql : ""; *c; c++) sqlite3_str_appendf(out, "%02x", (unsigned char)*c);
    sqlite3_str_appendall(out, "\"}");
  }
  sqlite3_str_appendall(out, between[0] == '[' ? "[]" : "]");
  sqlite3_result_text(context, sqlite3_str_finish(out), -1, sqlite3_free);
}

int sqlite3_reprepares_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
  SQLITE_EXTENSION_INIT2(api);
  (void)error;
  return sqlite3_create_function(db, "recompiled", 0, SQLITE_UTF8, NULL, recompiled, NULL, NULL);
}
