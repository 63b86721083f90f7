//! Talks to the running daemon: HTTP over its admin socket.

use std::path::PathBuf;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::exit::{Exit, Failure};
use super::table::escaped;

/// Most items of a page.
const PAGE: usize = 1_000;

/// The daemon, as the command sees it.
pub(super) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Calls the daemon; a problem document becomes an error in words.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        let answer = answer(response.into_body()).await?;
        if status.is_success() { Ok(answer) } else { Err(refused(status, &answer)) }
    }

    /// Posts a wish about something that may have changed meanwhile; `false`: it is not there any more, or not as it was.
    pub(super) async fn post_where_possible(&self, path: &str) -> anyhow::Result<bool> {
        let response = self.send(Method::POST, path, Some(Value::Object(serde_json::Map::new()))).await?;
        match response.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(false),
            status => Err(refused(status, &answer(response.into_body()).await?)),
        }
    }

    /// Gets every page of a list: one answer with all items.
    pub(super) async fn all(&self, path: &str) -> anyhow::Result<Value> {
        self.pages(path, usize::MAX, None).await
    }

    /// Gets so many items of a list, from a place on: one answer, with where to go on.
    pub(super) async fn pages(&self, path: &str, most: usize, mut cursor: Option<String>) -> anyhow::Result<Value> {
        let join = if path.contains('?') { '&' } else { '?' };
        let mut items: Vec<Value> = Vec::new();
        // A page may hold fewer than were asked for, and say from where to go on all the same.
        while items.len() < most {
            let limit = most.saturating_sub(items.len()).min(PAGE);
            let from = cursor.map(|cursor| format!("&cursor={}", encode(&cursor))).unwrap_or_default();
            let mut answer = self.get(&format!("{path}{join}limit={limit}{from}")).await?;
            if let Some(Value::Array(page)) = answer.get_mut("items").map(Value::take) {
                items.extend(page);
            }
            cursor = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(serde_json::json!({"items": items, "next_cursor": cursor}))
    }

    /// Gets what is too large to be held: its body, as it comes.
    pub(super) async fn stream(&self, path: &str) -> anyhow::Result<Incoming> {
        let response = self.send(Method::GET, path, None).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        Err(refused(status, &answer(response.into_body()).await?))
    }

    /// Posts a file. A refusal that says what is wrong with its rows is an answer too: `Err` holds its report.
    pub(super) async fn post_file(&self, path: &str, file: Vec<u8>) -> anyhow::Result<Result<Value, Value>> {
        let response = self.send_bytes(Method::POST, path, "application/octet-stream", file.into()).await?;
        let status = response.status();
        let answer = answer(response.into_body()).await?;
        match answer.get("report") {
            _ if status.is_success() => Ok(Ok(answer)),
            Some(report) => Ok(Err(report.clone())),
            None => Err(refused(status, &answer)),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Response<Incoming>> {
        let bytes = body.map(|body| body.to_string()).unwrap_or_default();
        self.send_bytes(method, path, "application/json", bytes.into()).await
    }

    async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let socket = self.socket.display();
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|error| {
            let words =
                format!("no daemon answers at {socket} (is `musterd serve` running with the same settings?): {error}");
            Failure::new(Exit::Unreachable, words)
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "musterd")
            .header(CONTENT_TYPE, kind)
            .body(Full::new(body))?;
        sender.send_request(request).await.map_err(|error| {
            let hint = "are you root, the daemon's user, or in server.admin_uids?";
            let words = format!("the daemon at {socket} closed the connection ({hint}): {error}");
            Failure::new(Exit::Unreachable, words).into()
        })
    }
}

async fn answer(body: Incoming) -> anyhow::Result<Value> {
    let bytes = body.collect().await?.to_bytes();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).context("the answer is no JSON")
}

/// A problem document in words; what it repeats of the request is shown, not obeyed.
fn refused(status: StatusCode, problem: &Value) -> anyhow::Error {
    let text = |value: &Value, key: &str| escaped(value.get(key).and_then(Value::as_str).unwrap_or_default());
    let faults = problem.get("errors").and_then(Value::as_array);
    let words = match (faults, problem.get("detail")) {
        (Some(faults), _) => {
            let lines = faults.iter().map(|fault| format!("{} {}", text(fault, "field"), text(fault, "message")));
            lines.collect::<Vec<_>>().join("\n         ")
        }
        (None, Some(_)) => text(problem, "detail"),
        (None, None) => format!("the daemon answered {status}"),
    };
    Failure::new(Exit::of_problem(status.as_u16(), &text(problem, "code")), words).into()
}

/// Percent-encodes one segment of a path, or one value of a query.
pub(super) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
