// Package engine links the engine of wfext into the program: then no library has to be found at run time. Imported for its effect:
//
//	import _ "github.com/wfext/wfext/bindings/go/engine"
//
// The object file beside this one, chosen by its name for the platform, is made by the release (make go-engine).
package engine

/*
#cgo linux LDFLAGS: -lm -Wl,--unresolved-symbols=ignore-in-object-files
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup

// The program has SQLite by go-sqlite3; both names are resolved when it is linked.
extern int sqlite3_wfext_init(void *db, char **error, const void *api);
extern int sqlite3_auto_extension(void (*init)(void));

static int wfext_register(void) { return sqlite3_auto_extension((void (*)(void))sqlite3_wfext_init); }
*/
import "C"

import _ "github.com/mattn/go-sqlite3" // the SQLite that it is linked to

func init() {
	if rc := C.wfext_register(); rc != 0 {
		panic("wfext: the engine could not be registered with SQLite")
	}
}
