//! Connections that only read: for reads, for long polls, for backups. hiqlite's own readers are few, and a long poll would keep one for itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, InterruptHandle, OpenFlags, ffi};
use serde_json::Value as Json;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::statements::{Failure, ROOM, Statement, run};

pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    kept: usize,
    places: Arc<Semaphore>,
    under_way: AtomicUsize,
}

pub enum ReadError {
    /// All places are taken
    Full,
    Failed(Failure),
}

/// Ends what runs on the connection when nobody waits for it any more.
struct Interrupts(Option<InterruptHandle>);

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.interrupt();
        }
    }
}

impl Readers {
    /// `places`: how many at once.
    pub fn new(path: PathBuf, places: usize) -> Arc<Readers> {
        Arc::new(Readers { path, idle: Mutex::default(), kept: places.min(16), places: Arc::new(Semaphore::new(places)), under_way: AtomicUsize::new(0) })
    }

    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// A connection that can write nothing and sees nothing but this file.
    pub fn open(&self) -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "query_only", true)?;
            connection.authorizer(Some(only_reads))?;
            Ok(connection)
        };
        open().map_err(|error: rusqlite::Error| Failure::of(&error))
    }

    /// The results of statements that only read, all of one moment. `patient`: waits for a place, else there is none at once. Dropped: interrupted.
    pub async fn read(self: &Arc<Self>, statements: Vec<Statement>, patient: bool) -> Result<Vec<Json>, ReadError> {
        let places = self.places.clone();
        let place = if patient { places.acquire_owned().await.map_err(|_| ReadError::Full)? } else { places.try_acquire_owned().map_err(|_| ReadError::Full)? };
        let connection = match self.idle.lock().expect("no panic under it").pop() {
            Some(connection) => connection,
            None => self.open().map_err(ReadError::Failed)?,
        };
        let mut interrupts = Interrupts(Some(connection.get_interrupt_handle()));
        let readers = self.clone();
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let results = spawn_blocking(move || {
            let results = snapshot(&connection, &statements);
            readers.under_way.fetch_sub(1, Ordering::Relaxed);
            let mut idle = readers.idle.lock().expect("no panic under it");
            if idle.len() < readers.kept && connection.is_autocommit() {
                idle.push(connection);
            }
            drop(place);
            results
        })
        .await
        .expect("reading does not panic");
        interrupts.0 = None;
        results.map_err(ReadError::Failed)
    }
}

/// One statement sees one moment by itself, and a long poll may not be in a transaction.
fn snapshot(connection: &Connection, statements: &[Statement]) -> Result<Vec<Json>, Failure> {
    let several = statements.len() > 1;
    if several {
        connection.execute_batch("BEGIN").map_err(|error| Failure::of(&error))?;
    }
    let mut room = ROOM;
    let results = statements.iter().enumerate().map(|(at, statement)| only_read(connection, statement, &mut room).map_err(|failure| failure.at(at))).collect();
    if several {
        let _ = connection.execute_batch("ROLLBACK");
    }
    results
}

fn only_read(connection: &Connection, statement: &Statement, room: &mut usize) -> Result<Json, Failure> {
    run(connection, statement, room).map_err(|failure| match failure.code {
        ffi::SQLITE_READONLY => Failure { message: format!("{}: this is a read, send it to /write", failure.message), ..failure },
        _ => failure,
    })
}

const WITH_AN_ARGUMENT: [&str; 9] = ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "integrity_check", "quick_check"];
const DOING: [&str; 5] = ["wal_checkpoint", "optimize", "incremental_vacuum", "shrink_memory", "analysis_limit"];

/// A pragma that asks is allowed, one that sets something is not: the connection serves others later.
fn only_reads(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        AuthAction::Read { table_name, .. } if table_name.eq_ignore_ascii_case("wf_fleet") => Authorization::Deny, // it opens other files
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("wfext_node_run") => Authorization::Deny,
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let name = pragma_name.to_ascii_lowercase();
            let asks = if pragma_value.is_some() { WITH_AN_ARGUMENT.contains(&name.as_str()) } else { !DOING.contains(&name.as_str()) };
            if asks { Authorization::Allow } else { Authorization::Deny }
        }
        _ => Authorization::Allow,
    }
}
