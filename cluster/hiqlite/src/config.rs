//! Flags and environment, and what hiqlite is started with.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use hiqlite::tls::{ServerTlsConfig, ServerTlsConfigCerts};
use hiqlite::{LogSync, Node, NodeConfig};

/// A node of a replicated wfext: hiqlite (Raft over SQLite) with the extension in it, behind HTTP.
#[derive(Parser, Clone, Debug)]
#[command(name = "wfext-node", version)]
pub struct Flags {
    /// Which of the nodes this is
    #[arg(long, env = "WFEXT_NODE_ID")]
    pub id: u64,

    /// A node of the cluster, this one included: ID=HOST:PORT takes PORT for HTTP, the next for Raft and the one after for hiqlite;
    /// ID=HTTP,RAFT,HIQLITE names three addresses. One flag for each node, or separated by spaces in the variable. Node 1 begins the cluster.
    #[arg(long = "node", env = "WFEXT_NODES", required = true, value_delimiter = ' ')]
    pub nodes: Vec<Member>,

    /// Where log, database, snapshots and backups are kept; made if it is not there
    #[arg(long, env = "WFEXT_NODE_DATA")]
    pub data: PathBuf,

    /// The address to listen at; default: this node's own where that is a number, else all
    #[arg(long, env = "WFEXT_NODE_LISTEN")]
    pub listen: Option<IpAddr>,

    /// What the nodes know each other by: at least 16 characters, the same on all. Rather in the environment than on the command line
    #[arg(long, env = "WFEXT_NODE_SECRET", hide_env_values = true)]
    pub secret: String,

    /// What clients send as "Authorization: Bearer ..."; at least 16 characters
    #[arg(long, env = "WFEXT_NODE_TOKEN", hide_env_values = true)]
    pub token: String,

    /// TLS on all three ports: 'auto' (certificates made at start, which encrypt and prove nothing), or the file of a certificate
    #[arg(long, env = "WFEXT_NODE_TLS")]
    pub tls: Option<String>,

    /// The file of the certificate's key
    #[arg(long, env = "WFEXT_NODE_TLS_KEY")]
    pub tls_key: Option<String>,

    /// When a write is on disk: 'answer' before it is answered, on a majority; or so many milliseconds later ('200'), which loses answered writes
    /// when the machines lose power together
    #[arg(long, env = "WFEXT_NODE_FSYNC", default_value = "answer", value_parser = fsync)]
    pub fsync: Fsync,

    /// Milliseconds between the leader's signs of life
    #[arg(long, env = "WFEXT_NODE_HEARTBEAT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub heartbeat: u64,

    /// Milliseconds without one until a follower stands for election. It takes about three times as long at most until there is a new leader
    #[arg(long, env = "WFEXT_NODE_ELECTION", default_value_t = 300, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub election: u64,

    /// Entries of the log between two snapshots
    #[arg(long, env = "WFEXT_NODE_SNAPSHOT", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub snapshot: u64,

    /// Milliseconds until a write whose fate is unknown is answered so
    #[arg(long, env = "WFEXT_NODE_TIMEOUT", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=120_000))]
    pub timeout: u64,

    /// Reads at once
    #[arg(long, env = "WFEXT_NODE_READERS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub readers: u64,

    /// Long polls at once, a thread each
    #[arg(long, env = "WFEXT_NODE_WAITS", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub waits: u64,

    /// Bytes of a request at most
    #[arg(long, env = "WFEXT_NODE_MAX_BODY", default_value_t = 4 << 20, value_parser = clap::value_parser!(u64).range(1024..=16 << 20))]
    pub max_body: u64,

    /// Takes part without a vote: for reads nearby
    #[arg(long, env = "WFEXT_NODE_LEARNER")]
    pub learner: bool,

