//! Why a directory server could not be used, and what LDAP result codes mean to an administrator.

/// Why a connection could not be made or used. The texts name the server and the setting to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// There is no connection, or it ended.
    #[error("{0}")]
    Lost(String),
    /// The server did not answer in time.
    #[error("{0}")]
    Slow(String),
    /// TLS could not be established.
    #[error("{0}")]
    Tls(String),
    /// The server answered, and the answer says that the settings cannot work.
    #[error("{0}")]
    Settings(String),
}

/// What a result code (RFC 4511 §4.1.9) means for a search or for our own bind, with what to do.
pub(crate) fn explain_code(code: u32, text: &str) -> String {
    let meaning = match code {
        1 => "the server refuses the operation (operationsError); does it want a bind first? set bind_dn",
        3 => "the server's time limit was reached: raise it for the bind DN",
        4 => "the server's size limit was reached: raise it for the bind DN",
        7 => "the server does not allow simple binds: allow them for bind_dn",
        8 | 13 => "the server wants TLS: use ldaps:// or set start_tls",
        10 => "the server refers to another one, and referrals are not followed: name that server in urls",
        11 => "a limit of the server was reached (adminLimitExceeded): raise it for the bind DN",
        12 => "the server cannot answer in pages (unavailableCriticalExtension)",
        18 => "a filter does not fit an attribute's matching rules: check user_filter and disabled_when",
        32 => "the base does not exist, or the bind DN may not see it: check base_dn",
        34 => "a DN is malformed: check base_dn and bind_dn",
        49 => "the server refuses bind_dn or bind_password",
        50 => "the bind DN has not the right to do this",
        51 | 52 => "the server is busy or going down",
        53 => "the server is unwilling to do this",
        _ => "the server answered with an error",
    };
    with_code(meaning, code, text)
}

/// What a result code means for a bind by client certificate (SASL EXTERNAL), with what to do.
pub(crate) fn explain_external(code: u32, text: &str) -> String {
    let meaning = match code {
        7 => {
            "the server did not take the client certificate, or does not offer SASL EXTERNAL: let it ask for client certificates and trust the authority that signed client_cert_file, or set bind_dn"
        }
        48 | 49 => {
            "the server knows nobody by the client certificate: map the subject of client_cert_file to an entry there"
        }
        53 => {
            "the server does not want this bind; Active Directory takes one by client certificate with StartTLS only: use ldap:// and start_tls"
        }
        _ => return explain_code(code, text),
    };
    with_code(meaning, code, text)
}

fn with_code(meaning: &str, code: u32, text: &str) -> String {
    match bounded(text) {
        text if text.is_empty() => format!("{meaning} (result code {code})"),
        text => format!("{meaning} (result code {code}: {text})"),
    }
}

/// A server's own words, as far as they can stand in a log line.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_cannot_break_the_line_or_flood_it() {
        let shown = explain_code(4, &format!("a\nb\u{0}{}", "x".repeat(5000)));
        assert!(!shown.contains('\n') && shown.len() < 400, "{shown}");
        assert!(shown.contains("size limit") && shown.contains("result code 4"));
    }
}
