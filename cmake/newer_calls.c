/* Only for tests linked with a SQLite older than 3.38: the newer calls that the extension makes after a check of the running
** version. A loaded module finds them in SQLite's table of functions; linked statically they have to exist somewhere.
** None may ever be reached. */
#include <stdlib.h>

#define NEWER_CALL(name) \
  void name(void);       \
  void name(void) { abort(); }

NEWER_CALL(sqlite3_vtab_in)          /* 3.38 */
NEWER_CALL(sqlite3_vtab_in_first)    /* 3.38 */
NEWER_CALL(sqlite3_vtab_in_next)     /* 3.38 */
NEWER_CALL(sqlite3_vtab_rhs_value)   /* 3.38 */
NEWER_CALL(sqlite3_vtab_distinct)    /* 3.38 */
NEWER_CALL(sqlite3_error_offset)     /* 3.38 */
NEWER_CALL(sqlite3_total_changes64)  /* 3.37 */
NEWER_CALL(sqlite3_changes64)        /* 3.37 */
NEWER_CALL(sqlite3_txn_state)        /* 3.34 */
