//! The way to a directory server: TCP, StartTLS where it is wanted, TLS.
//!
//! StartTLS is spoken here, before the LDAP library sees the connection, so that not one byte from before
//! TLS can reach it (RFC 4513 §3.1.2): what comes along with the StartTLS answer ends the connection.
//! It refuses to send anything else in plain text to another host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::ber::{self, BerFault};
use super::certificate::{self, CertificateFacts};
use super::endpoint::{Endpoint, Protection};
use super::error::LinkError;
use super::tls;
use crate::base::clock::Stopwatch;

/// A connection's bytes, in TLS or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection on which LDAP can begin.
pub(crate) struct Connected {
    pub(crate) wire: Box<dyn Wire>,
    /// The address that answered.
    pub(crate) address: SocketAddr,
    /// Time until TCP was up.
    pub(crate) tcp_took: Duration,
    /// The TLS version and cipher suite, and the time until TLS was up; `None` on loopback without TLS.
    pub(crate) tls: Option<(String, Duration)>,
    /// The chain that the server presented, its own certificate first.
    pub(crate) certificates: Vec<CertificateFacts>,
}

/// A server silent for this long is asked by TCP whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;
/// The next address is tried after so long, while the one before may still answer.
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// Longest answer to StartTLS, in bytes.
const ANSWER_MAX: usize = 4096;

/// `LDAPMessage { 1, extendedReq { 1.3.6.1.4.1.1466.20037 } }` (RFC 4511 §4.14.1).
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Connects to one server; `limit` bounds everything together.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    config: &Arc<ClientConfig>,
    limit: Duration,
) -> Result<Connected, LinkError> {
    let watch = Stopwatch::start();
    let (tcp, address) = tcp(endpoint, limit).await?;
    let tcp_took = watch.elapsed();
    let rest = limit.saturating_sub(tcp_took);
    let late = |what| LinkError::Slow(format!("{endpoint}: {what} did not end within {limit:?} (connect_timeout)"));
    let secured = match endpoint.protection {
        Protection::Loopback => {
            return Ok(Connected { wire: Box::new(tcp), address, tcp_took, tls: None, certificates: Vec::new() });
        }
        Protection::Tls => timeout(rest, handshake(endpoint, config, tcp)).await.map_err(|_| late("TLS"))??,
        Protection::StartTls => {
            let secured = async { handshake(endpoint, config, start_tls(endpoint, tcp).await?).await };
            timeout(rest, secured).await.map_err(|_| late("StartTLS"))??
        }
    };
    let Secured { wire, about, certificates } = secured;
    let tls = Some((about, watch.elapsed().saturating_sub(tcp_took)));
    Ok(Connected { wire: Box::new(wire), address, tcp_took, tls, certificates })
}

/// Finds the host's addresses and connects to one of them.
async fn tcp(endpoint: &Endpoint, limit: Duration) -> Result<(TcpStream, SocketAddr), LinkError> {
    let watch = Stopwatch::start();
    let lost = |what: String| LinkError::Lost(format!("{endpoint}: {what}"));
    let found = timeout(limit, tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.filter(|address| may_use(endpoint, address)).take(ADDRESSES_MAX).collect(),
        Ok(Err(error)) => return Err(lost(format!("the host's address cannot be found: {error}"))),
        Err(_) => return Err(lost(format!("the host's address was not found within {limit:?} (connect_timeout)"))),
    };
    let (stream, address) = first_of(addresses, limit.saturating_sub(watch.elapsed())).await.map_err(lost)?;
    set_up(stream).map(|stream| (stream, address)).map_err(|error| lost(error.to_string()))
}

