//! An HTTP server that does one thing to every request, over TLS or not, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::certificates::file;

/// What it does once it was asked.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers with these bytes, and closes.
    Says(String),
    /// Fails where the body holds this text, and takes the rest.
    Minds(String),
    /// Nothing, with the connection open.
    Hangs,
    /// Closes the connection.
    Drops,
    /// Answers, and never comes to an end.
    Floods,
    /// Answers byte by byte, and takes for ever.
    Trickles,
}

impl Does {
    /// An answer with this status, headers and body.
    pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Self {
        Self::Says(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The first line, without the version.
    pub(crate) line: String,
    head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = found.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
        found.next().unwrap_or_default()
    }
}

/// A running server on 127.0.0.1; ends with the runtime.
pub(crate) struct WebServer {
    /// `127.0.0.1:port`
    pub(crate) authority: String,
    does: Arc<Mutex<Does>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl WebServer {
    /// Without a certificate, in plain text.
    pub(crate) async fn start(certificate: Option<&str>, does: Does) -> Self {
        let acceptor = certificate.map(acceptor);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let remembered = asked.clone();
        let does = Arc::new(Mutex::new(does));
        let doing = does.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, does, asked) = (acceptor.clone(), doing.clone(), remembered.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &does, &asked).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            serve(stream, &does, &asked).await;
                        }
                    }
                });
            }
        });
        Self { authority, does, asked }
    }

    /// Does something else from now on.
    pub(crate) fn turns_to(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn acceptor(certificate: &str) -> TlsAcceptor {
    let chain =
        CertificateDer::pem_file_iter(file(&format!("{certificate}.pem"))).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, does: &Mutex<Does>, asked: &Mutex<Vec<Asked>>) {
    let Some(request) = read(&mut stream).await else { return };
    asked.lock().unwrap().push(request.clone());
    let does = match does.lock().unwrap().clone() {
        Does::Minds(text) if request.body.contains(&text) => Does::answer("500 Internal Server Error", "", ""),
        Does::Minds(_) => Does::answer("200 OK", "", ""),
        does => does,
    };
    match does {
        Does::Says(bytes) => {
            drop(stream.write_all(bytes.as_bytes()).await);
            drop(stream.shutdown().await);
        }
        Does::Hangs | Does::Minds(_) => std::future::pending().await,
        Does::Drops => {}
        Does::Floods => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await);
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
        }
        Does::Trickles => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await);
            while stream.write_all(b"x").await.is_ok() {
                drop(stream.flush().await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
            let asked = Asked { line, head: head.to_owned(), body: body.to_owned() };
            let length: usize = asked.header("content-length").parse().unwrap_or(0);
            if body.len() >= length {
                return Some(asked);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
