//! Every connection of this process has wfext in it, the function that runs requests, and those that take the place of what differs from node to node.

use std::ffi::{c_char, c_int};

use rusqlite::auto_extension::{init_auto_extension, register_auto_extension};
use rusqlite::{Result, ffi};

unsafe extern "C" {
    fn sqlite3_wfext_init(db: *mut ffi::sqlite3, message: *mut *mut c_char, api: *const ffi::sqlite3_api_routines) -> c_int;
}

unsafe extern "C" fn node_init(db: *mut ffi::sqlite3, message: *mut *mut c_char, _: *const ffi::sqlite3_api_routines) -> c_int {
    let register = |connection: rusqlite::Connection| {
        if crate::functions::AS_SQLITE_IS.get() {
            return Ok(());
        }
        // SAFETY: the connection is being opened, by this thread.
        unsafe { crate::judge::watch(connection.handle()) };
        crate::batch::register(&connection)?;
        crate::functions::register(&connection)
    };
    unsafe { init_auto_extension(db, message, register) }
}

/// Before the first connection is opened.
pub fn register() -> Result<()> {
    // SAFETY: neither opens or closes a connection, nor changes the list of extensions.
    unsafe {
        register_auto_extension(sqlite3_wfext_init)?;
        register_auto_extension(node_init)
    }
}