    /// Begins anew from this file, a backup or any other SQLite file: ALL that the data folder holds is deleted. On node 1; the others are started with
    /// an empty folder
    #[arg(long)]
    pub restore: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub id: u64,
    pub http: String,
    pub raft: String,
    pub api: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fsync {
    Answer,
    Later(u64),
}

fn fsync(text: &str) -> Result<Fsync, String> {
    if text == "answer" {
        return Ok(Fsync::Answer);
    }
    text.parse().ok().filter(|&ms| ms > 0).map(Fsync::Later).ok_or_else(|| format!("{text:?}: 'answer', or milliseconds greater than 0"))
}

/// HOST and PORT of an address; the host of IPv6 is in brackets.
pub fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("{address:?} has no port: HOST:PORT"))?;
    let port = port.parse::<u16>().ok().filter(|&port| port > 0).ok_or_else(|| format!("the port of {address:?} is none"))?;
    if host.is_empty() {
        return Err(format!("{address:?} has no host: HOST:PORT"));
    }
    Ok((host, port))
}

impl std::str::FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, addresses) = text.split_once('=').ok_or_else(|| format!("{text:?}: ID=HOST:PORT"))?;
        let id = id.parse::<u64>().ok().filter(|&id| id > 0).ok_or_else(|| format!("the id of {text:?} is no number from 1"))?;
        let parts: Vec<&str> = addresses.split(',').collect();
        for part in &parts {
            host_and_port(part)?;
        }
        match parts[..] {
            [http, raft, api] => Ok(Member { id, http: http.into(), raft: raft.into(), api: api.into() }),
            [http] => {
                let (host, port) = host_and_port(http)?;
                if port > u16::MAX - 2 {
                    return Err(format!("the port of {text:?} leaves no room for the next two"));
                }
                Ok(Member { id, http: http.into(), raft: format!("{host}:{}", port + 1), api: format!("{host}:{}", port + 2) })
            }
            _ => Err(format!("{text:?}: ID=HOST:PORT or ID=HTTP,RAFT,HIQLITE")),
        }
    }
}

