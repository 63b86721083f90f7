//! HTTP/1.1 to one service: TCP, TLS, one request after the other on a connection that is kept.
//!
//! It is small on purpose. It follows no redirect, unpacks nothing, uses no proxy, and takes no more of an answer than
//! it was told; each request has its time. It knows nothing of what it carries, and no secret stands in what it says.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, DATE, ETAG, HOST, HeaderMap, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::place::{Place, without_query};
use crate::base::clock::Stopwatch;

/// Most bytes of the head of an answer.
const HEAD_MAX: usize = 64 * 1024;
/// Most headers of an answer.
const HEADERS_MAX: usize = 100;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// What the caller's settings call the things that errors tell to look at.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Where the service is.
    pub(crate) url: &'static str,
    /// The certificates to trust.
    pub(crate) ca_file: &'static str,
    /// The time for TCP and TLS.
    pub(crate) connect: &'static str,
    /// The time for one request.
    pub(crate) request: &'static str,
    /// What to do where an answer is too large.
    pub(crate) too_large: &'static str,
}

/// How long things may take, and how much may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// TCP and TLS together.
    pub(crate) connect: Duration,
    /// One request to the last byte of its answer.
    pub(crate) request: Duration,
    /// Bytes of one answer.
    pub(crate) answer: usize,
    /// How the settings call these, for errors.
    pub(crate) keys: &'static Keys,
}

/// What is asked.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

impl Answer {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// When the server sent it, by the server's clock.
    pub(crate) fn date(&self) -> Option<&str> {
        self.header(DATE)
    }

    /// The media type, without its parameters.
    pub(crate) fn media_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE).and_then(|text| text.split(';').next()).map(str::trim)
    }

    pub(crate) fn etag(&self) -> Option<&str> {
        self.header(ETAG)
    }

    pub(crate) fn retry_after(&self) -> Option<&str> {
        self.header(RETRY_AFTER)
    }

    /// Where a redirect leads, as it may be shown.
    pub(crate) fn location(&self) -> Option<&str> {
        self.header(LOCATION).map(without_query)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// Nobody answers, or not in time, or the connection was lost.
    #[error("{0}")]
    Lost(String),
    /// TLS does not let us.
    #[error("{0}")]
    Tls(String),
    /// The server sent more than may be.
    #[error("{0}")]
    TooLarge(String),
}

/// A connection's bytes, in TLS or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A way to one service; connects when it is first used, and again when the connection was lost.
pub(crate) struct Wire {
    place: Place,
    limits: Limits,
    tls: Option<Arc<ClientConfig>>,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Wire {
    /// `tls` must be there where the place wants it.
    pub(crate) fn new(place: Place, limits: Limits, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { place, limits, tls, open: None }
    }

    /// Connects, and tells how.
    pub(crate) async fn connect(&mut self) -> Result<String, WireError> {
        let Limits { connect: limit, keys, .. } = self.limits;
        let opened = timeout(limit, open(&self.place, self.tls.as_ref(), keys)).await;
        let late = || WireError::Lost(format!("{}: no connection within {limit:?} ({})", self.place, keys.connect));
        let (open, about) = opened.map_err(|_| late())??;
        self.open = Some(open);
        Ok(about)
    }

    /// Asks once; on a connection that the server closed meanwhile, once more.
    pub(crate) async fn send(&mut self, ask: &Ask<'_>) -> Result<Answer, WireError> {
        let was_open = self.open.is_some();
        match self.send_once(ask).await {
            Err((WireError::Lost(_), false)) if was_open => self.send_once(ask).await.map_err(|(error, _)| error),
            outcome => outcome.map_err(|(error, _)| error),
        }
    }

    /// Asks once, and never again: for what must not be done twice.
    pub(crate) async fn send_at_most_once(&mut self, ask: &Ask<'_>) -> Result<Answer, WireError> {
        self.send_once(ask).await.map_err(|(error, _)| error)
    }

    /// With an error also whether any time was waited for an answer.
    async fn send_once(&mut self, ask: &Ask<'_>) -> Result<Answer, (WireError, bool)> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                self.connect().await.map_err(|error| (error, true))?;
                self.open.take().ok_or_else(|| (WireError::Lost("no connection".to_owned()), true))?
            }
        };
        let request = self.request(ask).map_err(|error| (error, true))?;
        let (Limits { request: limit, answer: most, keys, .. }, place) = (self.limits, &self.place);
        let lost = |error: hyper::Error| WireError::Lost(format!("{place}: {}", words(&error)));
        let watch = Stopwatch::start();
        let exchange = async {
            open.sender.ready().await.map_err(lost)?;
            let response = open.sender.send_request(request).await.map_err(lost)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, most).collect().await.map_err(|error| {
                if error.downcast_ref::<LengthLimitError>().is_some() {
                    WireError::TooLarge(format!("{place}: an answer is larger than {most} bytes: {}", keys.too_large))
                } else {
                    WireError::Lost(format!("{place}: the answer broke off"))
                }
            })?;
            Ok(Answer { status: head.status.as_u16(), body: body.to_bytes(), headers: head.headers })
        };
        let late = || (WireError::Lost(format!("{place}: no answer within {limit:?} ({})", keys.request)), true);
        let answer = match timeout(limit, exchange).await {
            Err(_) => return Err(late()),
            // What fails at once failed because the connection was gone already.
            Ok(outcome) => outcome.map_err(|error| (error, watch.elapsed() > Duration::from_millis(500)))?,
        };
        self.open = Some(open).filter(|open| !open.sender.is_closed());
        Ok(answer)
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, WireError> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(ask.target)
            .header(HOST, self.place.authority())
            .header(USER_AGENT, concat!("musterd/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        // The only texts in it that we did not make are the settings': a token with a line feed, say.
        let unusable = |_| WireError::Lost(format!("{}: a setting cannot stand in a request", self.place));
        request.body(Full::new(Bytes::from(ask.body.clone()))).map_err(unusable)
    }
}

