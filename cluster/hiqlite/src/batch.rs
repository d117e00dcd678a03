//! What every node does for one entry of the log.
//!
//! hiqlite's own transaction gives counts and no rows, and its errors carry no code. So an entry is one statement, `SELECT wfext_node_run(?)`, whose text
//! is a `Request`; the function runs its statements on the connection that writes, and its result says all about them. An error of a statement is a result
//! too: the same on all nodes, as long as it is not of the machine. One that is ends the process: a node whose disk is full would go on differing.
//!
//! Part of the log's format: nodes of several versions repeat each other's entries. What changes here changes for all nodes at once.

use std::path::PathBuf;
use std::sync::OnceLock;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, ffi};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::statements::{Failure, ROOM, Statement, run_judged};

pub const CALL: &str = "SELECT wfext_node_run(?1) AS answer";

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Request {
    /// One transaction of all, or each by itself
    #[serde(default)]
    pub each: bool,
    pub statements: Vec<Statement>,
}

/// Where the database is: to tell a full disk from a full table.
pub static DATA: OnceLock<PathBuf> = OnceLock::new();

pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("wfext_node_run", 1, flags, |context| Ok(called(context)))
}

fn called(context: &Context<'_>) -> String {
    let answer = match context.get::<String>(0).map_err(|error| error.to_string()).and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())) {
        // SAFETY: the connection is used by this thread alone, which is inside of its statement.
        Ok(request) => match unsafe { context.get_connection() } {
            Ok(connection) => perform(&connection, &request),
            Err(error) => json!({"error": Failure::of(&error)}),
        },
        Err(why) => json!({"error": Failure::new(ffi::SQLITE_MISUSE, format!("not a request: {why}"))}),
    };
    answer.to_string()
}

/// {"results": [...]}, or {"error": ...} where a transaction failed; with `each` an error stands in the place of its result.
pub fn perform(connection: &Connection, request: &Request) -> Json {
    let mut room = ROOM;
    forget(connection);
    let results = if request.each { each(connection, request, &mut room) } else { together(connection, request, &mut room) };
    match results {
        Ok(results) => json!({"results": results}),
        Err(failure) => json!({"error": failure}),
    }
}

/// last_insert_rowid() and changes() of the request before: a node that was started since has none.
fn forget(connection: &Connection) {
    // SAFETY: the connection is open, and used by this thread alone.
    unsafe { ffi::sqlite3_set_last_insert_rowid(connection.handle(), 0) };
    let _ = connection.execute_batch("DELETE FROM _metadata WHERE 0"); // a table of hiqlite's
}

fn each(connection: &Connection, request: &Request, room: &mut usize) -> Result<Vec<Json>, Failure> {
    let mut results = Vec::with_capacity(request.statements.len());
    for (at, statement) in request.statements.iter().enumerate() {
        let single = Request { each: false, statements: vec![statement.clone()] };
        results.push(match together(connection, &single, room) {
            Ok(mut result) => result.swap_remove(0),
            Err(failure) => json!({"error": failure.at(at)}),
        });
    }
    Ok(results)
}

fn together(connection: &Connection, request: &Request, room: &mut usize) -> Result<Vec<Json>, Failure> {
    let control = |sql: &str| connection.execute_batch(sql).map_err(|error| of_the_statement(Failure::of(&error)));
    control("SAVEPOINT wfext_node")?;
    let mut results = Vec::with_capacity(request.statements.len());
    for (at, statement) in request.statements.iter().enumerate() {
        match run_judged(connection, statement, room).map_err(of_the_statement) {
            Ok(_) if connection.is_autocommit() => return Err(Failure::new(ffi::SQLITE_ABORT, "the transaction was rolled back by one of its statements").at(at)),
            Ok(result) => results.push(result),
            Err(failure) => {
                if !connection.is_autocommit() {
                    control("ROLLBACK TO wfext_node")?;
                    control("RELEASE wfext_node")?;
                }
                return Err(failure.at(at));
            }
        }
    }
    if let Err(failure) = control("RELEASE wfext_node") {
        // A deferred constraint: the transaction stays open.
        if !connection.is_autocommit() {
            control("ROLLBACK TO wfext_node")?;
            control("RELEASE wfext_node")?;
        }
        return Err(failure.at(request.statements.len().saturating_sub(1)));
    }
    Ok(results)
}

/// The failure, unless it is one of this machine.
fn of_the_statement(failure: Failure) -> Failure {
    if is_of_the_machine(&failure) {
        eprintln!("wfext-node: this machine cannot do what the others do ({} {}): it ends here, and begins anew from its log", failure.extended, failure.message);
        std::process::abort();
    }
    failure
}

