//! Whether node 1, which has nothing, begins a cluster or joins one.
//!
//! hiqlite (0.15) asks the first of the other nodes, once, and where that one does not answer it begins: a node 1 whose disk was lost would then lead a second cluster, alone, and accept
//! writes. So it is asked here before, until that can be known, and hiqlite asks the node first that knew.

use std::time::{Duration, Instant};

use hiqlite::{Client, Node};

use crate::anew;
use crate::config::Flags;

/// What a node says of its membership: an error where it has none. None: it does not answer.
pub async fn membership(flags: &Flags, client: &reqwest::Client, api: &str) -> Option<Result<(), String>> {
    let url = format!("{}://{api}/cluster/membership/sqlite", flags.scheme());
    let answer = client.get(url).header("X-API-SECRET", &flags.secret).send().await.ok()?;
    let is_member = answer.status().is_success();
    let text = answer.bytes().await.ok()?;
    Some(if is_member { Ok(()) } else { Err(String::from_utf8_lossy(&text).into_owned()) })
}

/// Waits until another node knows of a cluster (true, and it stands first among `nodes`), or enough say that they know of none to be half of all with this one.
pub async fn knows_of_a_cluster(flags: &Flags, nodes: &mut [Node]) -> bool {
    let begins = flags.id == 1 && flags.restore.is_none() && nodes.len() > 1 && !flags.data.join("logs").exists();
    if !begins {
        return false;
    }
    let client = flags.client(Duration::from_secs(5));
    let begun = Instant::now();
    let mut said = 0;
    loop {
        let mut know_of_none = 0;
        for at in 0..nodes.len() {
            if nodes[at].id == flags.id {
                continue;
            }
            match membership(flags, &client, &nodes[at].addr_api).await {
                Some(Ok(())) => {
                    nodes.swap(0, at);
                    return true;
                }
                Some(Err(_)) => know_of_none += 1,
                None => {}
            }
        }
        if know_of_none >= nodes.len() / 2 && !anew::is_from_nothing(flags) {
            return false;
        }
        if begun.elapsed().as_secs() / 10 > said {
            said += 1;
            eprintln!("wfext-node: waits for other nodes to say whether there is a cluster already");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// It has begun a cluster of one.
pub async fn is_alone(flags: &Flags, client: &Client) -> bool {
    client.metrics_db().await.is_ok_and(|metrics| metrics.membership_config.voter_ids().eq([flags.id]))
}
