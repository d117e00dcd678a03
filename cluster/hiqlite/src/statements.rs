//! Statements as they come in, what is refused before anything is replicated, and what running one gives.

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Error, ffi};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::judge;
use crate::values::{json_size, to_json, to_sql};

/// One statement: its text, or [text, parameters], parameters being an array, or an object by name with or without the sign before it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Statement {
    Plain(String),
    Bare((String,)),
    Bound((String, Params)),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Params {
    Positions(Vec<Json>),
    Names(Map<String, Json>),
}

impl Statement {
    pub fn sql(&self) -> &str {
        match self {
            Statement::Plain(sql) | Statement::Bare((sql,)) | Statement::Bound((sql, _)) => sql,
        }
    }

    pub fn params(&self) -> Option<&Params> {
        match self {
            Statement::Bound((_, params)) => Some(params),
            _ => None,
        }
    }
}

/// Why a statement failed, in the terms of SQLite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// SQLite's primary result code
    pub code: i32,
    pub extended: i32,
    pub message: String,
    /// Which of the statements, from 0
    #[serde(default)]
    pub statement: usize,
}

impl Failure {
    pub fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure { code, extended: code, message: message.into(), statement: 0 }
    }

    pub fn of(error: &Error) -> Failure {
        match error {
            Error::SqliteFailure(failure, message) => Failure {
                code: failure.extended_code & 0xff,
                extended: failure.extended_code,
                message: message.clone().unwrap_or_else(|| failure.to_string()),
                statement: 0,
            },
            Error::SqlInputError { error, msg, .. } => Failure { code: error.extended_code & 0xff, extended: error.extended_code, message: msg.clone(), statement: 0 },
            other => Failure::new(ffi::SQLITE_ERROR, other.to_string()),
        }
    }

    pub fn at(mut self, statement: usize) -> Failure {
        self.statement = statement;
        self
    }
}

/// The words that a statement begins with, in capitals, behind comments.
fn first_words(sql: &str) -> [String; 2] {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else {
            break;
        }
    }
    let mut words = rest.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).map(str::to_ascii_uppercase);
    [words.next().unwrap_or_default(), words.next().unwrap_or_default()]
}

/// What no node may be asked to repeat: statements about a connection or other files, which are not the same on all nodes.
pub fn may_be_written(statement: &Statement) -> Result<(), Failure> {
    let [first, second] = first_words(statement.sql());
    let why = match first.as_str() {
        "" => "is empty",
        "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" => "is not sent by itself: the statements of one request are one transaction",
        "ATTACH" | "DETACH" | "PRAGMA" | "VACUUM" => "is about one machine, and every node would repeat it",
        "EXPLAIN" => "shows what one machine would do: ask for it by /read",
        "CREATE" if second.starts_with("TEMP") => "lives on one connection, and every node has its own",
        _ => return Ok(()),
    };
    Err(Failure::new(ffi::SQLITE_MISUSE, format!("{} {why}", if first.is_empty() { "a statement" } else { &first })))
}

/// Bytes that all answers of a request may have together, as JSON: else one statement without an end would take the memory of every node. Less than a value may have, as the answer of a
/// write is one.
pub const ROOM: usize = judge::LONGEST / 4 * 3;

fn take(room: &mut usize, bytes: usize) -> Result<(), Failure> {
    *room = room.checked_sub(bytes).ok_or_else(|| Failure::new(ffi::SQLITE_TOOBIG, format!("the answer has more than {} MB: ask for less of it (LIMIT)", ROOM >> 20)))?;
    Ok(())
}

/// As `run`, of a statement that every node repeats.
pub fn run_judged(connection: &Connection, statement: &Statement, room: &mut usize) -> Result<Json, Failure> {
    let (prepared, why) = judge::compiled(|| prepare(connection, statement));
    let prepared = prepared.map_err(|failure| match why {
        Some(message) if failure.code == ffi::SQLITE_AUTH => Failure { message, ..failure },
        _ => failure,
    })?;
    finish(connection, prepared, statement, room)
}

/// Runs one statement to its end: {"columns", "rows"} where it has columns, and "changes" and "last_insert_rowid" where it writes. `room`: bytes left for the answer.
pub fn run(connection: &Connection, statement: &Statement, room: &mut usize) -> Result<Json, Failure> {
    finish(connection, prepare(connection, statement)?, statement, room)
}

fn prepare<'c>(connection: &'c Connection, statement: &Statement) -> Result<rusqlite::Statement<'c>, Failure> {
    if statement.sql().contains('\0') {
        return Err(Failure::new(ffi::SQLITE_MISUSE, "a statement with a NUL character, at which it would end"));
    }
    let mut batch = Batch::new(connection, statement.sql());
    let Some(prepared) = batch.next().map_err(|error| Failure::of(&error))? else {
        return Err(Failure::new(ffi::SQLITE_MISUSE, "a statement is empty"));
    };
    match batch.next() {
        Ok(None) => Ok(prepared),
        Err(error) if Failure::of(&error).code == ffi::SQLITE_AUTH => Err(Failure::of(&error)),
        _ => Err(Failure::new(ffi::SQLITE_MISUSE, "several statements in one text: send them as several")),
    }
}

