//! A node that cannot go on: it begins anew in its own process, from its log, or, where that is of no use, from the others.
//!
//! Seen with hiqlite-wal 0.15.1: its reader goes on in the memory of a log file that was replaced when a snapshot came (a new process reads the new file); and, after a kill at the
//! wrong moment, a log with a gap in it. Both end Raft on that node, and hiqlite goes on without it.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;

use crate::config::Flags;

const ANEW: &str = "WFEXT_NODE_ANEW"; // how often in a row

fn before() -> u32 {
    std::env::var(ANEW).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// From its log; where it has come to nothing twice within a minute, from the others. Returns why neither can be.
pub async fn from_log(flags: &Flags, lived: Duration, why: &str) -> String {
    let times = if lived < Duration::from_secs(60) { before() } else { 0 };
    if times >= 2 {
        return from_nothing(flags, why).await;
    }
    eprintln!("wfext-node: begins anew: {why}");
    again(times + 1)
}

/// With an empty folder, as a disk that was lost: only if another node leads now and knows this one, since what this one has is then on a majority of the others.
/// What it had is kept beside it, until the next time. Returns why it cannot be.
pub async fn from_nothing(flags: &Flags, why: &str) -> String {
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
    let client = reqwest::Client::builder().danger_accept_invalid_certs(flags.tls.as_deref() == Some("auto")).timeout(Duration::from_secs(2)).build().expect("a client");
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