/// The first address that answers. The next one is tried when the one before failed or took a while, and then both
/// go on: a family of addresses that leads nowhere costs no more than that (RFC 8305 §5).
async fn first_of(addresses: Vec<SocketAddr>, limit: Duration) -> Result<(TcpStream, SocketAddr), String> {
    let watch = Stopwatch::start();
    let mut why = "the host has no address that may be used".to_owned();
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
            why = format!("{address} did not answer within {limit:?} (connect_timeout)");
        } else if attempts.is_empty() {
            return Err(why);
        }
        let left = limit.saturating_sub(watch.elapsed());
        let patience = if waiting.len() > 0 { left.min(NEXT_AFTER) } else { left };
        match timeout(patience, attempts.join_next()).await {
            Ok(Some(Ok((address, Ok(stream))))) => return Ok((stream, address)),
            Ok(Some(Ok((address, Err(error))))) => why = format!("{address}: {error}"),
            Err(_) if patience == left => return Err(why),
            // Time for the next address.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Plain text goes to this host only, whatever a name resolves to.
fn may_use(endpoint: &Endpoint, address: &SocketAddr) -> bool {
    endpoint.protection != Protection::Loopback || address.ip().is_loopback()
}

/// Without NODELAY each new TLS connection waits 40 ms for a delayed acknowledgement.
fn set_up(stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// What a handshake gave.
struct Secured {
    wire: TlsStream<TcpStream>,
    about: String,
    certificates: Vec<CertificateFacts>,
}

async fn handshake(endpoint: &Endpoint, config: &Arc<ClientConfig>, tcp: TcpStream) -> Result<Secured, LinkError> {
    let name = tls::server_name(&endpoint.host).map_err(LinkError::Tls)?;
    let connected = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, tcp).await;
    let stream = connected.map_err(|error| {
        let why = format!("{endpoint}: {}", tls::explain(&error, &endpoint.host));
        if tls::is_verdict(&error) { LinkError::Tls(why) } else { LinkError::Lost(why) }
    })?;
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown suite");
    let about = format!("{version}, {suite}");
    let certificates = certificate::chain(session.peer_certificates().unwrap_or_default());
    Ok(Secured { wire: stream, about, certificates })
}

/// Asks for TLS and reads exactly the answer.
async fn start_tls<S: AsyncRead + AsyncWrite + Unpin>(endpoint: &Endpoint, mut plain: S) -> Result<S, LinkError> {
    let lost = |error: std::io::Error| LinkError::Lost(format!("{endpoint}: lost during StartTLS: {error}"));
    let refused = |why: &str| LinkError::Tls(format!("{endpoint}: {why}"));
    plain.write_all(START_TLS).await.map_err(lost)?;
    let mut answer = Vec::with_capacity(64);
    let mut chunk = [0_u8; 512];
    loop {
        let count = plain.read(&mut chunk).await.map_err(lost)?;
        if count == 0 {
            return Err(LinkError::Lost(format!(
                "{endpoint}: the server closed the connection instead of starting TLS"
            )));
        }
        answer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        match start_tls_result(&answer) {
            Ok((0, 0)) => return Ok(plain),
            Ok((0, _)) => {
                return Err(refused("bytes came along with the StartTLS answer: somebody may have put them there"));
            }
            Ok((code, _)) => {
                return Err(refused(&format!("the server refused StartTLS (result code {code}): use ldaps://")));
            }
            Err(BerFault::Short) if answer.len() < ANSWER_MAX => {}
            Err(_) => return Err(refused("the answer to StartTLS is not LDAP; check port and scheme in urls")),
        }
    }
}

/// The result code of an ExtendedResponse with message id 1, and how many bytes follow the message.
fn start_tls_result(bytes: &[u8]) -> Result<(u32, usize), BerFault> {
    const EXTENDED_RESPONSE: u8 = 0x78;
    let (message, rest) = ber::take(ber::SEQUENCE, bytes)?;
    let inner = || -> Result<u32, BerFault> {
        let (id, body) = ber::take(ber::INTEGER, message)?;
        let (response, _) = ber::take(EXTENDED_RESPONSE, body)?;
        let (code, _) = ber::take(ber::ENUMERATED, response)?;
        if ber::small_integer(id)? != 1 {
            return Err(BerFault::Malformed);
        }
        ber::small_integer(code)
    };
    // The message is complete: whatever is short inside is malformed.
    inner().map(|code| (code, rest.len())).map_err(|_| BerFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUCCESS: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";

    fn endpoint() -> Endpoint {
        Endpoint::parse("ldap://ldap.example.org", true).unwrap()
    }

    async fn answered_with(answer: &[u8]) -> Result<(), String> {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let server = async {
            let mut request = vec![0; START_TLS.len()];
            theirs.read_exact(&mut request).await.unwrap();
            assert_eq!(request, START_TLS);
            theirs.write_all(answer).await.unwrap();
            drop(theirs);
        };
        let endpoint = endpoint();
        let (result, ()) = tokio::join!(start_tls(&endpoint, ours), server);
        result.map(drop).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn start_tls_goes_on_only_after_exactly_a_success() {
        assert_eq!(answered_with(SUCCESS).await, Ok(()));
        let smuggled = [SUCCESS, b"\x30\x05"].concat();
        assert!(answered_with(&smuggled).await.unwrap_err().contains("came along"));
        let refusal = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00";
        assert!(answered_with(refusal).await.unwrap_err().contains("result code 2"));
        for bad in [&b""[..], b"\x30", b"HTTP/1.1 400", b"\x30\x03\x02\x01\x02", b"\x30\x84\xff\xff\xff\xff"] {
            assert!(answered_with(bad).await.is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_to_another_message_is_no_success() {
        let other = b"\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert_eq!(start_tls_result(other), Err(BerFault::Malformed));
    }

    /// An address where connections are neither taken nor refused, as long as the sockets are kept.
    fn silent() -> (SocketAddr, socket2::Socket, Vec<socket2::Socket>) {
        let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let listener = new();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let fill = |_| {
            let client = new();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address);
            client
        };
        let clients = (0..4).map(fill).collect();
        (address.as_socket().unwrap(), listener, clients)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_or_refuses_does_not_keep_the_next_one_waiting() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = {
            let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            gone.local_addr().unwrap()
        };
        let (silent, _listener, _clients) = silent();
        let limit = Duration::from_secs(20);
        for first in [closed, silent] {
            let watch = Stopwatch::start();
            let (_, address) = first_of(vec![first, good], limit).await.unwrap();
            assert_eq!(address, good);
            assert!(watch.elapsed() < Duration::from_secs(5), "{first}: {:?}", watch.elapsed());
        }
        let watch = Stopwatch::start();
        let why = first_of(vec![silent, silent], Duration::from_millis(400)).await.unwrap_err();
        assert!(why.contains("connect_timeout") && watch.elapsed() < Duration::from_secs(5), "{why}");
        assert!(first_of(vec![closed], limit).await.unwrap_err().contains("refused"));
        assert!(first_of(Vec::new(), limit).await.is_err());
    }

    #[tokio::test]
    async fn addresses_of_both_kinds_are_connected_to() {
        for host in ["127.0.0.1", "::1"] {
            let Ok(listener) = tokio::net::TcpListener::bind((host, 0)).await else { continue };
            let address = listener.local_addr().unwrap();
            let endpoint = Endpoint::parse(&format!("ldap://{address}"), false).unwrap();
            let (stream, connected) = tcp(&endpoint, Duration::from_secs(5)).await.unwrap();
            assert_eq!(connected, address);
            assert!(stream.nodelay().unwrap() && SockRef::from(&stream).keepalive().unwrap());
        }
    }
}
