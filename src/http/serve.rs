//! Listening: the network and the admin socket, bounded in connections and in how long a header may take, and
//! drained when the daemon stops.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use super::caller::Peer;
use super::settings::Settings;

/// Most connections from the network at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// A client that has not sent its header by then is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Who answers requests: a router, in whose place another can be put while requests run. Each goes to its end by the one
/// that took it.
pub struct Front(RwLock<Router>);

impl Front {
    /// This router answers.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self(RwLock::new(router))
    }

    /// Another answers from here on.
    pub fn put(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    fn router(&self) -> Router {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The two doors, open.
pub struct Listeners {
    network: TcpListener,
    socket: UnixListener,
    admin_uids: Vec<u32>,
}

impl Listeners {
    /// Opens both doors.
    ///
    /// # Errors
    /// In words, naming the setting.
    pub async fn bind(settings: &Settings) -> Result<Self, String> {
        let listen = settings.listen;
        let network = TcpListener::bind(listen).await;
        let network = network.map_err(|error| format!("server.listen: cannot listen on {listen}: {error}"))?;
        let socket = bind_socket(&settings.admin_socket, settings.admin_uids.is_empty())
            .map_err(|error| format!("server.admin_socket: {}: {error}", settings.admin_socket.display()))?;
        Ok(Self { network, socket, admin_uids: settings.admin_uids.clone() })
    }

    /// The address that the network's door has, where port 0 was asked for.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.network.local_addr()
    }

    /// Serves until `stop`; then lets requests under way end, for at most `drain`.
    pub async fn serve(self, front: Arc<Front>, stop: CancellationToken, drain: Duration) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                (place, accepted) = next(&places, &self.network) => match accepted {
                    Ok((stream, address)) => {
                        drop(stream.set_nodelay(true));
                        attend(stream, Peer::Network(address.ip().to_canonical()), &front, &graceful, place);
                    }
                    Err(error) => pause(&error).await,
                },
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => match self.admitted(&stream) {
                        Some(peer) => attend(stream, peer, &front, &graceful, None),
                        None => tracing::warn!("somebody without the right to it used the admin socket"),
                    },
                    Err(error) => pause(&error).await,
                },
            }
        }
        drop(self);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end in time and are cut");
        }
    }

    /// Root, the daemon's own user and those whom the settings name.
    fn admitted(&self, stream: &tokio::net::UnixStream) -> Option<Peer> {
        let uid = stream.peer_cred().ok()?.uid();
        let own = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).ok();
        let admitted = uid == 0 || Some(uid) == own || self.admin_uids.contains(&uid);
        admitted.then_some(Peer::Socket { uid })
    }
}

/// The next connection from the network, once there is a place for it. The admin socket needs none: it must open
/// when the network's places are taken.
async fn next(
    places: &Arc<Semaphore>,
    network: &TcpListener,
) -> (Option<OwnedSemaphorePermit>, std::io::Result<(TcpStream, SocketAddr)>) {
    let place = places.clone().acquire_owned().await.ok();
    (place, network.accept().await)
}

/// The socket of an earlier daemon is replaced: the store's lock has shown that it is gone.
fn bind_socket(path: &Path, private: bool) -> std::io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(path)?;
    // Who may talk is decided by the peer's credentials; the mode only lets those whom the settings name reach the door.
    fs::set_permissions(path, fs::Permissions::from_mode(if private { 0o600 } else { 0o666 }))?;
    Ok(socket)
}

/// Out of file descriptors, say: accepting again at once would only burn the processor.
async fn pause(error: &std::io::Error) {
    tracing::warn!(error = %error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn attend<S>(
    stream: S,
    peer: Peer,
    front: &Arc<Front>,
    graceful: &GracefulShutdown,
    place: Option<OwnedSemaphorePermit>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let front = front.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        front.router().oneshot(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 << 10);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(answer));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %error, "a connection ended early");
        }
        drop(place);
    });
}
