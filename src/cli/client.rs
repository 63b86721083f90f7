//! Talks to the running daemon: HTTP over its admin socket.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

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

    /// Gets every page of a list, by a path that has a query already: one answer with all items.
    pub(super) async fn all(&self, path: &str) -> anyhow::Result<Value> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let from = cursor.map(|cursor| format!("&cursor={}", encode(&cursor))).unwrap_or_default();
            let answer = self.get(&format!("{path}&limit=1000{from}")).await?;
            items.extend(answer.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
            cursor = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(serde_json::json!({"items": items, "next_cursor": null}));
            }
        }
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

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Response<Incoming>> {
        let socket = self.socket.display();
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.with_context(|| {
            format!("no daemon answers at {socket} (is `musterd serve` running with the same settings?)")
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let bytes = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "musterd")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(bytes)))?;
        sender.send_request(request).await.with_context(|| {
            format!("the daemon at {socket} closed the connection (are you root, the daemon's user, or in server.admin_uids?)")
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

fn refused(status: StatusCode, problem: &Value) -> anyhow::Error {
    let faults = problem.get("errors").and_then(Value::as_array);
    if let Some(faults) = faults {
        let text = |fault: &Value, key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let lines = faults.iter().map(|fault| format!("{} {}", text(fault, "field"), text(fault, "message")));
        return anyhow!("{}", lines.collect::<Vec<_>>().join("\n         "));
    }
    let detail = problem.get("detail").and_then(Value::as_str);
    detail.map_or_else(|| anyhow!("the daemon answered {status}"), |detail| anyhow!("{detail}"))
}

/// Percent-encodes one segment of a path, or one value of a query.
pub(super) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
