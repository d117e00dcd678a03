//! Functions whose results differ from node to node: refused where writing, as they are where only this node reads.
//!
//! hiqlite does so by functions that panic, and takes away what does not differ with it (`strftime` of a given time, which the engine's own statements use), while it lets
//! CURRENT_TIMESTAMP and total_changes() pass. A function of so many arguments goes before one of any number: those here are there first, and stay.

use std::cell::RefCell;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, MAIN_DB, Result, params_from_iter};

/// Name, least and most arguments, and which of them is the time.
const OF_TIME: [(&str, i32, i32, usize); 7] =
    [("date", 0, 8, 0), ("time", 0, 8, 0), ("datetime", 0, 8, 0), ("julianday", 0, 8, 0), ("unixepoch", 0, 8, 0), ("strftime", 1, 9, 1), ("timediff", 2, 2, 0)];

const OF_THE_MACHINE: [(&str, i32); 6] = [("random", 0), ("randomblob", 1), ("current_timestamp", 0), ("current_date", 0), ("current_time", 0), ("total_changes", 0)];

thread_local! {
    /// SQLite's own functions are hidden on connections that have others in their place: it is asked here.
    static PLAIN: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

pub fn register(connection: &Connection) -> Result<()> {
    for (name, least, most, time) in OF_TIME {
        for count in least..=most {
            connection.create_scalar_function(name, count, FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC, move |context| {
                if writes(context)? {
                    may_be_repeated(name, time, context)?;
                }
                ask(name, context)
            })?;
        }
    }
    for (name, count) in OF_THE_MACHINE {
        connection.create_scalar_function(name, count, FunctionFlags::SQLITE_UTF8, move |context| {
            if writes(context)? { Err(refused(name, "differs from node to node")) } else { ask(name, context) }
        })?;
    }
    Ok(())
}

fn writes(context: &Context<'_>) -> Result<bool> {
    // SAFETY: the connection is used by this thread alone, which is inside of its statement.
    unsafe { context.get_connection()? }.is_readonly(MAIN_DB).map(|readonly| !readonly)
}

fn refused(name: &str, why: &str) -> Error {
    Error::UserFunctionError(format!("{name}() {why}: every node runs this statement, so give the value as a parameter").into())
}

fn may_be_repeated(name: &str, time: usize, context: &Context<'_>) -> Result<()> {
    let text = |at: usize| match context.get_raw(at) {
        ValueRef::Text(text) => String::from_utf8_lossy(text).trim().to_ascii_lowercase(),
        _ => String::new(),
    };
    let times = if name == "timediff" { 2 } else { 1 };
    if context.len() <= time || (time..time + times).any(|at| text(at) == "now" || text(at).starts_with("subsec")) {
        return Err(refused(name, "without a time is the time of one machine"));
    }
    if (time + 1..context.len()).any(|at| matches!(text(at).as_str(), "localtime" | "utc")) {
        return Err(refused(name, "goes by the time zone of one machine"));
    }
    Ok(())
}

fn ask(name: &str, context: &Context<'_>) -> Result<Value> {
    PLAIN.with_borrow_mut(|plain| {
        let connection = match plain {
            Some(connection) => connection,
            None => plain.insert(plain_connection()?),
        };
        let sql = if name.starts_with("current_") { format!("SELECT {name}") } else { format!("SELECT {name}({})", vec!["?"; context.len()].join(", ")) };
        let given: Vec<Value> = (0..context.len()).map(|at| context.get_raw(at).try_into()).collect::<std::result::Result<_, _>>()?;
        connection.prepare_cached(&sql)?.query_row(params_from_iter(given), |row| row.get(0))
    })
}

thread_local! {
    /// Whether the connection that is being opened here is to stay as SQLite makes it.
    pub static AS_SQLITE_IS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn plain_connection() -> Result<Connection> {
    AS_SQLITE_IS.set(true);
    let opened = Connection::open_in_memory();
    AS_SQLITE_IS.set(false);
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_refused_and_the_rest_is_as_ever() {
        let plain = Connection::open_in_memory().unwrap();
        let db = Connection::open_in_memory().unwrap();
        register(&db).unwrap();
        let refused = [
            "random()", "randomblob(4)", "CURRENT_TIMESTAMP", "current_date", "total_changes()", "date()", "datetime('now')", "datetime(' NOW ')", "unixepoch('subsec')", "strftime('%s')",
            "strftime('%s', 'now')", "datetime(0, 'unixepoch', 'localtime')", "datetime('2027-01-01', 'utc')", "timediff('now', '2027-01-01')",
        ];
        for text in refused {
            let error = db.query_row(&format!("SELECT {text}"), [], |row| row.get::<_, Value>(0)).unwrap_err();
            assert!(error.to_string().contains("every node"), "{text}: {error}");
        }
        for text in ["datetime(1800000000, 'unixepoch')", "strftime('%Y-%m-%dT%H:%M:%S', 1800000000, 'unixepoch')", "date('2027-01-31', '+1 month')", "julianday('2027-01-01')", "date('none')", "date(NULL)"] {
            let ask = |db: &Connection| db.query_row(&format!("SELECT {text}"), [], |row| row.get::<_, Value>(0)).unwrap();
            assert_eq!(ask(&db), ask(&plain), "{text}");
        }
    }
}
