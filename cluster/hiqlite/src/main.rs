//! wfext-node: a node of a cluster that keeps workflows on several machines. docs/cluster.md
//!
//!   config      flags and environment
//!   anew        a node that cannot go on as it is
//!   log         what a kill leaves behind in the log
//!   first       whether node 1 begins a cluster
//!   api         HTTP
//!   cluster     who leads, writing through the log
//!   batch       what every node does for one entry of it
//!   judge       what a statement of an entry may not do
//!   statements  SQL as it comes in, and what one statement gives
//!   functions   those whose results differ from node to node
//!   readers     connections that only read
//!   files       backup and restore

mod anew;
mod api;
mod batch;
mod cluster;
mod config;
mod extension;
mod files;
mod first;
mod functions;
mod judge;
mod log;
mod readers;
mod statements;
mod values;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use serde_json::{Value as Json, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Node;
use crate::batch::Request;
use crate::config::{Flags, host_and_port};
use crate::readers::Readers;
use crate::statements::{Params, Statement};

fn main() {
    let flags = Flags::parse();
    if let Err(why) = flags.check() {
        use clap::CommandFactory;
        Flags::command().error(ErrorKind::ValueValidation, why).exit();
    }
    // What is logged goes to the error output: RUST_LOG=info says more.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,hiqlite=error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if let Err(why) = run(flags) {
        eprintln!("wfext-node: {why}");
        std::process::exit(1);
    }
}

fn run(flags: Flags) -> Result<(), String> {
    std::fs::create_dir_all(&flags.data).map_err(|error| format!("--data {}: {error}", flags.data.display()))?;
    extension::register().map_err(|error| error.to_string())?;
    let _lock = anew::alone(&flags)?;
    files::prepare_restore(&flags)?;
    log::tidy(&flags.data)?;
    anew::guard(&flags);
    batch::DATA.set(flags.data.clone()).expect("set once");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(flags.waits as usize + flags.readers as usize + 64)
        .build()
        .map_err(|error| error.to_string())?;
    let stopped = runtime.block_on(serve(flags));
    anew::stopping();
    runtime.shutdown_timeout(Duration::from_secs(1));
    stopped
}

async fn serve(flags: Flags) -> Result<(), String> {
    let mut stop = Box::pin(asked_to_stop());
    let starting = tokio::spawn(watch_the_start(flags.clone()));
    let client = tokio::select! {
        started = start(&flags) => started?,
        () = &mut stop => return Ok(()), // it waits for the others: nothing has begun
    };
    starting.abort();
    files::restored(&flags);
    let (_, port) = host_and_port(&flags.this().http)?;
    let address = SocketAddr::new(flags.listen(), port);
    let tls = flags.tls();
    let node = Arc::new(Node {
        readers: Readers::new(flags.database(), flags.readers as usize),
        waits: Readers::new(flags.database(), flags.waits as usize),
        cluster: cluster::Cluster::new(flags, client),
        prepared: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        counts: Default::default(),
    });
    tokio::spawn(prepare(node.clone()));
    tokio::spawn(watch(node.clone()));
    tokio::spawn(vote(node.clone()));

    let handle = axum_server::Handle::new();
    let app = api::router(node.clone()).into_make_service();
    let listener = std::net::TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener)).map_err(|error| format!("{address}: {error}"))?;
    let server = match tls {
        Some(tls) => {
            let config = tls.server_config(&address.to_string()).await;
            let server = axum_server::from_tcp_rustls(listener, config).map_err(|error| error.to_string())?.handle(handle.clone());
            tokio::spawn(async move { server.serve(app).await })
        }
        None => {
            let server = axum_server::from_tcp(listener).map_err(|error| error.to_string())?.handle(handle.clone());
            tokio::spawn(async move { server.serve(app).await })
        }
    };
    println!("wfext-node {} listens at {}://{address}", node.cluster.flags.id, node.cluster.flags.scheme());
    stop.await;
    // hiqlite goes on for some seconds, in which what is under way is answered.
    node.stopping.store(true, Ordering::Release);
    anew::stopping();
    node.cluster.stop().await;
    handle.graceful_shutdown(Some(Duration::from_millis(500)));
    let _ = server.await;
    Ok(())
}

