//! The HTTP API: docs/cluster.md says what each request takes and gives.
//!
//! A status says what has happened: 200 done; 400, 401, 404, 413 a wrong request; 307 another node leads, and nothing was done; 422 SQLite refused a
//! statement, and nothing of its transaction was written; 503 nothing was done, or, with "outcome": "unknown", perhaps it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, OriginalUri, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::batch::Request;
use crate::cluster::{Cluster, View, WriteError};
use crate::files;
use crate::readers::{ReadError, Readers};
use crate::statements::{Failure, Params, Statement, may_be_written};

pub struct Node {
    pub cluster: Cluster,
    pub readers: Arc<Readers>,
    pub waits: Arc<Readers>,
    /// The file is in explicit mode, so that writing is the same on all nodes
    pub prepared: AtomicBool,
    pub stopping: AtomicBool,
    pub counts: Counts,
}

#[derive(Default)]
pub struct Counts {
    writes: AtomicU64,
    refused: AtomicU64,
    redirected: AtomicU64,
    unknown: AtomicU64,
    reads: AtomicU64,
    waits: AtomicU64,
    write_micros: AtomicU64,
}

type App = State<Arc<Node>>;
type Answer = Result<Response, Response>;

pub fn router(node: Arc<Node>) -> Router {
    let max_body = node.cluster.flags.max_body;
    Router::new()
        .route("/write", post(write))
        .route("/read", post(read))
        .route("/wait", post(wait))
        .route("/cluster", get(cluster))
        .route("/leave", post(leave))
        .route("/backup", get(backup))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(node.clone(), knows_the_token))
        .route("/health", get(health))
        .fallback(|| async { answer(StatusCode::NOT_FOUND, json!({"error": {"code": "NOT_FOUND", "message": "/write /read /wait /cluster /leave /backup /metrics /health"}})) })
        .layer(DefaultBodyLimit::max(max_body as usize))
        .with_state(node)
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn answer(status: StatusCode, body: Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn wrong(message: impl Into<String>) -> Response {
    answer(StatusCode::BAD_REQUEST, json!({"error": {"code": "BAD_REQUEST", "message": message.into()}}))
}

fn refused(failure: &Failure) -> Response {
    answer(StatusCode::UNPROCESSABLE_ENTITY, json!({"error": {"code": "SQLITE", "sqlite": failure.code, "extended": failure.extended, "message": failure.message, "statement": failure.statement}}))
}

fn unavailable(code: &str, outcome: &str, message: &str) -> Response {
    answer(StatusCode::SERVICE_UNAVAILABLE, json!({"error": {"code": code, "outcome": outcome, "message": message}}))
}

/// The same for every token, however much of it is right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}

async fn knows_the_token(State(node): App, headers: HeaderMap, request: axum::extract::Request, next: middleware::Next) -> Response {
    let given = headers.get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    let token = given.strip_prefix(b"Bearer ").unwrap_or(&[]);
    if same(token, node.cluster.flags.token.as_bytes()) {
        return next.run(request).await;
    }
    answer(StatusCode::UNAUTHORIZED, json!({"error": {"code": "UNAUTHORIZED", "message": "the header Authorization: Bearer TOKEN is missing or wrong"}}))
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
}

impl Node {
    async fn view(&self) -> Result<View, Response> {
        self.cluster.view().await.map_err(|error| unavailable("STOPPED", "none", &error))
    }

    /// Where the leader is, if it is not here.
    async fn elsewhere(&self, leader: Option<u64>, uri: &axum::http::Uri) -> Response {
        self.counts.redirected.fetch_add(1, Ordering::Relaxed);
        let view = self.cluster.view().await.ok();
        let url = leader.and_then(|id| view.and_then(|view| view.members.get(&id).cloned()));
        match (leader, url) {
            (Some(id), Some(url)) if id != self.cluster.flags.id => {
                let body = json!({"error": {"code": "NOT_LEADER", "outcome": "none", "message": format!("node {id} leads"), "leader": {"id": id, "url": url}}});
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{url}{path}")), (header::CONTENT_TYPE, "application/json".into())], body.to_string()).into_response()
            }
            _ => unavailable("NO_LEADER", "none", "there is no leader at the moment"),
        }
    }

    async fn failed(&self, error: WriteError, uri: &axum::http::Uri) -> Response {
        match error {
            WriteError::NotLeader(leader) => self.elsewhere(leader, uri).await,
            WriteError::TooLong(message) => answer(StatusCode::PAYLOAD_TOO_LARGE, json!({"error": {"code": "TOO_LONG", "message": message}})),
            WriteError::Unknown(message) => {
                self.counts.unknown.fetch_add(1, Ordering::Relaxed);
                unavailable("UNKNOWN", "unknown", &message)
            }
        }
    }
}

async fn write(State(node): App, OriginalUri(uri): OriginalUri, body: Bytes) -> Answer {
    let request: Request = parse(&body)?;
    if request.statements.is_empty() {
        return Err(wrong("\"statements\" is empty"));
    }
    for (at, statement) in request.statements.iter().enumerate() {
        may_be_written(statement).map_err(|failure| refused(&failure.at(at)))?;
    }
    if !node.prepared.load(Ordering::Acquire) {
        return Err(unavailable("STARTING", "none", "this node is starting"));
    }
    let begun = Instant::now();
    let text = match node.cluster.write(&request).await {
        Ok(text) => text,
        Err(error) => return Err(node.failed(error, &uri).await),
    };
    node.counts.writes.fetch_add(1, Ordering::Relaxed);
    node.counts.write_micros.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    let result: Json = serde_json::from_str(&text).map_err(|error| unavailable("UNKNOWN", "unknown", &error.to_string()))?;
    match result.get("error").map(|error| serde_json::from_value::<Failure>(error.clone())) {
        None => Ok(answer(StatusCode::OK, result)),
        Some(Ok(failure)) => {
            node.counts.refused.fetch_add(1, Ordering::Relaxed);
            Err(refused(&failure))
        }
        Some(Err(error)) => Err(unavailable("UNKNOWN", "unknown", &error.to_string())),
    }
}

#[derive(Deserialize)]
struct Read {
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Level {
    #[serde(default)]
    level: Option<String>,
}

async fn read(State(node): App, OriginalUri(uri): OriginalUri, Query(level): Query<Level>, body: Bytes) -> Answer {
    let Read { statements } = parse(&body)?;
    if statements.is_empty() {
        return Err(wrong("\"statements\" is empty"));
    }
    match level.level.as_deref().unwrap_or("leader") {
        "local" => {}
        "leader" => {
            let view = node.view().await?;
            if view.leader != Some(node.cluster.flags.id) {
                return Err(node.elsewhere(view.leader, &uri).await);
            }
            if !view.up_to_date {
                return Err(unavailable("NO_LEADER", "none", "this node leads since a moment ago, and has not yet read all of its log"));
            }
        }
        "strong" => {
            if let Err(error) = node.cluster.confirm().await {
                return Err(node.failed(error, &uri).await);
            }
        }
        other => return Err(wrong(format!("the level {other:?} is none of local, leader, strong"))),
    }
    node.counts.reads.fetch_add(1, Ordering::Relaxed);
    match node.readers.read(statements, true).await {
        Ok(results) => Ok(answer(StatusCode::OK, json!({"results": results}))),
        Err(ReadError::Failed(failure)) => Err(refused(&failure)),
        Err(ReadError::Full) => Err(unavailable("FULL", "none", "all readers are in use")),
    }
}

#[derive(Deserialize)]
struct Wait {
    timeout: f64,
    #[serde(default)]
    options: Json,
}

async fn wait(State(node): App, body: Bytes) -> Answer {
    let Wait { timeout, options } = parse(&body)?;
    if !(0.0..=600.0).contains(&timeout) {
        return Err(wrong(format!("the timeout {timeout} is not between 0 and 600 seconds")));
    }
    let options = if options.is_null() { json!({}) } else { options };
    let statement = Statement::Bound(("SELECT wf_wait(?, ?)".into(), Params::Positions(vec![json!(timeout), json!(options.to_string())])));
    node.counts.waits.fetch_add(1, Ordering::Relaxed);
    match node.waits.read(vec![statement], false).await {
        Ok(results) => Ok(answer(StatusCode::OK, json!({"result": results[0]["rows"][0][0]}))),
        Err(ReadError::Failed(failure)) => Err(refused(&failure)),
        Err(ReadError::Full) => Err(unavailable("FULL", "none", "too many long polls: see --waits")),
    }
}

async fn cluster(State(node): App) -> Answer {
    let view = node.view().await?;
    let members: Vec<Json> = view.members.iter().map(|(id, url)| json!({"id": id, "url": url, "voter": view.voters.contains(id)})).collect();
    Ok(answer(
        StatusCode::OK,
        json!({"node": node.cluster.flags.id, "state": view.state, "leader": view.leader, "term": view.term, "applied": view.applied, "last_log": view.last_log, "time": now(), "members": members}),
    ))
}

async fn health(State(node): App) -> Response {
    match node.cluster.view().await {
        Ok(view) => {
            let id = node.cluster.flags.id;
            let member = view.members.contains_key(&id) && (node.cluster.flags.learner || view.voters.contains(&id));
            let healthy = member && view.leader.is_some() && node.prepared.load(Ordering::Acquire) && !node.stopping.load(Ordering::Acquire);
            let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            answer(status, json!({"healthy": healthy, "node": id, "state": view.state, "leader": view.leader, "time": now()}))
        }
        Err(error) => unavailable("STOPPED", "none", &error),
    }
}

#[derive(Deserialize)]
struct Leave {
    node: u64,
}

async fn leave(State(node): App, OriginalUri(uri): OriginalUri, body: Bytes) -> Answer {
    let Leave { node: id } = parse(&body)?;
    let view = node.view().await?;
    if view.leader != Some(node.cluster.flags.id) {
        return Err(node.elsewhere(view.leader, &uri).await);
    }
    if !view.members.contains_key(&id) {
        return Err(answer(StatusCode::NOT_FOUND, json!({"error": {"code": "NOT_FOUND", "message": format!("there is no node {id}")}})));
    }
    if view.members.len() == 1 {
        return Err(wrong(format!("node {id} is the last one")));
    }
    node.cluster.remove(id).await.map_err(|error| unavailable("UNKNOWN", "unknown", &error))?;
    Ok(answer(StatusCode::OK, json!({"left": id})))
}

async fn backup(State(node): App) -> Answer {
    let failed = |message: String| answer(StatusCode::INTERNAL_SERVER_ERROR, json!({"error": {"code": "FAILED", "message": message}}));
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let path = node.cluster.flags.data.join(format!("backup-{}.db", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let source = node.readers.open().map_err(|failure| refused(&failure))?;
    let target = path.clone();
    let copied = tokio::task::spawn_blocking(move || files::copy(&source, &target)).await.expect("copying does not panic");
    copied.map_err(|failure| failed(failure.message))?;
    let opened = tokio::fs::File::open(&path).await;
    let _ = std::fs::remove_file(&path); // it lives until it is read
    let file = opened.map_err(|error| failed(error.to_string()))?;
    let length = file.metadata().await.map_err(|error| failed(error.to_string()))?.len();
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(file));
    Ok(([(header::CONTENT_TYPE, "application/vnd.sqlite3".to_string()), (header::CONTENT_LENGTH, length.to_string())], body).into_response())
}

async fn metrics(State(node): App) -> Answer {
    let view = node.view().await?;
    let is_leader = (view.leader == Some(node.cluster.flags.id)) as u64;
    let counts = &node.counts;
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let lines: [(&str, &str, u64, &str); 14] = [
        ("wfext_node_is_leader", "gauge", is_leader, "1 on the node that leads"),
        ("wfext_node_has_leader", "gauge", view.leader.is_some() as u64, "1 while a leader is known"),
        ("wfext_node_term", "counter", view.term, "elections so far"),
        ("wfext_node_last_log", "counter", view.last_log, "last entry of the log"),
        ("wfext_node_applied", "counter", view.applied, "last entry that the database has"),
        ("wfext_node_members", "gauge", view.members.len() as u64, "nodes of the cluster"),
        ("wfext_node_voters", "gauge", view.voters.len() as u64, "nodes with a vote"),
        ("wfext_node_writes_total", "counter", of(&counts.writes), "requests that went through the log here"),
        ("wfext_node_write_microseconds_total", "counter", of(&counts.write_micros), "what they took together"),
        ("wfext_node_writes_refused_total", "counter", of(&counts.refused), "requests whose statement failed"),
        ("wfext_node_writes_unknown_total", "counter", of(&counts.unknown), "requests whose fate is unknown"),
        ("wfext_node_redirected_total", "counter", of(&counts.redirected), "requests that were sent to the leader"),
        ("wfext_node_reads_total", "counter", of(&counts.reads), "reads"),
        ("wfext_node_waits_total", "counter", of(&counts.waits), "long polls"),
    ];
    let mut text = String::new();
    for (name, kind, value, help) in lines {
        text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    text += &format!("# HELP wfext_node_waiting long polls under way\n# TYPE wfext_node_waiting gauge\nwfext_node_waiting {}\n", node.waits.under_way());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
