//! `[forward_auth]`: what reverse proxies are told, and where browsers are sent to log in.

use super::super::reader::Reader;
use crate::http::settings::{ForwardAuth, HostPattern, HostRule};

/// What a host must look like.
const HOST: &str = "a host in lower case such as app.example.org or *.example.org";

/// Reads the section, and the rules below it.
pub(in super::super) fn read(reader: &mut Reader) -> ForwardAuth {
    let default = ForwardAuth::default();
    let section = &mut reader.section("forward_auth");
    let cookie = section.text("cookie", &default.cookie);
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !cookie.strip_prefix("__Host-").is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_token)) {
        section.fault("cookie", "must begin with __Host- (browsers hold it to its host then), and go on with letters");
    }
    let login_url = section.optional_text("login_url", default.login_url);
    let allowed_hosts = section.list("allowed_hosts", HOST, default.allowed_hosts);
    if let Some(url) = &login_url {
        if let Err(problem) = check_login(url) {
            section.fault("login_url", problem);
        } else if allowed_hosts.is_empty() {
            section.fault("allowed_hosts", "must name the hosts from which people are sent to forward_auth.login_url");
        }
    }
    let count = reader.count("forward_auth.rules");
    let rules = (0..count).filter_map(|index| read_rule(reader, index)).collect();
    ForwardAuth { cookie, login_url, allowed_hosts, rules }
}

fn read_rule(reader: &mut Reader, index: usize) -> Option<HostRule> {
    let section = &mut reader.section(&format!("forward_auth.rules[{index}]"));
    let host = section.required_text("host", "app.example.org");
    let groups = section.list("groups", "the name of a group", Vec::new());
    let mfa = section.boolean("mfa", false);
    match host?.parse::<HostPattern>() {
        Ok(host) => Some(HostRule { host, groups, mfa }),
        Err(()) => {
            section.fault("host", format!("must be {HOST}"));
            None
        }
    }
}

fn check_login(text: &str) -> Result<(), &'static str> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    if !is_web || text.contains('#') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be an address such as https://login.example.org/, without #");
    }
    url::Url::parse(text).map(drop).map_err(|_| "is no address")
}
