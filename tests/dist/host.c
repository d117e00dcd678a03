/* A program with SQLite in it that uses the extension on whatever platform it was built for:
**     host <database> [<module>]       without a module: linked in (WFEXT_STATIC)
** It runs each line of its input, prints what it gives, and "error: ..." for what fails. */
#include <stdio.h>
#include <string.h>

#include "sqlite3.h"

#ifdef WFEXT_STATIC
#include "wfext.h"
#endif

int main(int argc, char** argv) {
  sqlite3* db = NULL;
  char* error = NULL;
  char line[4096];
  if (argc < 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
    printf("open: %s\n", db != NULL ? sqlite3_errmsg(db) : "no database");
    return 1;
  }
#ifdef WFEXT_STATIC
  if (sqlite3_wfext_init(db, &error, NULL) != SQLITE_OK) {
#else
  sqlite3_enable_load_extension(db, 1);
  if (argc < 3 || sqlite3_load_extension(db, argv[2], NULL, &error) != SQLITE_OK) {
#endif
    printf("load: %s\n", error != NULL ? error : "no module");
    return 1;
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
    sqlite3_stmt* statement = NULL;
    int rc;
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '\0') continue;
    rc = sqlite3_prepare_v2(db, line, -1, &statement, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
      rc = sqlite3_step(statement);
      if (rc == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
          const char* text = (const char*)sqlite3_column_text(statement, i);
          printf("%s%s", i > 0 ? "|" : "", text != NULL ? text : "NULL");
        }
        printf("\n");
      }
    }
    if (rc != SQLITE_DONE) printf("error: %s\n", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
  }
  if (sqlite3_close(db) != SQLITE_OK) printf("close: something is left open\n");
  return 0;
}
