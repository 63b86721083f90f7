//! The settings at run time, as the API sees them. Who knows what each of them means is behind the seam.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde::Serialize;
use serde_json::Value;

use super::error::Problem;
use crate::directory::audit::Author;
use crate::directory::field::FieldError;
use crate::store::StoreError;
use crate::store::users::WriteError;

/// The settings as they are shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shown {
    /// Each with its value, where that came from, and whether it can be changed.
    pub items: Vec<Value>,
    /// How often they were changed at run time.
    pub revision: u64,
    /// What a person should put right, in words.
    pub doubts: Vec<String>,
    /// What was changed in the file and waits for a restart.
    pub needs_restart: Vec<String>,
}

/// What somebody wants of the settings.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Values by key; `None` takes what was set at run time back, for a whole section too.
    pub values: BTreeMap<String, Option<Value>>,
    /// The revision that they saw.
    pub seen: Option<u64>,
    /// Only tell what would change.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What takes effect now, or would.
    pub changes: Vec<Changed>,
    /// What differs in the file and waits for a restart.
    pub needs_restart: Vec<String>,
    /// What a person should put right, in words.
    pub doubts: Vec<String>,
    /// How often the settings were changed at run time by now.
    pub revision: u64,
}

/// One setting before and after, as the file would have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The dotted key.
    pub key: String,
    /// Before; `null` where there was no such key.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The settings would not be ones that a daemon runs by.
    #[error("the settings cannot be used")]
    Faults(Vec<FieldError>),
    /// The file or the environment sets it.
    #[error("they are set elsewhere")]
    Pinned(Vec<FieldError>),
    /// They fit, but what was built by them does not work.
    #[error("{0}")]
    Unready(String),
    /// It was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<StoreError> for PolicyError {
    fn from(error: StoreError) -> Self {
        Self::Write(error.into())
    }
}

/// A change under way.
pub type Settling<'a> = Pin<Box<dyn Future<Output = Result<Outcome, PolicyError>> + Send + 'a>>;

/// Changes settings while the daemon runs: all of a wish, or nothing.
pub trait Policies: Send + Sync {
    /// Changes policy.
    fn change(&self, wish: Wish, by: Author) -> Settling<'_>;

    /// Reads the file again.
    fn reload(&self, by: Author) -> Settling<'_>;
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Faults(errors) => Self { code: "invalid_settings", ..Self::fields(errors) },
            PolicyError::Pinned(errors) => {
                let problem = Self::fields(errors);
                Self { status: axum::http::StatusCode::CONFLICT, code: "pinned", ..problem }
            }
            PolicyError::Unready(detail) => Self::bad_request("invalid_settings", detail),
            PolicyError::Write(error) => error.into(),
        }
    }
}
