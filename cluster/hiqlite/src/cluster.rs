//! This node's place among the others: who leads, writing through the log, leaving.

use std::collections::BTreeMap;
use std::time::Duration;

use hiqlite::{Client, Param};
use serde_json::json;
use tokio::time::timeout;

use crate::batch;
use crate::config::{Flags, host_and_port};

pub struct Cluster {
    pub flags: Flags,
    client: Client,
    http: reqwest::Client,
}

pub enum WriteError {
    /// Nothing was written: another node leads (its id, where it is known)
    NotLeader(Option<u64>),
    /// Nothing was written: the request does not fit into the log
    TooLong(String),
    /// It may have been written, or may still be
    Unknown(String),
}

/// What a node knows of the cluster.
pub struct View {
    pub leader: Option<u64>,
    pub term: u64,
    pub state: String,
    pub applied: u64,
    /// It has applied an entry of this term: the leader that has knows all that was answered before
    pub up_to_date: bool,
    pub last_log: u64,
    pub voters: Vec<u64>,
    pub members: BTreeMap<u64, String>, // id and address for HTTP
}

impl Cluster {
    pub fn new(flags: Flags, client: Client) -> Cluster {
        let http = flags.client(Duration::from_secs(60));
        Cluster { flags, client, http }
    }

    pub async fn view(&self) -> Result<View, String> {
        let metrics = self.client.metrics_db().await.map_err(|error| error.to_string())?;
        metrics.running_state.as_ref().map_err(|error| error.to_string())?;
        let members = metrics.membership_config.nodes().map(|(id, node)| (*id, self.http_address(*id, &node.addr_raft))).collect();
        Ok(View {
            leader: metrics.current_leader,
            term: metrics.current_term,
            state: format!("{:?}", metrics.state).to_lowercase(),
            applied: metrics.last_applied.map_or(0, |log| log.index),
            up_to_date: metrics.last_applied.is_some_and(|log| log.leader_id.term == metrics.current_term),
            last_log: metrics.last_log_index.unwrap_or(0),
            voters: metrics.membership_config.voter_ids().collect(),
            members,
        })
    }

    /// As the flags say; a node that has joined later listens one below its port for Raft.
    fn http_address(&self, id: u64, raft: &str) -> String {
        let known = self.flags.nodes.iter().find(|node| node.id == id).map(|node| node.http.clone());
        let address = known.or_else(|| host_and_port(raft).ok().map(|(host, port)| format!("{host}:{}", port - 1)));
        format!("{}://{}", self.flags.scheme(), address.unwrap_or_default())
    }

    /// hiqlite's client of this node, once it knows that this node leads: then it writes here, and not by a connection.
    ///
    /// By itself it learns so when its connection to the old leader breaks, at the earliest at its next try a second later, and where that machine is silent and not gone, after 35 s.
    /// But it looks at this node's own numbers when it is asked whether this node is as far as the leader is. How far it is matters to nobody here: what it waits for then is not waited for.
    async fn writer(&self) -> Result<&Client, WriteError> {
        if !self.client.is_leader_db().await {
            let _ = timeout(Duration::from_millis(20), self.client.wait_for_cluster_sync()).await;
            if !self.client.is_leader_db().await {
                return Err(WriteError::NotLeader(None));
            }
        }
        Ok(&self.client)
    }

    /// Runs a request on all nodes: its answer, as batch.rs makes it.
    pub async fn write(&self, request: &batch::Request) -> Result<String, WriteError> {
        let text = serde_json::to_string(request).expect("what was read can be written");
        // As it was read it was shorter: 1e15 is 1000000000000000.0. The log's writer ends over an entry that is longer than its files.
        let most = self.flags.wal_size() as usize - (64 << 10);
        if text.len() > most {
            return Err(WriteError::TooLong(format!("the request has {} bytes in the log: at most {most} (--max-body)", text.len())));
        }
        let view = self.view().await.map_err(|_| WriteError::NotLeader(None))?;
        if view.leader != Some(self.flags.id) {
            return Err(WriteError::NotLeader(view.leader));
        }
        let writer = self.writer().await?;
        let call = writer.execute_returning_one(batch::CALL, vec![Param::Text(text)]);
        match timeout(self.flags.timeout(), call).await {
            Err(_) => Err(WriteError::Unknown(format!("no majority of the nodes has answered within {} ms", self.flags.timeout))),
            Ok(Err(error)) => Err(WriteError::Unknown(error.to_string())),
            Ok(Ok(mut row)) => row.try_get::<String>("answer").map_err(|error| WriteError::Unknown(error.to_string())),
        }
    }

    /// Returns once this node, which leads, has heard from a majority that it does: what is read then is no older.
    pub async fn confirm(&self) -> Result<(), WriteError> {
        let view = self.view().await.map_err(|_| WriteError::NotLeader(None))?;
        if view.leader != Some(self.flags.id) {
            return Err(WriteError::NotLeader(view.leader));
        }
        let writer = self.writer().await?;
        match timeout(self.flags.timeout(), writer.query_consistent("SELECT 1", Vec::new())).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(WriteError::NotLeader(None)),
        }
    }

    /// Takes a node out of the cluster, for good. On the leader.
    pub async fn remove(&self, node: u64) -> Result<(), String> {
        let url = format!("{}://{}/cluster/membership/sqlite", self.flags.scheme(), self.flags.this().api);
        let body = json!({"node_id": node, "stay_as_learner": false}).to_string();
        let answer = self.http.delete(url).header("X-API-SECRET", &self.flags.secret).header("Content-Type", "application/json").body(body).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(answer.text().await.unwrap_or_default())
    }

    /// A learner that is to vote: the leader makes it a voter. hiqlite does so once, when a node joins; one that began anew in the middle of it would stay a learner.
    pub async fn ask_for_a_vote(&self) {
        let this = self.flags.this();
        let body = json!({"node_id": this.id, "addr_api": this.api, "addr_raft": this.raft}).to_string();
        for other in self.flags.nodes.iter().filter(|node| node.id != this.id) {
            let url = format!("{}://{}/cluster/become_member/sqlite", self.flags.scheme(), other.api);
            let request = self.http.post(url).header("X-API-SECRET", &self.flags.secret).header("Content-Type", "application/json").body(body.clone());
            if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
    }

    /// Takes about ten seconds in a cluster: hiqlite's pause, in which others take over.
    pub async fn stop(&self) {
        if let Err(error) = self.client.shutdown().await {
            tracing::error!("stopping: {error}");
        }
    }
}
