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
    /// Largest file of users in bytes.
    pub import_limit: usize,
    /// A request is answered within this time.
    pub request_timeout: Duration,
    /// Requests under way get this long to end when the daemon stops.
    pub drain: Duration,
    /// What reverse proxies that ask who it is are told.
    pub forward_auth: ForwardAuth,
}

/// How the forward-auth endpoint answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardAuth {
    /// The name of the cookie with a session's token.
    pub cookie: String,
    /// Where people log in; `None`: nobody is sent there.
    pub login_url: Option<String>,
    /// The hosts that people may be sent back to.
    pub allowed_hosts: Vec<HostPattern>,
    /// What hosts ask for besides a session; the first that fits counts.
    pub rules: Vec<HostRule>,
}

impl Default for ForwardAuth {
    fn default() -> Self {
        Self { cookie: "__Host-musterd".to_owned(), login_url: None, allowed_hosts: Vec::new(), rules: Vec::new() }
    }
}

/// What a host asks for besides a session.
#[derive(Clone, Debug, PartialEq)]
pub struct HostRule {
    /// Which hosts.
    pub host: HostPattern,
    /// Groups of which one is enough; none: everybody.
    pub groups: Vec<String>,
    /// A second factor must have been proved.
    pub mfa: bool,
}

/// A host name, or every name under one: `app.example.org`, `*.example.org`.
#[derive(Clone, Debug, PartialEq)]
pub struct HostPattern(String);

impl HostPattern {
    /// Is it that host, given in lower case?
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(under) => host.strip_suffix(under).is_some_and(|name| !name.is_empty()),
            None => host == self.0,
        }
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for HostPattern {
    type Err = ();

    /// A star stands alone, in front of at least two labels: one for everything under `org` would be one for everybody.
    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let enough = name == text || name.contains('.');
        if enough && name.split('.').all(is_label) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
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
            import_limit: 64 << 20,
            request_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            forward_auth: ForwardAuth::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_hosts_takes_what_it_says_and_nothing_beside() {
        let pattern = |text: &str| text.parse::<HostPattern>();
        let under = pattern("*.example.org").unwrap();
        assert!(under.matches("a.example.org") && under.matches("a.b.example.org"));
        for other in ["example.org", ".example.org", "evilexample.org", "a.example.org.evil.com", "a.example.com"] {
            assert!(!under.matches(other), "{other}");
        }
        assert!(pattern("app.example.org").unwrap().matches("app.example.org"));
        assert!(!pattern("app.example.org").unwrap().matches("x.app.example.org"));
        for bad in ["", "*", "*.", "*.org", "a*.example.org", "*.*.org", "A.example.org", "a.example.org:80", "a..b"] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }
}