fn is_of_the_machine(failure: &Failure) -> bool {
    match failure.code {
        ffi::SQLITE_IOERR | ffi::SQLITE_NOMEM | ffi::SQLITE_CANTOPEN | ffi::SQLITE_NOTADB | ffi::SQLITE_PROTOCOL | ffi::SQLITE_BUSY => true,
        ffi::SQLITE_CORRUPT => failure.extended != ffi::SQLITE_CORRUPT_VTAB,
        ffi::SQLITE_FULL => DATA.get().is_some_and(|path| !has_room(path)), // else an AUTOINCREMENT is at its end, on all nodes
        _ => false,
    }
}

fn has_room(folder: &std::path::Path) -> bool {
    const ENOUGH: usize = 1 << 20;
    let probe = folder.join("room");
    let has = std::fs::write(&probe, vec![0u8; ENOUGH]).and_then(|()| std::fs::File::open(&probe)?.sync_all()).is_ok();
    let _ = std::fs::remove_file(&probe);
    has
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        register(&db).unwrap();
        db.execute_batch("CREATE TABLE t(a PRIMARY KEY); PRAGMA foreign_keys=1; CREATE TABLE u(a REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED)").unwrap();
        db
    }

    fn call(db: &Connection, request: Json) -> Json {
        let text: String = db.query_row(CALL, [request.to_string()], |row| row.get(0)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn count(db: &Connection) -> i64 {
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_request_is_one_transaction() {
        let db = db();
        let good = call(&db, json!({"statements": ["INSERT INTO t VALUES(1)", ["INSERT INTO t VALUES(?) RETURNING a", [2]]]}));
        assert_eq!(good["results"][1]["rows"], json!([[2]]));
        assert_eq!(good["results"][0]["changes"], 1);
        let bad = call(&db, json!({"statements": ["INSERT INTO t VALUES(3)", "INSERT INTO t VALUES(1)"]}));
        assert_eq!(bad["error"]["statement"], 1);
        assert_eq!(bad["error"]["code"], ffi::SQLITE_CONSTRAINT);
        assert_eq!(count(&db), 2);
        assert!(db.is_autocommit());
    }

    #[test]
    fn each_by_itself_goes_on_after_an_error() {
        let db = db();
        let answer = call(&db, json!({"each": true, "statements": ["INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)"]}));
        assert_eq!(answer["results"][1]["error"]["statement"], 1);
        assert_eq!(count(&db), 2);
    }

    #[test]
    fn a_deferred_constraint_fails_the_transaction() {
        let db = db();
        let answer = call(&db, json!({"statements": ["INSERT INTO t VALUES(1)", "INSERT INTO u VALUES(9)"]}));
        assert_eq!(answer["error"]["extended"], ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
        assert_eq!(count(&db), 0);
        assert!(db.is_autocommit());
    }

    #[test]
    fn what_is_no_request_is_an_answer_too() {
        let db = db();
        assert!(call(&db, json!([1]))["error"]["message"].as_str().unwrap().starts_with("not a request"));
    }

    #[test]
    fn a_trigger_that_rolls_back_is_said() {
        let db = db();
        db.execute_batch("CREATE TRIGGER no BEFORE INSERT ON t WHEN new.a = 9 BEGIN SELECT raise(ROLLBACK, 'not nine'); END").unwrap();
        let answer = db.query_row(CALL, [json!({"statements": ["INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(9)"]}).to_string()], |row| row.get::<_, String>(0));
        assert!(answer.is_err() || answer.unwrap().contains("not nine"));
        assert_eq!(count(&db), 0);
        assert!(db.is_autocommit());
    }

    #[test]
    fn a_request_knows_nothing_of_the_one_before() {
        let db = db();
        db.execute_batch("CREATE TABLE _metadata(x)").unwrap();
        call(&db, json!({"statements": ["INSERT INTO t VALUES(1), (2)"]}));
        let answer = call(&db, json!({"statements": ["SELECT last_insert_rowid(), changes()"]}));
        assert_eq!(answer["results"][0]["rows"], json!([[0, 0]]));
    }

    #[test]
    fn tables_are_made_and_dropped_below_the_call() {
        let db = db();
        assert!(call(&db, json!({"statements": ["CREATE TABLE v(a)", "INSERT INTO v VALUES(1)", "CREATE INDEX w ON v(a)"]}))["results"].is_array());
        // The SELECT that calls reads no table, so that not even a DROP minds it.
        assert!(call(&db, json!({"statements": ["ALTER TABLE v ADD COLUMN b", "DROP TABLE v"]}))["results"].is_array());
    }
}
