//! A copy of the database as one file, and beginning anew from one.

use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::config::Flags;
use crate::statements::Failure;

/// All pages, of one moment; the tables of hiqlite are taken out of the copy.
fn copy_pages(source: &Connection, target: &Path) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open(target)?;
    let pages = Backup::new(source, &mut copy)?;
    while pages.step(-1)? != StepResult::Done {
        std::thread::sleep(std::time::Duration::from_millis(5)); // somebody has it locked
    }
    drop(pages);
    copy.execute_batch("DROP TABLE IF EXISTS _metadata; DROP TABLE IF EXISTS _migrations; PRAGMA journal_mode = DELETE;")?;
    Ok(copy)
}

/// Copies the database into a new file, which is an ordinary one.
pub fn copy(source: &Connection, target: &Path) -> Result<(), Failure> {
    copy_pages(source, target).map(drop).map_err(|error| {
        let _ = std::fs::remove_file(target);
        Failure::of(&error)
    })
}

/// Before anything else is started: looks whether the file is sound, and has hiqlite begin from a copy of it.
pub fn prepare_restore(flags: &Flags) -> Result<(), String> {
    let Some(file) = &flags.restore else {
        return Ok(());
    };
    let copy = PathBuf::from(format!("{}.restore", flags.data.display()));
    let _ = std::fs::remove_file(&copy);
    let checked = (|| {
        let source = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        copy_pages(&source, &copy)?.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
    })();
    let trouble = match checked {
        Ok(said) if said == "ok" => None,
        Ok(said) => Some(said),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = trouble {
        let _ = std::fs::remove_file(&copy);
        return Err(format!("--restore {}: {why}", file.display()));
    }
    // SAFETY: no other thread runs yet.
    unsafe {
        std::env::set_var("HQL_BACKUP_RESTORE", format!("file:{}", copy.display()));
        std::env::set_var("HQL_BACKUP_SKIP_VALIDATION", "true"); // it looks for a table of its own
    }
    Ok(())
}

/// Afterwards.
pub fn restored(flags: &Flags) {
    let _ = std::fs::remove_file(format!("{}.restore", flags.data.display()));
}
