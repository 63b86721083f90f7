//! Where the daemon listens and whom it believes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of the HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address by which people reach the daemon: links are made from it, never from a request. No final slash.
    pub public_url: String,
    /// The Unix socket for the command on this machine.
    pub admin_socket: PathBuf,
    /// User ids that may use the admin socket, besides root and the daemon's own.
    pub admin_uids: Vec<u32>,
    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<crate::base::network::Network>,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// A request is answered within this time.
    pub request_timeout: Duration,
    /// Requests under way get this long to end when the daemon stops.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            public_url: "http://127.0.0.1:8480".to_owned(),
            admin_socket: PathBuf::from("data/admin.sock"),
            admin_uids: Vec::new(),
            trusted_proxies: Vec::new(),
            body_limit: 1 << 20,
            request_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}