impl Flags {
    /// What clap cannot see. The message names the flag.
    pub fn check(&self) -> Result<(), String> {
        let mut ids: Vec<u64> = self.nodes.iter().map(|node| node.id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("--node {} is there twice", pair[0]));
        }
        if !ids.contains(&self.id) {
            return Err(format!("--id {} is none of the nodes {ids:?}", self.id));
        }
        for (flag, given) in [("--secret", &self.secret), ("--token", &self.token)] {
            if given.len() < 16 {
                return Err(format!("{flag} has {} characters: at least 16", given.len()));
            }
        }
        if self.election < self.heartbeat * 2 {
            return Err(format!("--election {} is less than two times --heartbeat {}", self.election, self.heartbeat));
        }
        if let Some(file) = &self.restore {
            if self.id != 1 {
                return Err("--restore is for node 1: start the others with an empty --data".into());
            }
            if !file.is_file() {
                return Err(format!("--restore {} is no file", file.display()));
            }
        }
        match (self.tls.as_deref(), &self.tls_key) {
            (None | Some("auto"), Some(_)) => Err("--tls-key is for --tls CERTIFICATE".into()),
            (Some(name), None) if name != "auto" => Err("--tls CERTIFICATE wants --tls-key".into()),
            _ => Ok(()),
        }
    }

    pub fn this(&self) -> &Member {
        self.nodes.iter().find(|node| node.id == self.id).expect("checked")
    }

    pub fn tls(&self) -> Option<ServerTlsConfig> {
        match (self.tls.as_deref(), &self.tls_key) {
            (Some("auto"), _) => Some(ServerTlsConfig::TlsAutoCertificates),
            (Some(certificate), Some(key)) => Some(ServerTlsConfig::Specific(ServerTlsConfigCerts::new(key.clone(), certificate.to_string()))),
            _ => None,
        }
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    pub fn listen(&self) -> IpAddr {
        self.listen.unwrap_or_else(|| {
            let (host, _) = host_and_port(&self.this().http).expect("checked");
            host.trim_matches(['[', ']']).parse().unwrap_or(IpAddr::from([0, 0, 0, 0]))
        })
    }

    /// The file that hiqlite keeps.
    pub fn database(&self) -> PathBuf {
        self.data.join("state_machine/db/hiqlite.db")
    }

    /// For requests to the nodes. The certificates of 'auto' prove nothing.
    pub fn client(&self, timeout: Duration) -> reqwest::Client {
        reqwest::Client::builder().danger_accept_invalid_certs(self.tls.as_deref() == Some("auto")).timeout(timeout).build().expect("a client")
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout)
    }

    /// Bytes of a file of the log: an entry has to fit into one.
    pub fn wal_size(&self) -> u32 {
        (2 << 20).max(self.max_body as u32 * 2)
    }

    pub fn node_config(&self) -> NodeConfig {
        let listen = match self.listen() {
            IpAddr::V6(address) => format!("[{address}]"),
            address => address.to_string(),
        };
        let mut raft_config = NodeConfig::default_raft_config(self.snapshot);
        raft_config.heartbeat_interval = self.heartbeat;
        // A follower waits for the longest time (the lease of the leader) and then for one in between, which is drawn at its start.
        raft_config.election_timeout_min = self.election;
        raft_config.election_timeout_max = self.election * 3 / 2;
        NodeConfig {
            node_id: self.id,
            nodes: self.nodes.iter().map(|node| Node { id: node.id, addr_raft: node.raft.clone(), addr_api: node.api.clone() }).collect(),
            listen_addr_api: listen.clone().into(),
            listen_addr_raft: listen.into(),
            data_dir: self.data.to_string_lossy().into_owned().into(),
            filename_db: "hiqlite.db".into(),
            read_pool_size: 2, // the node reads on connections of its own: readers.rs
            wal_sync: match self.fsync {
                Fsync::Answer => LogSync::Immediate,
                Fsync::Later(ms) => LogSync::IntervalMillis(ms),
            },
            wal_size: self.wal_size(),
            raft_config,
            tls_raft: self.tls(),
            tls_api: self.tls(),
            secret_raft: self.secret.clone(),
            secret_api: self.secret.clone(),
            // Wanted for backups in S3, which are not made here.
            enc_keys: cryptr::EncKeys { enc_key_active: "unused".into(), enc_keys: vec![("unused".into(), vec![0; 32])] },
            health_check_delay: Duration::ZERO,
            learner_only: self.learner,
            ..NodeConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_one_address_or_three() {
        let short: Member = "2=10.0.0.2:7000".parse().unwrap();
        assert_eq!(short, "2=10.0.0.2:7000,10.0.0.2:7001,10.0.0.2:7002".parse().unwrap());
        let v6: Member = "3=[::1]:7000".parse().unwrap();
        assert_eq!(v6.api, "[::1]:7002");
        for wrong in ["", "1", "1=", "0=a:1", "x=a:1", "1=a", "1=:7", "1=a:0", "1=a:65534", "1=a:1,b:2"] {
            assert!(wrong.parse::<Member>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let flags = |more: &[&str]| {
            let mut all = vec!["wfext-node", "--id", "1", "--node", "1=127.0.0.1:7000", "--data", "/tmp/x", "--secret", "sixteen characters", "--token", "sixteen characters"];
            all.extend_from_slice(more);
            Flags::try_parse_from(all).map_err(|error| error.to_string())
        };
        assert!(flags(&[]).unwrap().check().is_ok());
        assert!(flags(&["--node", "1=127.0.0.1:8000"]).unwrap().check().unwrap_err().contains("twice"));
        assert!(flags(&["--election", "150"]).unwrap().check().unwrap_err().contains("--heartbeat"));
        assert!(flags(&["--tls", "cert.pem"]).unwrap().check().unwrap_err().contains("--tls-key"));
        assert!(flags(&["--fsync", "0"]).unwrap_err().contains("milliseconds"));
        assert!(flags(&["--restore", "/nowhere"]).unwrap().check().unwrap_err().contains("/nowhere"));
    }
}
