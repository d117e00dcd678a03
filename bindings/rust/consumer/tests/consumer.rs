//! What a program with rusqlite may rely on.

use rusqlite::Connection;
use wfext::{Code, Error};

fn memory() -> Connection {
    wfext::register().unwrap();
    Connection::open_in_memory().unwrap()
}

fn text(db: &Connection, sql: &str) -> rusqlite::Result<Option<String>> {
    db.query_row(sql, [], |row| row.get(0))
}

#[test]
fn registering_again_changes_nothing() {
    for _ in 0..3 {
        assert_eq!(text(&memory(), "SELECT wf_version()").unwrap().as_deref(), Some("0.1.0"));
    }
}

#[test]
fn one_connection_alone() {
    let db = Connection::open_in_memory().unwrap();
    for _ in 0..2 {
        unsafe { wfext::load(db.handle()) }.unwrap();
    }
    assert_eq!(text(&db, "SELECT wf_start('job', NULL, '{\"id\": \"w\"}')").unwrap().as_deref(), Some("w"));
}

#[test]
fn errors_have_their_codes() {
    let db = memory();
    text(&db, "SELECT wf_start('job', 1, '{\"id\": \"w\"}')").unwrap();
    for (sql, code) in [
        ("SELECT wf_cancel('nobody')", Code::NotFound),
        ("SELECT wf_start('')", Code::Invalid),
        ("SELECT wf_start('job', 2, '{\"id\": \"w\"}')", Code::Conflict),
        ("SELECT wf_step('run_nonsense', 's', 1)", Code::Invalid),
        ("SELECT wf_resume('w', '{\"colour\": 1}')", Code::Invalid),
    ] {
        let error = text(&db, sql).unwrap_err();
        assert_eq!(Error::of(&error).map(|error| error.code), Some(code), "{sql}: {error}");
    }
    let error = text(&db, "SELECT nonsense").unwrap_err();
    assert_eq!(Error::of(&error), None);
}

#[test]
fn what_is_given_wrongly_is_named() {
    let db = memory();
    text(&db, "SELECT wf_start('job', NULL, '{\"id\": \"w\"}')").unwrap();
    let long = format!("SELECT wf_start('{}')", "x".repeat(300));
    for (sql, says) in [
        ("SELECT wf_start(5)", "name of wf_start() must be text, got an integer 5"),
        ("SELECT wf_start('')", "name is empty"),
        (&long, "name has 300 bytes"),
        ("SELECT wf_start('job', 'no json')", "no json"),
        ("SELECT wf_start('job', NULL, '{\"dely\": 1}')", "no option \"dely\""),
        ("SELECT wf_start('job', NULL, '{\"delay\": -1}')", "got -1"),
        ("SELECT wf_start('job', NULL, '{\"priority\": \"high\"}')", "\"high\""),
        ("SELECT wf_sleep('w', 's', 'soon')", "'soon'"),
        ("SELECT wf_await('w', 's', 'go', -5)", "-5"),
        ("SELECT wf_claim('default', 'worker', '{\"lease\": 0}')", "got 0"),
        ("SELECT wf_step(NULL, 's', 1)", "handle of wf_step() is NULL"),
    ] {
        let error = text(&db, sql).unwrap_err();
        let found = Error::of(&error).unwrap_or_else(|| panic!("{sql}: {error}"));
        assert!(found.code == Code::Invalid && found.message.contains(says), "{sql}: {error}");
    }
}

#[test]
fn rows_and_their_record_are_one_commit() {
    let mut db = memory();
    db.execute_batch("CREATE TABLE answer(n)").unwrap();
    text(&db, "SELECT wf_start('job', NULL, '{\"id\": \"w\"}')").unwrap();
    for commits in [false, true, true] {
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        if text(&tx, "SELECT wf_step('w', 'insert')").unwrap().is_none() {
            tx.execute("INSERT INTO answer VALUES (42)", []).unwrap();
            text(&tx, "SELECT wf_step('w', 'insert', 'true')").unwrap();
        }
        if commits { tx.commit().unwrap() } else { tx.rollback().unwrap() }
    }
    assert_eq!(db.query_row("SELECT count(*) FROM answer", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn large_integers_and_blobs_come_back() {
    let db = memory();
    text(&db, "SELECT wf_start('job', NULL, '{\"id\": \"w\"}')").unwrap();
    let large = i64::MAX - 1;
    assert_eq!(db.query_row("SELECT wf_step('w', 'large', ?1)", [large], |row| row.get::<_, i64>(0)).unwrap_or(large), large);
    assert_eq!(text(&db, "SELECT CAST(wf_step('w', 'large') AS TEXT)").unwrap(), Some(large.to_string()));
}
