//! Where a setting came from, and what can be wrong with it.
//!
//! A fault never holds the value of a secret, and no line of the file is quoted in one.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; `None` for the file as a whole.
        line: Option<usize>,
    },
    /// It was set at run time.
    Stored,
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Stored => f.write_str("stored"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The dotted key, such as `server.listen`; empty for the file as a whole.
    pub key: String,
    /// Where it stands; [`Origin::Default`] where something is missing.
    pub origin: Origin,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, problem } = self;
        match origin {
            Origin::Default => write!(f, "{key}: {problem}"),
            Origin::Stored => write!(f, "{key} (set at run time): {problem}"),
            Origin::Environment { variable } => write!(f, "{variable}: {problem}"),
            Origin::File { .. } if key.is_empty() => write!(f, "{origin}: {problem}"),
            Origin::File { .. } => write!(f, "{origin}: {key}: {problem}"),
        }
    }
}

/// Everything that is wrong with the settings: first the file by line, then the environment by name, then what was
/// set at run time, then what is missing. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Puts the faults in order.
    pub(super) fn sorted(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| match &fault.origin {
            Origin::File { line, .. } => (0, line.unwrap_or(0), String::new()),
            Origin::Environment { variable } => (1, 0, variable.clone()),
            Origin::Stored => (2, 0, fault.key.clone()),
            Origin::Default => (3, 0, String::new()),
        });
        Self(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
