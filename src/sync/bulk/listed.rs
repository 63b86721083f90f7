//! The first of the users or rows of a run, for an answer: first of all those that were refused.

use crate::directory::plan::{Entry, Fate, Skipped};

/// Most that an answer begins with.
pub(super) const LISTED: usize = 1_000;

/// The first of the users or rows.
#[derive(Debug, Default)]
pub struct Listed {
    refused: Vec<Entry>,
    others: Vec<Entry>,
}

impl Listed {
    /// Takes one in, where there is room for it.
    pub(super) fn note(&mut self, entry: &Entry) {
        let list = match entry.fate {
            Fate::Refused { .. } => &mut self.refused,
            _ => &mut self.others,
        };
        if list.len() < LISTED {
            list.push(entry.clone());
        }
    }

    /// Those that were refused, and then the others; a thousand at most.
    #[must_use]
    pub fn into_items(mut self) -> Vec<Entry> {
        self.refused.append(&mut self.others);
        self.refused.truncate(LISTED);
        self.refused
    }

    /// Those that were refused, as the record of a run keeps them.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        let skipped = self.refused.iter().filter_map(|entry| {
            let Fate::Refused { faults } = &entry.fate else { return None };
            let problem = faults.iter().map(|fault| fault.to_string()).collect::<Vec<_>>().join("; ");
            let label = match entry.line {
                Some(line) => format!("line {line}: {}", entry.label),
                None => entry.label.clone(),
            };
            Some(Skipped { label, problem })
        });
        skipped.collect()
    }
}
