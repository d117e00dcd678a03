//! Durable workflows in a SQLite file: the extension wfext, compiled into the program.
//!
//! Everything is SQL: `wf_start`, `wf_claim`, `wf_step`, `wf_complete` ... What this crate adds is the way in, [`register`] and [`load`], and the
//! extension's errors as types, [`Error::of`]. It brings no SQLite: it is linked to the one that rusqlite, sqlx or Diesel brings, 3.31 or later.

#![warn(missing_docs)]

use std::ffi::{c_char, c_int, c_void, CStr};
use std::fmt;

pub use libsqlite3_sys::sqlite3;

extern "C" {
    fn sqlite3_wfext_init(db: *mut sqlite3, error: *mut *mut c_char, api: *const c_void) -> c_int;
    // As C declares it: what libsqlite3-sys makes of it differs between its versions.
    fn sqlite3_auto_extension(entry: unsafe extern "C" fn()) -> c_int;
    fn sqlite3_free(memory: *mut c_void);
    fn sqlite3_errstr(code: c_int) -> *const c_char;
}

/// Every connection of this process that is opened from now on has the functions and tables. May be called again.
pub fn register() -> Result<(), LoadError> {
    // SAFETY: SQLite calls the entry point with the three arguments that it has.
    let code = unsafe {
        let entry: unsafe extern "C" fn(*mut sqlite3, *mut *mut c_char, *const c_void) -> c_int = sqlite3_wfext_init;
        sqlite3_auto_extension(std::mem::transmute::<unsafe extern "C" fn(*mut sqlite3, *mut *mut c_char, *const c_void) -> c_int, unsafe extern "C" fn()>(entry))
    };
    check(code, std::ptr::null_mut())
}

/// Gives one open connection the functions and tables. May be called again.
///
/// # Safety
/// `db` is an open connection, and no other thread uses it meanwhile: rusqlite's `Connection::handle()`, or what sqlx's `lock_handle()` gives.
pub unsafe fn load(db: *mut sqlite3) -> Result<(), LoadError> {
    if db.is_null() {
        return Err(LoadError { code: libsqlite3_sys::SQLITE_MISUSE, message: "load() was given a null pointer: an open connection".into() });
    }
    let mut message = std::ptr::null_mut();
    let code = sqlite3_wfext_init(db, &mut message, std::ptr::null());
    check(code, message)
}

fn check(code: c_int, message: *mut c_char) -> Result<(), LoadError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: SQLite's messages end in a zero; one that was allocated is ours to free.
    let text = unsafe { CStr::from_ptr(if message.is_null() { sqlite3_errstr(code) } else { message }) };
    let error = LoadError { code, message: text.to_string_lossy().into_owned() };
    unsafe { sqlite3_free(message.cast()) };
    Err(error)
}

/// The extension could not be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// SQLite's result code.
    pub code: i32,
    /// What it says about it.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wfext: {}", self.message)
    }
}

impl std::error::Error for LoadError {}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What an error of the extension begins with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// As it stands in the message: `WF_NOT_FOUND`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The file is newer than this extension, or SQLite is too old.
    Schema = "WF_SCHEMA",
    /// SQLite could not end a transaction that a call had begun: ROLLBACK.
    Stuck = "WF_STUCK",
    /// The call cannot be made here: inside of a statement that writes, for example.
    Context = "WF_CONTEXT",
    /// An argument or an option is wrong.
    Invalid = "WF_INVALID",
    /// There is no such workflow, queue, schedule ...
    NotFound = "WF_NOT_FOUND",
    /// The workflow was cancelled.
    Cancelled = "WF_CANCELLED",
    /// It is not in a state in which this can be done.
    State = "WF_STATE",
    /// The claim is over: another has the workflow, or may get it.
    LeaseLost = "WF_LEASE_LOST",
    /// Another has claimed it.
    Leased = "WF_LEASED",
    /// It is paused.
    Paused = "WF_PAUSED",
    /// It waits, and the code ran on.
    Suspended = "WF_SUSPENDED",
    /// The code took another way than the records of its earlier attempts.
    Nondeterminism = "WF_NONDETERMINISM",
    /// The recorded outcome of the step is an error.
    StepFailed = "WF_STEP_FAILED",
    /// It exists already, and is another one.
    Conflict = "WF_CONFLICT",
}

impl Code {
    /// Whether it says that the workflow is not this attempt's any more: stop quietly, and claim the next.
    pub fn is_not_ours(self) -> bool {
        matches!(self, Code::LeaseLost | Code::Cancelled | Code::Paused | Code::Suspended)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of the extension: its code, and what it says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is.
    pub code: Code,
    /// What follows the code in the message.
    pub message: String,
}

impl Error {
    /// The extension's error inside of one of rusqlite, sqlx, Diesel or whatever wraps them; `None`: it is another.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = Error::parse(&error.to_string()) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// The extension's error in a message of SQLite, behind what a driver may have put in front of it.
    pub fn parse(message: &str) -> Option<Error> {
        let begins_word = |at: usize| !message[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        message.match_indices("WF_").filter(|(at, _)| begins_word(*at)).find_map(|(at, _)| {
            let (name, rest) = message[at..].split_once(": ")?;
            let code = *Code::ALL.iter().find(|code| code.as_str() == name)?;
            Some(Error { code, message: rest.to_owned() })
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_behind_what_drivers_say() {
        for text in ["WF_NOT_FOUND: no workflow 'w: x'", "(code: 1) WF_NOT_FOUND: no workflow 'w: x'", "error returned from database: (code: 1) WF_NOT_FOUND: no workflow 'w: x'"] {
            assert_eq!(Error::parse(text), Some(Error { code: Code::NotFound, message: "no workflow 'w: x'".into() }));
        }
    }

    #[test]
    fn a_null_pointer_is_said_and_not_followed() {
        // SAFETY: it is looked at before anything else.
        let error = unsafe { load(std::ptr::null_mut()) }.unwrap_err();
        assert_eq!(error.to_string(), "wfext: load() was given a null pointer: an open connection");
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for text in ["", "WF_", "WF_NOT_FOUND", "WF_NOT_FOUND:", "WF_ELSE: x", "XWF_STATE: x", "UNIQUE constraint failed: _wf_workflow.id"] {
            assert_eq!(Error::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_the_application_says_first_does_not_hide_it() {
        assert_eq!(Error::parse("WF_ELSE: WF_STATE: it has ended").map(|e| e.code), Some(Code::State));
    }
}
