//! Where something is asked for over HTTP: one URL of the settings, parsed.
//!
//! It refuses plain text to another host, names and passwords in a URL, and queries: those end in logs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is written as it is in a path or a query (RFC 3986 §2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A host, how it is reached, and a path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// SMPP is spoken there, and not HTTP.
    smpp: bool,
    /// TLS from the first byte; without it, only this very host is reached.
    pub(crate) tls: bool,
    /// A host name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without a slash at its end: more may follow.
    pub(crate) path: String,
    /// Was there one?
    slash: bool,
}

impl Place {
    /// Parses `https://host[:port][/path]`, or `http://` on loopback.
    ///
    /// # Errors
    /// What is wrong with the URL, or that it would send secrets in plain text.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{}` is not a URL", without_query(url)))?;
        let shown = without_query(url);
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("`{shown}` is not https://…")),
        };
        if url.contains(['?', '#']) {
            return Err(format!("`{shown}` must have no query: give the URL up to the path"));
        }
        let authority = uri.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err("must hold no name and password: they belong into settings of their own".to_owned());
        }
        let host = uri.host().unwrap_or_default();
        let has_port = authority.len() > host.len();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || (has_port && uri.port_u16().is_none_or(|port| port == 0)) {
            return Err(format!("`{shown}` has no plain host[:port]"));
        }
        if !tls && !is_loopback(host) {
            return Err(format!(
                "`{shown}` would send secrets in plain text: use https:// (only loopback may go without)"
            ));
        }
        Ok(Self {
            smpp: false,
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            slash: uri.path().ends_with('/'),
        })
    }

    /// A host that speaks SMPP.
    ///
    /// # Errors
    /// The host is none, or would be sent secrets in plain text.
    pub(crate) fn smpp(host: &str, port: u16, tls: bool) -> Result<Self, String> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte)) {
            return Err("must be a host name or an address".to_owned());
        }
        if !tls && !is_loopback(host) {
            return Err(
                "would be sent secrets in plain text: keep tls on, or go through a tunnel that begins on this \
                        machine (only loopback may go without)"
                    .to_owned(),
            );
        }
        Ok(Self { smpp: true, tls, host: host.to_owned(), port, path: String::new(), slash: false })
    }

    /// The path as it is written, for whoever asks for exactly this place.
    pub(crate) fn target(&self) -> String {
        format!("{}{}", self.path, if self.slash { "/" } else { "" })
    }

    /// What goes into the header `Host`.
    pub(crate) fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let default = if self.tls { 443 } else { 80 };
        let port = if self.port == default { String::new() } else { format!(":{}", self.port) };
        format!("{open}{}{close}{port}", self.host)
    }

    /// Without TLS a name that leads elsewhere is not followed.
    pub(crate) fn may_use(&self, address: &SocketAddr) -> bool {
        self.tls || address.ip().is_loopback()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.smpp, self.tls) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "smpp",
            (true, true) => "smpps",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL as it may be shown: what stands in a query may be a secret.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Percent-encodes one segment of a path, or one value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_their_default_ports_and_paths() {
        let shown = |url| Place::parse(url).map(|place| (place.to_string(), place.port));
        let at = |text: &str, port| (text.to_owned(), port);
        assert_eq!(shown("https://idp.example.org/scim/v2/").unwrap(), at("https://idp.example.org/scim/v2", 443));
        assert_eq!(shown("https://idp.example.org:8443").unwrap(), at("https://idp.example.org:8443", 8443));
        assert_eq!(shown("http://[::1]:8000/v2").unwrap(), at("http://[::1]:8000/v2", 8000));
        let target = |url| Place::parse(url).unwrap().target();
        assert_eq!(
            (target("https://x/hooks/"), target("https://x/hooks")),
            ("/hooks/".to_owned(), "/hooks".to_owned())
        );
        assert_eq!(target("https://x"), "/");
        for bad in ["", "idp", "ldaps://x", "https://", "https://x:0", "https://x:y", "https://a:b@x/", "https://x?a=b"]
        {
            assert!(shown(bad).is_err(), "{bad:?}");
        }
        assert!(!shown("https://x/?token=hunter2").unwrap_err().contains("hunter2"));
    }

    #[test]
    fn plain_text_goes_to_loopback_only() {
        for fine in ["http://localhost/v2", "http://127.0.0.2:1", "http://[::1]"] {
            let place = Place::parse(fine).unwrap();
            assert!(place.may_use(&"127.0.0.1:1".parse().unwrap()) && !place.may_use(&"192.0.2.1:1".parse().unwrap()));
        }
        for bad in ["http://idp.example.org", "http://10.0.0.1", "http://localhost.example.org"] {
            assert!(Place::parse(bad).unwrap_err().contains("plain text"), "{bad}");
        }
        assert_eq!(encode("a/b c&d=é"), "a%2Fb%20c%26d%3D%C3%A9");
    }
}
