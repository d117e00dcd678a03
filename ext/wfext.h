/* wfext: durable workflows as a SQLite extension. The public header of the static library.
**
** Most programs do not need it: they load the module, libwfext.so, with sqlite3_load_extension() or the same of their
** language. Include it to link libwfext.a into a program that has SQLite in it:
**
**     sqlite3_auto_extension((void (*)(void))sqlite3_wfext_init);   // every connection opened from now on has it
**     sqlite3_wfext_init(db, NULL, NULL);                           // or: this connection only
**
** Everything else is SQL: `SELECT * FROM wf_functions` lists it.
**
** Usable from C and from C++, with any sqlite3.h or none. */
#ifndef WFEXT_H
#define WFEXT_H

/* wfext_EXPORTS is defined while the loadable module is built, and only then. */
#if !defined(_WIN32)
#define WFEXT_EXPORT __attribute__((visibility("default")))
#elif defined(wfext_EXPORTS)
#define WFEXT_EXPORT __declspec(dllexport)
#else
#define WFEXT_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
struct sqlite3_api_routines;

/* Registers the functions and virtual tables (all named wf_...) on one connection. Returns SQLITE_OK, or an error code with, if
** `error` is not NULL, a message in *error that the caller frees with sqlite3_free(); the connection stays usable either way.
**
** It reads and writes no database file, so it succeeds on locked, read-only and not yet keyed files. A second call on the same
** connection changes nothing. SQLite older than 3.31 is refused.
**
** `api` is the table that SQLite hands to loaded modules; the static library takes no notice of it, NULL is fine.
**
** Threads: what is registered belongs to the connection and follows its threading mode; connections share nothing. Everything
** is freed when the connection is closed, with sqlite3_close() as with sqlite3_close_v2(). */
WFEXT_EXPORT int sqlite3_wfext_init(struct sqlite3* db, char** error, const struct sqlite3_api_routines* api);

#ifdef wfext_EXPORTS
/* The same, under the name that SQLite tries first: for module files that were renamed. Only in the loadable module. */
WFEXT_EXPORT int sqlite3_extension_init(struct sqlite3* db, char** error, const struct sqlite3_api_routines* api);
#endif

#ifdef __cplusplus
}
#endif

#endif