async fn asked_to_stop() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a handler");
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
}

/// hiqlite, once it has started; never, where Raft has ended meanwhile.
async fn start(flags: &Flags) -> Result<hiqlite::Client, String> {
    let mut config = flags.node_config();
    let known = first::knows_of_a_cluster(flags, &mut config.nodes).await;
    match hiqlite::start_node(config).await {
        Ok(client) => {
            if known && first::is_alone(flags, &client).await {
                anew::log_is_of_no_use("it has begun a cluster of its own, and there is one already".into());
                std::future::pending::<()>().await;
            }
            return Ok(client);
        }
        Err(error @ hiqlite::Error::WAL(_)) => anew::log_is_of_no_use(error.to_string()),
        Err(error @ (hiqlite::Error::RaftErrorFatal(_) | hiqlite::Error::RaftError(_))) => anew::raft_has_ended(error.to_string()),
        Err(error) => return Err(error.to_string()),
    }
    std::future::pending().await
}

/// While hiqlite starts, and asks the numbers of a Raft that has ended for a sign of life: it tells others that it has.
async fn watch_the_start(flags: Flags) {
    let client = flags.client(Duration::from_secs(5));
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Some(Err(why)) = first::membership(&flags, &client, flags.this().api.as_str()).await
            && why.contains("RaftErrorFatal")
        {
            anew::raft_has_ended(why);
        }
    }
}

/// Raft has ended over its log or its database, and hiqlite goes on without it.
async fn watch(node: Arc<Node>) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Err(why) = node.cluster.view().await {
            anew::raft_has_ended(why);
        }
    }
}

/// A member without a vote, which it is to have, asks for it.
async fn vote(node: Arc<Node>) {
    let id = node.cluster.flags.id;
    while !node.cluster.flags.learner {
        match node.cluster.view().await {
            Ok(view) if view.voters.contains(&id) => return,
            Ok(view) if view.members.contains_key(&id) && view.leader.is_some_and(|leader| leader != id) => node.cluster.ask_for_a_vote().await,
            _ => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What no other restore says: tokens of two that were restored from one backup differ by it.
fn recovery_id() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", since.as_nanos(), std::process::id())
}

/// The file is put into explicit mode by whoever leads, before anything else is written. After a restore all leases are void.
async fn prepare(node: Arc<Node>) {
    let restored = node.cluster.flags.restore.is_some();
    let mut recovered = !restored;
    // Of one id, so that it is done once where the first answer was lost.
    let recovery = json!({"now": api::now() as f64 / 1000.0, "id": recovery_id()}).to_string();
    while !(is_explicit(&node).await && recovered) {
        let leads = node.cluster.view().await.is_ok_and(|view| view.leader == Some(node.cluster.flags.id));
        if leads {
            let mut statements = vec![Statement::Plain("SELECT wf_init()".into()), Statement::Plain("SELECT wf_config('clock', 'explicit')".into())];
            if restored {
                statements.push(Statement::Bound(("SELECT wf_recover(?)".into(), Params::Positions(vec![json!(recovery)]))));
            }
            match node.cluster.write(&Request { each: false, statements }).await {
                Ok(text) => match serde_json::from_str::<Json>(&text) {
                    Ok(result) if result.get("error").is_none() => recovered = true,
                    _ => tracing::error!("the file cannot be put into explicit mode: {text}"),
                },
                Err(_) => tracing::info!("no leader yet"),
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    node.prepared.store(true, Ordering::Release);
}

async fn is_explicit(node: &Arc<Node>) -> bool {
    let ask = Statement::Plain("SELECT wf_config('clock')".into());
    match node.readers.read(vec![ask], true).await {
        Ok(results) => results[0]["rows"][0][0] == "explicit",
        Err(_) => false,
    }
}