fn finish(connection: &Connection, mut prepared: rusqlite::Statement<'_>, statement: &Statement, room: &mut usize) -> Result<Json, Failure> {
    let failed = |error: Error| Failure::of(&error);
    bind(&mut prepared, statement.params())?;
    let writes = !prepared.readonly();
    let columns: Vec<String> = prepared.column_names().into_iter().map(str::to_string).collect();
    let count = columns.len();
    take(room, 128 + columns.iter().map(|name| json_size(rusqlite::types::ValueRef::Text(name.as_bytes()))).sum::<usize>())?;
    let mut out = Map::new();
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next().map_err(failed)? {
        let mut values = Vec::with_capacity(count);
        for column in 0..count {
            let value = row.get_ref(column).map_err(failed)?;
            take(room, json_size(value))?;
            values.push(to_json(value));
        }
        rows.push(Json::Array(values));
    }
    drop(cursor);
    if count > 0 {
        out.insert("columns".into(), json!(columns));
        out.insert("rows".into(), Json::Array(rows));
    }
    if writes {
        out.insert("changes".into(), json!(connection.changes()));
        out.insert("last_insert_rowid".into(), json!(connection.last_insert_rowid()));
    }
    Ok(Json::Object(out))
}

fn bind(prepared: &mut rusqlite::Statement<'_>, params: Option<&Params>) -> Result<(), Failure> {
    let range = |message: String| Failure::new(ffi::SQLITE_RANGE, message);
    let wanted = prepared.parameter_count();
    match params {
        None | Some(Params::Positions(_)) => {
            let given = match params {
                Some(Params::Positions(values)) => values.as_slice(),
                _ => &[],
            };
            if given.len() != wanted {
                return Err(range(format!("the statement has {wanted} parameters, and {} were given", given.len())));
            }
            for (index, value) in given.iter().enumerate() {
                let value = to_sql(value).map_err(|why| range(format!("parameter {}: {why}", index + 1)))?;
                prepared.raw_bind_parameter(index + 1, value).map_err(|error| Failure::of(&error))?;
            }
        }
        Some(Params::Names(given)) => {
            let mut left = given.len();
            for index in 1..=wanted {
                let Some(name) = prepared.parameter_name(index).map(str::to_string) else {
                    return Err(range(format!("parameter {index} has no name: give an array")));
                };
                let Some(value) = given.get(&name).or_else(|| given.get(&name[1..])) else {
                    return Err(range(format!("the parameter {name} was not given")));
                };
                left -= 1;
                let value = to_sql(value).map_err(|why| range(format!("parameter {name}: {why}")))?;
                prepared.raw_bind_parameter(index, value).map_err(|error| Failure::of(&error))?;
            }
            if left > 0 {
                return Err(range(format!("the statement has {wanted} parameters, and {} were given", given.len())));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Statement {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn parameters_have_places_or_names() {
        let db = Connection::open_in_memory().unwrap();
        let all = [r#""SELECT 1""#, r#"["SELECT 1"]"#, r#"["SELECT ?", [1]]"#, r#"["SELECT :a", {"a": 1}]"#, r#"["SELECT :a", {":a": 1}]"#, r#"["SELECT :a + :a - :b", {"a": 1, "b": 1}]"#];
        for text in all {
            assert_eq!(run(&db, &statement(text), &mut ROOM.clone()).unwrap()["rows"], json!([[1]]), "{text}");
        }
        for text in [r#"["SELECT ?", []]"#, r#""SELECT ?""#, r#"["SELECT 1", [1]]"#, r#"["SELECT :a", {}]"#, r#"["SELECT :a", {"a": 1, "b": 2}]"#, r#"["SELECT ?", {"a": 1}]"#] {
            assert_eq!(run(&db, &statement(text), &mut ROOM.clone()).unwrap_err().code, ffi::SQLITE_RANGE, "{text}");
        }
    }

    #[test]
    fn one_statement_in_one_text() {
        let db = Connection::open_in_memory().unwrap();
        assert!(run(&db, &statement(r#""CREATE TABLE t(a); CREATE TABLE u(a)""#), &mut ROOM.clone()).unwrap_err().message.contains("several"));
        assert!(run(&db, &statement(r#""SELECT 1\u0000; DROP TABLE t""#), &mut ROOM.clone()).unwrap_err().message.contains("NUL"));
        assert!(run(&db, &statement(r#""SELECT 1; -- and no more""#), &mut ROOM.clone()).is_ok());
        assert_eq!(db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn an_error_has_its_codes() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES(1)").unwrap();
        let failure = run(&db, &statement(r#""INSERT INTO t VALUES(1)""#), &mut ROOM.clone()).unwrap_err();
        assert_eq!((failure.code, failure.extended), (ffi::SQLITE_CONSTRAINT, ffi::SQLITE_CONSTRAINT_PRIMARYKEY));
        assert_eq!(run(&db, &statement(r#""SELECT absent FROM t""#), &mut ROOM.clone()).unwrap_err().message, "no such column: absent");
    }

    #[test]
    fn what_is_about_one_machine_is_refused() {
        let refused = ["", " ; ", "begin", "-- x\nCOMMIT", "/* a */ /* b */ Rollback", "savepoint a", "PRAGMA synchronous=0", "ATTACH 'x' AS y", "VACUUM INTO 'x'", "CREATE TEMP TABLE t(a)", "create temporary view v as select 1", "explain pragma query_only = 1"];
        for sql in refused {
            assert!(may_be_written(&Statement::Plain(sql.into())).is_err(), "{sql}");
        }
        for sql in ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "CREATE TABLE temp_values(a)", "INSERT INTO t VALUES('BEGIN')", "REPLACE INTO t VALUES(1)"] {
            assert!(may_be_written(&Statement::Plain(sql.into())).is_ok(), "{sql}");
        }
    }
}
