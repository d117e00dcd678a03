//! What a caller's statement may not do, judged by SQLite itself while it is compiled: words can be hidden behind comments, names and other statements, and many a PRAGMA is done when it
//! is compiled, in EXPLAIN too. Statements of the extension and of hiqlite on the same connection are left alone.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};

use rusqlite::ffi;

/// Longest value, on every connection of every node, so that a statement which makes a longer one fails alike everywhere, and no node is out of memory over it. Part of the log's format.
pub const LONGEST: usize = 64 << 20;

/// Tables that tell of one machine's file, memory or disk.
const OF_THE_MACHINE: [&str; 5] = ["dbstat", "sqlite_dbpage", "sqlite_stmt", "wf_fleet", "sqlite_memstat"];

/// Functions that change a connection, or go around what is judged here.
const OF_THE_CONNECTION: [&str; 3] = ["wf_busy_timeout", "wfext_node_run", "load_extension"];

/// Tables of hiqlite, which goes by them when it starts.
const OF_THE_HOST: [&str; 2] = ["_metadata", "_migrations"];

/// What a virtual table asks for as it is opened, and what is the same everywhere.
const ASKING: [&str; 11] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "function_list", "collation_list", "page_size", "encoding"];

thread_local! {
    static JUDGING: Cell<bool> = const { Cell::new(false) };
    static WHY: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has SQLite ask `judged` about everything that is compiled on this connection, and limits its values.
///
/// # Safety
/// An open connection, used by this thread alone.
pub unsafe fn watch(db: *mut ffi::sqlite3) {
    unsafe {
        ffi::sqlite3_limit(db, ffi::SQLITE_LIMIT_LENGTH, LONGEST as c_int);
        ffi::sqlite3_set_authorizer(db, Some(judged), std::ptr::null_mut());
    }
}

/// Runs what compiles a caller's statement that every node repeats; with it comes why it was refused.
pub fn compiled<T>(compile: impl FnOnce() -> T) -> (T, Option<String>) {
    WHY.take();
    JUDGING.set(true);
    let result = compile();
    JUDGING.set(false);
    (result, WHY.take())
}

unsafe extern "C" fn judged(_: *mut c_void, action: c_int, first: *const c_char, second: *const c_char, schema: *const c_char, _inner: *const c_char) -> c_int {
    if !JUDGING.get() {
        return ffi::SQLITE_OK;
    }
    let text = |given: *const c_char| if given.is_null() { String::new() } else { unsafe { CStr::from_ptr(given) }.to_string_lossy().to_ascii_lowercase() };
    match refusal(action, &text(first), &text(second), &text(schema)) {
        None => ffi::SQLITE_OK,
        Some(why) => {
            WHY.set(Some(why));
            ffi::SQLITE_DENY
        }
    }
}

/// Why not. `first` and `second` are what SQLite says of the action: mostly a table, and what is done to it or of which it is.
fn refusal(action: c_int, first: &str, second: &str, schema: &str) -> Option<String> {
    match action {
        ffi::SQLITE_ATTACH | ffi::SQLITE_DETACH => Some("ATTACH is about one machine, and every node would repeat it".into()),
        ffi::SQLITE_PRAGMA if !ASKING.contains(&first) => Some(format!("PRAGMA {first} is about one machine, and every node would repeat it")),
        ffi::SQLITE_TRANSACTION | ffi::SQLITE_SAVEPOINT => Some(format!("{} is not sent by itself: the statements of one request are one transaction", first.to_ascii_uppercase())),
        ffi::SQLITE_CREATE_TEMP_INDEX | ffi::SQLITE_CREATE_TEMP_TABLE | ffi::SQLITE_CREATE_TEMP_TRIGGER | ffi::SQLITE_CREATE_TEMP_VIEW => Some(temporary(first)),
        ffi::SQLITE_CREATE_INDEX | ffi::SQLITE_CREATE_TABLE | ffi::SQLITE_CREATE_TRIGGER | ffi::SQLITE_CREATE_VIEW | ffi::SQLITE_CREATE_VTABLE if schema == "temp" => Some(temporary(first)),
        ffi::SQLITE_INSERT if schema == "temp" => Some(temporary("what is named temp.")), // into the list of what there is: "CREATE TRIGGER temp.x"
        ffi::SQLITE_FUNCTION if OF_THE_CONNECTION.contains(&second) => Some(format!("{second}() is about one connection, and every node has its own")),
        ffi::SQLITE_FUNCTION | ffi::SQLITE_ANALYZE => None,
        _ if OF_THE_HOST.iter().any(|table| *table == first || *table == second) => Some("_metadata and _migrations are hiqlite's own".into()),
        ffi::SQLITE_READ if OF_THE_MACHINE.contains(&first) || first.strip_prefix("pragma_").is_some_and(|name| !ASKING.contains(&name)) => Some(tells(first)),
        ffi::SQLITE_CREATE_VTABLE if OF_THE_MACHINE.contains(&second) => Some(tells(second)),
        _ => None,
    }
}

fn temporary(name: &str) -> String {
    format!("{name} would live on one connection, and every node has its own")
}

fn tells(name: &str) -> String {
    format!("{name} tells of one machine: ask for it by /read, and give it as a parameter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::{ROOM, Statement, run_judged};
    use rusqlite::Connection;

    fn db() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t(x); CREATE TABLE _metadata(x); CREATE VIEW v AS SELECT file FROM pragma_database_list").unwrap();
        unsafe { watch(db.handle()) };
        db
    }

    fn answer(db: &Connection, sql: &str) -> Result<serde_json::Value, crate::statements::Failure> {
        run_judged(db, &Statement::Plain(sql.into()), &mut ROOM.clone())
    }

    #[test]
    fn words_that_are_hidden_are_found() {
        let db = db();
        let refused = [
            "EXPLAIN PRAGMA query_only = 1", "SELECT 1; PRAGMA query_only = 1", "SELECT 1; COMMIT", "CREATE /* a */ TEMP TABLE a(x)", "CREATE TABLE temp.a(x)", "CREATE VIEW \"temp\".a AS SELECT 1",
            "CREATE TRIGGER temp.a AFTER INSERT ON t BEGIN SELECT 1; END", "SELECT file FROM pragma_database_list", "SELECT file FROM v", "SELECT count(*) FROM pragma_data_version",
            "DROP TABLE _metadata", "DELETE FROM _Metadata", "ALTER TABLE _metadata RENAME TO m", "CREATE TRIGGER a AFTER INSERT ON _metadata BEGIN SELECT 1; END", "SELECT * FROM _metadata",
            "INSERT INTO t SELECT pageno FROM dbstat", "CREATE VIRTUAL TABLE a USING dbstat",
        ];
        for sql in refused {
            let failure = answer(&db, sql).expect_err(sql);
            assert!(failure.code == ffi::SQLITE_AUTH && failure.message != "not authorized", "{sql}: {failure:?}");
        }
        assert!(answer(&db, "INSERT INTO t VALUES(1)").is_ok(), "a PRAGMA was done as it was compiled");
        for sql in ["SELECT name FROM pragma_table_info('t')", "CREATE TABLE temp_a(x)", "ALTER TABLE t RENAME TO u", "ANALYZE", "REINDEX", "DROP TABLE u"] {
            answer(&db, sql).expect(sql);
        }
    }

    #[test]
    fn what_is_not_the_callers_is_left_alone() {
        let db = db();
        db.execute_batch("PRAGMA user_version = 7; BEGIN; DELETE FROM _metadata; COMMIT").unwrap();
    }

    #[test]
    fn an_answer_and_a_value_have_an_end() {
        let db = db();
        let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
        assert_eq!(answer(&db, endless).unwrap_err().code, ffi::SQLITE_TOOBIG);
        assert_eq!(answer(&db, "SELECT length(zeroblob(900000000))").unwrap_err().code, ffi::SQLITE_TOOBIG);
    }
}
