//! Failures as the outside sees them: RFC 9457 problem documents with a stable `code`. The inside of an
//! error goes to the log, never into an answer.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::auth::factors::MethodError;
use crate::auth::jwt::JwtError;
use crate::auth::login::{LoginError, refusal_name};
use crate::directory::factor::Method;
use crate::directory::field::FieldError;
use crate::directory::user::RuleError;
use crate::store::StoreError;
use crate::store::engine::EngineError;
use crate::store::users::WriteError;
use crate::sync::bulk::SettleError;
use crate::sync::decide::DecideError;
use crate::sync::inbox::InboxError;
use crate::sync::undo::UndoError;

/// A failure as it is answered.
#[derive(Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub detail: String,
    /// The fields that are wrong, where it is about fields.
    pub errors: Vec<FieldError>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// More members.
    pub more: Option<(&'static str, Value)>,
}

impl Problem {
    /// A failure.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), retry_after: None, more: None }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400 for fields that cannot be taken.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::bad_request("invalid_fields", detail) }
    }

    /// 400 for one field.
    #[must_use]
    pub fn field(field: &str, code: &'static str, message: &str) -> Self {
        Self::fields(vec![FieldError::new(field, code, message)])
    }

    /// 404.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// 403.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 401 for somebody who has not shown who they are.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "send a valid token as Authorization: Bearer …")
    }

    /// 503 for a request that took too long.
    #[must_use]
    pub fn timed_out() -> Self {
        let detail = "the request took longer than server.request_timeout";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry(Duration::from_secs(5))
    }

    fn retry(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn document(&self) -> Value {
        let title = self.status.canonical_reason().unwrap_or("Failure");
        let mut document = json!({
            "type": format!("urn:musterd:problem:{}", self.code),
            "title": title,
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(document) = document.as_object_mut() {
            if !self.errors.is_empty() {
                document.insert("errors".to_owned(), json!(self.errors));
            }
            if let Some((name, value)) = &self.more {
                document.insert((*name).to_owned(), value.clone());
            }
        }
        document
    }
}

/// The code of a problem, for whoever counts answers.
#[derive(Clone, Copy, Debug)]
pub struct Code(pub &'static str);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document().to_string();
        let mut response = (self.status, body).into_response();
        response.extensions_mut().insert(Code(self.code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED && self.code == "unauthenticated" {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

impl Problem {
    /// Why the daemon is not ready; whoever watches it may wait, or restart it.
    #[must_use]
    pub fn not_ready(fault: StoreError) -> Self {
        match fault {
            StoreError::Engine(EngineError::Full(_)) => fault.into(),
            StoreError::Slow { .. } | StoreError::Unanswered { .. } => {
                let detail = "the store does not answer in time: its disk is slow, or it hangs";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_slow", detail).retry(Duration::from_secs(10))
            }
            _ => {
                let detail = "the store cannot be used; the daemon's log says more";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", detail).retry(Duration::from_secs(30))
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, "the store failed a request");
        match error {
            StoreError::Engine(EngineError::Full(_)) => {
                let detail = "the daemon's disk is full: it can be read, not changed";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_full", detail).retry(Duration::from_secs(30))
            }
            StoreError::Stopped => {
                let detail = "the daemon is stopping, or hit a fault of its own";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry(Duration::from_secs(5))
            }
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "an internal fault; the daemon's log says more",
            ),
        }
    }
}

impl From<RuleError> for Problem {
    fn from(error: RuleError) -> Self {
        let detail = error.to_string();
        match error {
            RuleError::Invalid(errors) => Self::fields(errors),
            RuleError::WrongState { .. } => Self::new(StatusCode::CONFLICT, "wrong_state", detail),
            RuleError::LastAdministrator => Self::new(StatusCode::CONFLICT, "last_administrator", detail),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        let detail = error.to_string();
        match error {
            WriteError::Store(error) => error.into(),
            WriteError::Rule(error) => error.into(),
            WriteError::NotFound(what) => Self::not_found(what),
            WriteError::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail),
            WriteError::InUse { .. } => Self::new(StatusCode::CONFLICT, "in_use", detail),
            WriteError::Taken { field } => {
                let code = match field {
                    "username" => "username_taken",
                    "email" => "email_taken",
                    "external_id" => "external_id_taken",
                    "credential" => "credential_taken",
                    "id" => "id_taken",
                    _ => "name_taken",
                };
                let errors =
                    vec![FieldError::new(field, "taken", "is already taken (upper and lower case do not differ)")];
                Self { errors, ..Self::new(StatusCode::CONFLICT, code, detail) }
            }
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let detail = error.to_string();
        match error {
            LoginError::InvalidCredentials => Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail),
            LoginError::Refused(refusal) => Self::new(StatusCode::FORBIDDEN, refusal_name(refusal), detail),
            LoginError::ChangeAtSource(_) => Self::new(StatusCode::FORBIDDEN, "password_change_at_source", detail),
            LoginError::NetworkNotAllowed => Self::new(StatusCode::FORBIDDEN, "network_not_allowed", detail),
            LoginError::TooManyAttempts(wait) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail).retry(wait)
            }
            LoginError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail).retry(Duration::from_secs(1)),
            LoginError::BackendUnavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "backend_unavailable", detail).retry(Duration::from_secs(10))
            }
            LoginError::NoSuchTransaction => {
                let detail = "it is unknown, used up, too old, or its user may not come in: begin again";
                Self::new(StatusCode::NOT_FOUND, "no_such_transaction", detail)
            }
            LoginError::WrongStep(_) => Self::new(StatusCode::CONFLICT, "wrong_step", detail),
            LoginError::NotOffered => {
                let detail = "the user has no such second factor that can be asked for, or this server offers none: \
                              choose one of methods";
                Self::new(StatusCode::CONFLICT, "method_not_offered", detail)
            }
            LoginError::ProofRequired(methods) => {
                let methods: Vec<&str> = methods.into_iter().map(Method::name).collect();
                let detail = "send a fresh proof of who you are with it: a code or credential of a second factor, or \
                              current_password where there is none";
                let more = Some(("methods", json!(methods)));
                Self { more, ..Self::new(StatusCode::FORBIDDEN, "proof_required", detail) }
            }
            LoginError::Method(MethodError::NoChallenge) => Self::new(StatusCode::CONFLICT, "no_challenge", detail),
            LoginError::Method(MethodError::TooSoon(wait)) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_codes", detail).retry(wait)
            }
            LoginError::Method(MethodError::Unavailable) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "method_unavailable", detail).retry(Duration::from_secs(10))
            }
            LoginError::Method(MethodError::NotReady) => {
                Self::new(StatusCode::CONFLICT, "not_ready", detail).retry(Duration::from_secs(2))
            }
            LoginError::Method(MethodError::ConsentRequired) => Self::bad_request("consent_required", detail),
            LoginError::Method(MethodError::Unusable(fault)) => Self::fields(vec![fault]),
            LoginError::Method(MethodError::Write(error)) => error.into(),
            LoginError::Password(errors) => Self { code: "password_rejected", ..Self::fields(errors) },
            LoginError::Store(error) => error.into(),
            LoginError::Write(error) => error.into(),
        }
    }
}