/// Connects, with TLS where the place wants it, and tells how.
///
/// # Errors
/// Nobody answers, or the certificate is not to be trusted.
pub(crate) async fn connect(
    place: &Place,
    tls: Option<&Arc<ClientConfig>>,
    keys: &'static Keys,
) -> Result<(Box<dyn Stream>, String), WireError> {
    let tcp = tcp(place).await?;
    let address = tcp.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    match tls {
        Some(config) if place.tls => {
            let name = ServerName::try_from(place.host.clone());
            let name = name.map_err(|_| WireError::Tls(format!("`{}` in {} is no host name", place.host, keys.url)))?;
            let tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await;
            let tls = tls.map_err(|error| explain(&error, place, keys))?;
            let version = tls.get_ref().1.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
            Ok((Box::new(tls), format!("{place} ({address}), {version}")))
        }
        // Never in plain text where TLS is wanted.
        None if place.tls => Err(WireError::Tls("TLS is not set up".to_owned())),
        _ => Ok((Box::new(tcp), format!("{place} ({address}); no TLS: the connection stays on this host"))),
    }
}

async fn open(
    place: &Place,
    tls: Option<&Arc<ClientConfig>>,
    keys: &'static Keys,
) -> Result<(Open, String), WireError> {
    let (stream, about) = connect(place, tls, keys).await?;
    let handshake =
        http1::Builder::new().max_buf_size(HEAD_MAX).max_headers(HEADERS_MAX).handshake(TokioIo::new(stream));
    let (sender, connection) =
        handshake.await.map_err(|error| WireError::Lost(format!("{place}: {}", words(&error))))?;
    // How a connection ended is told to whoever waits for an answer on it.
    let driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
    Ok((Open { sender, _driver: driver }, about))
}

async fn tcp(place: &Place) -> Result<TcpStream, WireError> {
    let lost = |what: String| WireError::Lost(format!("{place}: {what}"));
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
    let found = found.map_err(|error| lost(format!("the host's address cannot be found: {error}")))?;
    let mut why = "the host has no address that may be used".to_owned();
    for address in found.filter(|address| place.may_use(address)).take(ADDRESSES_MAX) {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| lost(error.to_string()))?;
                return Ok(stream);
            }
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(lost(why))
}

/// What hyper says, with the reason below it.
fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What went wrong in a handshake, with the setting to look at.
fn explain(error: &std::io::Error, place: &Place, keys: &Keys) -> WireError {
    let Keys { url, ca_file, .. } = keys;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            format!(
                "the server's certificate is not signed by a trusted authority: set {ca_file} to the certificate of \
                 the one that signed it"
            )
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => format!("the server's certificate is not for this host: use a name in {url} that it carries"),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "the server's certificate has expired: renew it there".to_owned(),
        Some(rustls::Error::InvalidCertificate(fault)) => format!("the server's certificate is refused: {fault}"),
        Some(rustls::Error::InvalidMessage(_)) => format!("the server does not speak TLS here: check {url}"),
        Some(other) => format!("TLS failed: {other}"),
        None => return WireError::Lost(format!("{place}: the connection was lost while TLS began: {error}")),
    };
    WireError::Tls(format!("{place}: {why}"))
}
