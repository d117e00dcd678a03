//! A node that cannot go on: it begins anew in its own process, from its log, or, where that is of no use, from the others; or it ends, and says why.
//!
//! Seen with hiqlite-wal 0.15.1: its reader goes on in the memory of a log file that was replaced when a snapshot came (a new process reads the new file); and, after a kill at the
//! wrong moment, a log with a gap in it. Both end Raft on that node, and hiqlite goes on without it: it says nothing while a node is starting (it asks the numbers of a Raft that has
//! ended, over and over), and nothing at all where Raft has ended by a panic. So a thread of its own waits here for whoever notices first: the watch of the process, or the panic itself.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::config::Flags;

const ANEW: &str = "WFEXT_NODE_ANEW"; // how often in a row
static NOTICED: OnceLock<Sender<Trouble>> = OnceLock::new();
/// The node was asked to stop: what ends now may end.
static STOPPING: AtomicBool = AtomicBool::new(false);

enum Trouble {
    /// Raft has ended: its log may be of use to a new process
    Raft(String),
    /// The log is of no use
    Log(String),
}

/// The folder is this process's: another one would take its log for one that was left behind. Held by the file that is returned.
pub fn alone(flags: &Flags) -> Result<File, String> {
    let path = flags.data.join("node.lock");
    let file = File::options().create(true).append(true).open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(error) => Err(format!("another process has --data {}: {error}", flags.data.display())),
    }
}

/// From now on whatever ends Raft is noticed.
pub fn guard(flags: &Flags) {
    let (tell, told) = channel();
    NOTICED.set(tell).unwrap_or_else(|_| unreachable!("set once"));
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        plain(info);
        if ends_raft(info) {
            raft_has_ended(format!("a panic at {}", info.location().map_or("?".into(), |at| format!("{}:{}", name(at.file()), at.line()))));
            // What comes next would be done with half of the node.
            while !STOPPING.load(Ordering::Acquire) {
                std::thread::park();
            }
        }
    }));
    let flags = flags.clone();
    std::thread::Builder::new().name("guard".into()).spawn(move || wait(&flags, &told)).expect("a thread");
}

fn wait(flags: &Flags, told: &Receiver<Trouble>) {
    let begun = Instant::now();
    let Ok(trouble) = told.recv() else { return };
    // Of its own: the threads of the other one may stand still.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let why = runtime.block_on(async {
        match trouble {
            Trouble::Raft(why) => from_log(flags, begun.elapsed(), &why).await,
            Trouble::Log(why) => from_nothing(flags, &why).await,
        }
    });
    eprintln!("wfext-node: {why}");
    std::process::exit(1);
}

pub fn stopping() {
    STOPPING.store(true, Ordering::Release);
}

fn notice(trouble: Trouble) {
    if !STOPPING.load(Ordering::Acquire)
        && let Some(tell) = NOTICED.get()
    {
        let _ = tell.send(trouble);
    }
}

pub fn raft_has_ended(why: String) {
    notice(Trouble::Raft(why));
}

pub fn log_is_of_no_use(why: String) {
    notice(Trouble::Log(why));
}

/// The last parts of a file's path.
fn name(file: &str) -> &str {
    file.rsplit_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/')).map_or(file, |(_, rest)| rest)
}

fn ends_raft(info: &PanicHookInfo<'_>) -> bool {
    let answers_nobody = info.payload_as_str().is_some_and(|said| said.contains("SendError")); // the log's reader, of a replication that is over
    !answers_nobody && info.location().is_some_and(|at| is_of_raft(name(at.file()), std::thread::current().name().is_some()))
}

/// A panic there leaves a node without its log, its state machine or its Raft. Those of a request end the request. hiqlite has functions that panic when a statement calls them, which
/// is an error of the statement: they run on its writer, whose thread has no name.
fn is_of_raft(file: &str, named: bool) -> bool {
    let (package, file) = file.split_once('/').unwrap_or(("", file));
    if package.starts_with("hiqlite-wal-") || package.starts_with("openraft-") {
        return true;
    }
    package.starts_with("hiqlite-") && (file == "src/network/raft_client.rs" || file.ends_with("/sqlite/writer.rs") || file.starts_with("src/store/") && named)
}