impl From<JwtError> for Problem {
    fn from(error: JwtError) -> Self {
        let detail = error.to_string();
        match error {
            JwtError::Disabled => Self::new(StatusCode::NOT_FOUND, "jwt_disabled", detail),
            JwtError::UnknownAudience => Self::field("audience", "unknown_audience", &detail),
            JwtError::Signing(_) => {
                tracing::error!(error = %detail, "a token could not be signed");
                let detail = "an internal fault; the daemon's log says more";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
            JwtError::Store(error) => error.into(),
        }
    }
}

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        let detail = error.to_string();
        match error {
            SettleError::TooManyHeld => Self::new(StatusCode::CONFLICT, "too_many_plans", detail),
            SettleError::Store(error) => error.into(),
        }
    }
}

impl From<UndoError> for Problem {
    fn from(error: UndoError) -> Self {
        let detail = error.to_string();
        match error {
            UndoError::NotFound => Self::not_found("run"),
            UndoError::Nothing => Self::new(StatusCode::CONFLICT, "nothing_to_undo", detail),
            UndoError::Done(_) => Self::new(StatusCode::CONFLICT, "already_undone", detail),
            UndoError::Busy => Self::new(StatusCode::CONFLICT, "already_running", detail),
            UndoError::Forgotten => Self::new(StatusCode::CONFLICT, "trail_dropped", detail),
            UndoError::Store(error) => error.into(),
        }
    }
}

impl From<InboxError> for Problem {
    fn from(error: InboxError) -> Self {
        let detail = error.to_string();
        match error {
            InboxError::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            InboxError::HasUser | InboxError::Impossible(_) => {
                Self::new(StatusCode::CONFLICT, "conflict_undecidable", detail)
            }
            InboxError::Write(error) => error.into(),
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        let detail = error.to_string();
        match error {
            DecideError::NotFound => Self::not_found("plan"),
            DecideError::Decided => Self::new(StatusCode::CONFLICT, "plan_decided", detail),
            DecideError::Stale(_) | DecideError::Changed => Self::new(StatusCode::CONFLICT, "plan_stale", detail),
            DecideError::Store(error) => error.into(),
        }
    }
}
