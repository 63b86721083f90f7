//! `[server]`: where the daemon listens and whom it believes.
//!
//! Refuses to listen on a network without TLS in front of it.

use std::path::Path;
use std::time::Duration;

use super::super::reader::Reader;
use super::{HOUR, NETWORK, SECOND};
use crate::http::settings::Settings;
use crate::store;

/// Longest path of a Unix socket (`sun_path` of Linux, without its final NUL).
const SOCKET_PATH_MAX: usize = 107;

/// Reads the section.
pub(in super::super) fn read(reader: &mut Reader, store: &store::Settings) -> Settings {
    let default = Settings::default();
    let section = &mut reader.section("server");
    let listen = section.parsed("listen", "an address and port such as 127.0.0.1:8480 or [::1]:8480", default.listen);
    let behind_tls_proxy = section.boolean("behind_tls_proxy", false);
    if !listen.ip().is_loopback() && !behind_tls_proxy {
        section.fault(
            "listen",
            "would take passwords in the clear from the network; listen on 127.0.0.1, or put a proxy with TLS in \
             front, keep this port closed to everybody else, and set server.behind_tls_proxy = true",
        );
    }
    let public_url = section.text("public_url", &format!("http://{listen}"));
    let public_url = public_url.trim_end_matches('/').to_owned();
    if let Err(problem) = check_url(&public_url) {
        section.fault("public_url", problem);
    }
    let admin_socket = section.file("admin_socket", &store.folder.join("admin.sock"));
    if let Err(problem) = check_socket(&admin_socket) {
        section.fault("admin_socket", problem);
    }
    let body_limit = section.bytes("body_limit", 1024..=1 << 30, u64::try_from(default.body_limit).unwrap_or(u64::MAX));
    let import = u64::try_from(default.import_limit).unwrap_or(u64::MAX);
    let import_limit = section.bytes("import_limit", 1024..=1 << 30, import);
    Settings {
        listen,
        public_url,
        admin_socket,
        admin_uids: section.integers("admin_uids", 0..=u32::MAX, default.admin_uids),
        trusted_proxies: section.list("trusted_proxies", NETWORK, default.trusted_proxies),
        body_limit: usize::try_from(body_limit).unwrap_or(usize::MAX),
        import_limit: usize::try_from(import_limit).unwrap_or(usize::MAX),
        request_timeout: section.duration("request_timeout", SECOND..=HOUR, default.request_timeout),
        drain: section.duration("drain", Duration::ZERO..=HOUR, default.drain),
        forward_auth: default.forward_auth,
    }
}

fn check_url(url: &str) -> Result<(), String> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = host.ok_or("must begin with https:// or http://")?;
    if host.is_empty() || host.starts_with([':', '/']) {
        return Err("names no host".to_owned());
    }
    if host.contains(['?', '#', '@', '"', '<', '>', '\\'])
        || host.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err("must be scheme, host, port and path only, such as https://login.example.org".to_owned());
    }
    Ok(())
}

fn check_socket(path: &Path) -> Result<(), String> {
    if path.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(());
    }
    Err(format!("{} is longer than the {SOCKET_PATH_MAX} bytes that a socket may have", path.display()))
}
