//! A client that costs little: one kept-alive connection, prepared requests, answers read to their end.

use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 64 << 10] }
    }

    /// Sends a prepared request and gives the status and the body.
    pub(crate) fn send(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        loop {
            let count = self.stream.read(&mut self.buffer).unwrap();
            assert!(count > 0, "the daemon closed the connection");
            answer.extend_from_slice(&self.buffer[..count]);
            if let Some(whole) = whole(&answer) {
                return whole;
            }
        }
    }
}

fn whole(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok())
        .unwrap_or(0);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (answer.len() >= end + length).then(|| (status, answer[end..end + length].to_vec()))
}

/// A request as bytes.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let token = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{token}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
