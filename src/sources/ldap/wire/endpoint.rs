//! Where a directory server is: one URL of the settings, parsed, with the protection it gets.
//!
//! It refuses plain text to another host: a URL is `ldaps://`, or `ldap://` with StartTLS, or loopback.

use std::fmt;
use std::net::IpAddr;

/// How the bytes on the way to a server are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte (`ldaps://`).
    Tls,
    /// TLS after the StartTLS operation (RFC 4511 §4.14).
    StartTls,
    /// None: only ever towards this very host.
    Loopback,
}

/// A directory server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the way there is protected.
    pub protection: Protection,
}

impl Endpoint {
    /// Parses `ldap://host[:port]` or `ldaps://host[:port]`; the ports are 389 and 636 by default.
    ///
    /// # Errors
    /// What is wrong with the URL, or that it would send passwords in plain text.
    pub fn parse(url: &str, start_tls: bool) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{url}` is not ldap://… or ldaps://…"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => false,
            "ldaps" => true,
            other => return Err(format!("`{other}://` is neither ldap:// nor ldaps://")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(authority).ok_or_else(|| format!("`{url}` has no plain host[:port]"))?;
        let port = match port {
            None => {
                if tls {
                    636
                } else {
                    389
                }
            }
            Some(text) => {
                text.parse().ok().filter(|&port| port > 0).ok_or_else(|| format!("`{url}`: bad port `{text}`"))?
            }
        };
        let protection = match (tls, start_tls) {
            (true, _) => Protection::Tls,
            (false, true) => Protection::StartTls,
            (false, false) if is_loopback(host) => Protection::Loopback,
            (false, false) => {
                return Err(format!(
                    "`{url}` would send passwords in plain text: use ldaps://, or set start_tls (only loopback may go without)"
                ));
            }
        };
        Ok(Self { host: host.to_owned(), port, protection })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.protection == Protection::Tls { "ldaps" } else { "ldap" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_their_default_ports_and_brackets() {
        let shown = |url, start_tls| Endpoint::parse(url, start_tls).map(|endpoint| endpoint.to_string());
        assert_eq!(shown("ldaps://dc1.example.org", false).unwrap(), "ldaps://dc1.example.org:636");
        assert_eq!(shown("LDAP://dc1.example.org:3389/", true).unwrap(), "ldap://dc1.example.org:3389");
        assert_eq!(shown("ldaps://[::1]:1636", false).unwrap(), "ldaps://[::1]:1636");
        assert_eq!(shown("ldap://[::1]", false).unwrap(), "ldap://[::1]:389");
        for bad in
            ["", "ldap://", "http://x", "x", "ldaps://x:0", "ldaps://x:y", "ldaps://a@b", "ldaps://[x]", "ldaps://a/b"]
        {
            assert!(shown(bad, true).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_text_goes_to_loopback_only() {
        for fine in ["ldap://localhost", "ldap://127.0.0.2:1389", "ldap://[::1]"] {
            assert_eq!(Endpoint::parse(fine, false).unwrap().protection, Protection::Loopback);
        }
        for bad in ["ldap://dc1", "ldap://10.0.0.1", "ldap://localhost.example.org", "ldap://127.0.0.1.example.org"] {
            assert!(Endpoint::parse(bad, false).unwrap_err().contains("plain text"), "{bad}");
            assert_eq!(Endpoint::parse(bad, true).unwrap().protection, Protection::StartTls);
        }
    }
}