fn before() -> u32 {
    std::env::var(ANEW).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether this process begins from nothing where another one of the same node could not go on.
pub fn is_from_nothing(flags: &Flags) -> bool {
    before() > 0 && !flags.data.join("logs").exists()
}

/// From its log; where it has come to nothing twice within a minute, from the others. Returns why neither can be.
async fn from_log(flags: &Flags, lived: Duration, why: &str) -> String {
    let times = if lived < Duration::from_secs(60) { before() } else { 0 };
    if times >= 2 {
        return from_nothing(flags, why).await;
    }
    eprintln!("wfext-node: begins anew: {why}");
    again(times + 1)
}

/// With an empty folder, as a disk that was lost: only if another node leads now and knows this one, since what this one has is then on a majority of the others.
/// What it had is kept beside it, until the next time. Returns why it cannot be.
async fn from_nothing(flags: &Flags, why: &str) -> String {
    if before() >= 5 {
        return format!("this node cannot go on: {why}");
    }
    if !others_go_on(flags).await {
        return format!("this node cannot go on: {why}. No other node leads, so it keeps what it has");
    }
    let aside = PathBuf::from(format!("{}.broken", flags.data.display()));
    let _ = std::fs::remove_dir_all(&aside);
    if let Err(error) = std::fs::rename(&flags.data, &aside) {
        return format!("this node cannot go on: {why}; and {} cannot be put aside: {error}", flags.data.display());
    }
    eprintln!("wfext-node: begins anew from the others, what it had is in {}: {why}", aside.display());
    again(before() + 1)
}

/// Whether another node says of itself that it leads, and that a majority without this one is there to hear it.
async fn others_go_on(flags: &Flags) -> bool {
    let client = flags.client(Duration::from_secs(2));
    let mut leads = false;
    let mut agree = 0;
    let mut voters = usize::MAX;
    for other in flags.nodes.iter().filter(|node| node.id != flags.id) {
        let url = format!("{}://{}/cluster", flags.scheme(), other.http);
        let Ok(answer) = client.get(url).bearer_auth(&flags.token).send().await else { continue };
        let Ok(text) = answer.text().await else { continue };
        let Ok(said) = serde_json::from_str::<Json>(&text) else { continue };
        let members = said["members"].as_array().map_or(&[][..], Vec::as_slice);
        if said["state"] == "leader" {
            leads = true;
            voters = members.iter().filter(|member| member["voter"] == true).count();
        }
        agree += (said["leader"].is_u64() && said["leader"] != flags.id) as usize;
    }
    leads && agree * 2 > voters
}

/// With the same flags, but not from a file once more.
fn again(times: u32) -> ! {
    let mut is_value = false;
    let flags = std::env::args_os().skip(1).filter(|flag| {
        let skipped = is_value || flag.to_string_lossy().starts_with("--restore");
        is_value = flag == "--restore";
        !skipped
    });
    let program = std::env::current_exe().expect("this program has a place");
    let error = std::process::Command::new(program).args(flags).env(ANEW, times.to_string()).exec();
    eprintln!("wfext-node: {error}");
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_raft_is_told_from_one_of_a_request() {
        let registry = "/home/x/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/";
        let of = |file: &str| is_of_raft(name(&format!("{registry}{file}")), true);
        assert!(of("hiqlite-wal-0.15.1/src/reader.rs") && of("openraft-0.9.25/src/core/raft_core.rs") && of("hiqlite-0.15.3/src/store/state_machine/sqlite/writer.rs"));
        assert!(!of("hiqlite-0.15.3/src/network/handshake.rs") && !of("axum-0.8.4/src/serve.rs") && !is_of_raft(name("src/api.rs"), true));
        // A statement that calls what hiqlite forbids
        let forbidden = "hiqlite-0.15.3/src/store/state_machine/sqlite/state_machine.rs";
        assert!(of(forbidden) && !is_of_raft(forbidden, false));
    }
}
