//! Every code that a problem document may carry. This list is the only one: the OpenAPI document and `docs/problems.md`
//! are made from it, and a test compares it with the code.

use axum::http::StatusCode;

/// A code, and what it means.
pub struct Known {
    /// Stable, for programs.
    pub code: &'static str,
    /// The HTTP status that it comes with.
    pub status: StatusCode,
    /// What is wrong.
    pub meaning: &'static str,
    /// What the caller does about it.
    pub remedy: &'static str,
}

/// The code of this name.
#[must_use]
pub fn find(code: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.code == code)
}

const fn known(status: StatusCode, code: &'static str, meaning: &'static str, remedy: &'static str) -> Known {
    Known { code, status, meaning, remedy }
}

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const AUTH: StatusCode = StatusCode::UNAUTHORIZED;
const DENIED: StatusCode = StatusCode::FORBIDDEN;
const GONE: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const DOWN: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// All codes, by status.
pub const ALL: &[Known] = &[
    known(
        BAD,
        "bad_forwarded_for",
        "a trusted proxy sent an X-Forwarded-For that holds something else than addresses",
        "mend the proxy",
    ),
    known(
        BAD,
        "consent_required",
        "the method keeps something of the person, who has not agreed",
        "ask them, and send consent: true",
    ),
    known(BAD, "duplicate_column", "the file has a column twice", "take one of them out"),
    known(BAD, "file_bomb", "the file unpacks to more than is taken", "split it"),
    known(BAD, "file_empty", "the file is empty", "send a file whose first line names the columns"),
    known(BAD, "file_malformed", "the file is not of its format", "save it again, or name its format"),
    known(BAD, "file_not_text", "the file holds a NUL: it is no text", "save it as text"),
    known(BAD, "file_not_utf8", "the file has another encoding", "save it as UTF-8"),
    known(
        BAD,
        "file_separator",
        "the columns are separated by something that is not understood",
        "separate them by commas, semicolons or tabs",
    ),
    known(BAD, "file_too_large", "the file has more rows, columns or text than are taken", "split it"),
    known(
        BAD,
        "invalid_fields",
        "values of fields or parameters cannot be taken",
        "look at errors: each names its field, a code and what to do",
    ),
    known(
        BAD,
        "invalid_rows",
        "rows of the file cannot be taken, and nothing was written",
        "look at report: each row names its faults",
    ),
    known(
        BAD,
        "invalid_settings",
        "the settings would not be ones that a daemon runs by",
        "look at errors: each names its key",
    ),
    known(BAD, "malformed_json", "the body is no JSON", "mend the body"),
    known(
        BAD,
        "malformed_query",
        "the query string is not percent-encoded UTF-8, or names a parameter twice",
        "mend the query string",
    ),
    known(BAD, "missing_column", "nothing says whom a row is about", "add the column username, or id"),
    known(BAD, "missing_field", "a field that must be there is not", "send the field that detail names"),
    known(
        BAD,
        "no_cookie",
        "the session's token does not fit into a cookie",
        "look at http.forward_auth.cookie in the settings",
    ),
    known(
        BAD,
        "no_original_request",
        "the proxy did not say what the browser asked for",
        "configure the proxy as config/proxies shows",
    ),
    known(BAD, "not_a_trusted_proxy", "whoever asks is no proxy of server.trusted_proxies", "name the proxy there"),
    known(BAD, "open_quotation", "a quotation of the file does not end", "end it"),
    known(BAD, "password_rejected", "the new password breaks rules", "look at errors: each names one rule"),
    known(
        BAD,
        "token_in_query",
        "the query string says who the caller is: queries stand in logs",
        "send the token as Authorization: Bearer, and rotate it",
    ),
    known(
        BAD,
        "unknown_column",
        "the file has a column that is not known",
        "look at the template, and mend or drop the column",
    ),
    known(BAD, "unknown_field", "the body has a field that is not known", "leave it out, or mend its name"),
    known(BAD, "unreadable_body", "the body broke off", "send it again"),
    known(BAD, "wrong_type", "a field has a value of another type", "send the type that detail names"),
    known(
        AUTH,
        "invalid_credentials",
        "the name, the password, the code or the link is wrong; which of them is not told",
        "let the person try again",
    ),
    known(
        AUTH,
        "unauthenticated",
        "there is no token, or one that opens nothing any more",
        "log in, and send the token as Authorization: Bearer",
    ),
    known(
        DENIED,
        "account_disabled",
        "the password is right, and the account is disabled",
        "an administrator enables it",
    ),
    known(
        DENIED,
        "account_expired",
        "the password is right, and the account is past its end",
        "an administrator moves its end",
    ),
    known(DENIED, "forbidden", "the caller is known, and may not do this", "use a caller who holds what detail names"),
    known(
        DENIED,
        "initial_password_expired",
        "a password that somebody else set was not changed in time",
        "have a new one or a link sent",
    ),
    known(
        DENIED,
        "mfa_enforced",
        "an administrator asks for the second factor: the user cannot switch it off",
        "talk to an administrator",
    ),
    known(
        DENIED,
        "mfa_required",
        "what is behind the proxy wants a login with a second factor",
        "log in again, with one",
    ),
    known(
        DENIED,
        "network_not_allowed",
        "the account may not be used from this network",
        "try from another network, or have the rule changed",
    ),
    known(DENIED, "password_change_at_source", "the password is kept by the user's source", "change it there"),
    known(DENIED, "proof_required", "the change wants a fresh proof of who asks", "send it with one of methods"),
    known(
        DENIED,
        "source_not_allowed",
        "the password is right, and users of this source may not come in",
        "an administrator lets them",
    ),
    known(GONE, "jwt_disabled", "signed tokens are switched off", "set jwt.enabled"),
    known(GONE, "no_such_transaction", "the login or link is unknown, used up or too old", "begin again"),
    known(GONE, "not_found", "there is no such thing, or it is not the caller's to see", "mend the path"),
    known(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the path is known, and does not take this method",
        "use one of the header Allow",
    ),
    known(
        CONFLICT,
        "already_rotated",
        "the token has a newer text, and only that one rotates it",
        "use the newer text, or ask an administrator",
    ),
    known(CONFLICT, "already_running", "the same is under way", "wait for its end"),
    known(CONFLICT, "already_undone", "the run was taken back before", "nothing: it is done"),
    known(CONFLICT, "ambiguous", "several tokens begin so", "name one by its id"),
    known(CONFLICT, "built_in", "the role is built in", "clone it, and change the clone"),
    known(
        CONFLICT,
        "clock_in_doubt",
        "the machine's clock jumped: nothing that depends on time is done",
        "look at the clock, then say clock_is_right",
    ),
    known(
        CONFLICT,
        "conflict_undecidable",
        "the conflict is not as it was, or cannot be decided so",
        "look at it again",
    ),
    known(CONFLICT, "credential_taken", "the passkey belongs to somebody", "use another"),
    known(CONFLICT, "email_taken", "another user has the address", "choose another, or mend the other user"),
    known(CONFLICT, "external_id_taken", "another user of the source has the identity", "mend the source"),
    known(CONFLICT, "id_taken", "another role has the id", "choose another"),
    known(CONFLICT, "in_use", "something still depends on it", "take it out of use first, as detail says"),
    known(
        CONFLICT,
        "last_administrator",
        "nobody would be left who may administer musterd",
        "make another administrator first",
    ),
    known(CONFLICT, "message_over", "what the message says is of no use any more", "have a new one sent"),
    known(
        CONFLICT,
        "method_not_offered",
        "the user has no such second factor, or it is not offered",
        "choose one of methods",
    ),
    known(CONFLICT, "name_taken", "something of this kind has the name", "choose another"),
    known(CONFLICT, "no_challenge", "nothing was asked that this could answer", "ask for a challenge first"),
    known(CONFLICT, "no_mail", "no mail is configured", "configure [mail]"),
    known(CONFLICT, "no_provider", "no provider of texts is configured", "configure [[sms.providers]]"),
    known(CONFLICT, "not_offered", "forgotten passwords are not mailed here", "ask an administrator for a link"),
    known(
        CONFLICT,
        "not_pulled",
        "nothing is read from this source",
        "name an enabled source of the kind ldap or scim-pull",
    ),
    known(CONFLICT, "not_ready", "the answer is not there yet", "try again after Retry-After"),
    known(CONFLICT, "nothing_to_undo", "nothing that the run did is left to take back", "nothing"),
    known(CONFLICT, "owned_by_source", "the group belongs to a source", "change it there"),
    known(CONFLICT, "pinned", "the file or the environment sets it", "change it there"),
    known(CONFLICT, "plan_decided", "the plan was decided before", "look at the plan"),
    known(
        CONFLICT,
        "plan_stale",
        "the plan is not what was looked at, or no longer fits the directory",
        "look at it again, or run the source",
    ),
    known(CONFLICT, "too_many_plans", "as many plans wait for a person as may", "approve or reject some of them"),
    known(CONFLICT, "too_many_tokens", "there are as many tokens as the directory keeps", "revoke some"),
    known(
        CONFLICT,
        "trail_dropped",
        "the audit lines of the run are not kept any more",
        "mend by hand, or restore a backup",
    ),
    known(
        CONFLICT,
        "unexpected_number",
        "another number of users is meant than was expected",
        "look at a preview again",
    ),
    known(CONFLICT, "username_taken", "another user has the name", "choose another"),
    known(CONFLICT, "wrong_state", "the user is not in a state in which this can be done", "look at state"),
    known(CONFLICT, "wrong_step", "the login is at another step", "do what its last answer asked for"),
    known(
        StatusCode::PRECONDITION_FAILED,
        "stale",
        "somebody else changed it since",
        "read it again, and send the new ETag as If-Match",
    ),
    known(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "the body is larger than server.body_limit",
        "send less at a time",
    ),
    known(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body has another type than those that are taken",
        "send the type that detail names",
    ),
    known(MANY, "busy", "the daemon has as much to do as it takes on", "try again after Retry-After"),
    known(MANY, "too_many_attempts", "too many tries failed", "try again after Retry-After"),
    known(MANY, "too_many_codes", "a code was sent just now, or too many were", "try again after Retry-After"),
    known(MANY, "too_many_messages", "the limit of texts is reached", "try again after Retry-After"),
    known(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a fault of the daemon", "look at its log"),
    known(
        StatusCode::BAD_GATEWAY,
        "source_failed",
        "the source could not be read",
        "look at detail, and test the source",
    ),
    known(DOWN, "backend_unavailable", "no backend that knows the password answers", "try again after Retry-After"),
    known(
        DOWN,
        "method_unavailable",
        "the second factor cannot be asked for now",
        "choose another, or try again after Retry-After",
    ),
    known(DOWN, "storage_failed", "the store cannot be used", "look at the daemon's log"),
    known(DOWN, "storage_full", "the disk is full: the daemon can be read, not changed", "make room"),
    known(DOWN, "storage_slow", "the store does not answer in time", "look at the disk"),
    known(DOWN, "unavailable", "the daemon stops, or the request took too long", "try again after Retry-After"),
];
