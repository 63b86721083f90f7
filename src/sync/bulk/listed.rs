//! The first of the users or rows of a run, for an answer: first of all those that were refused.

use crate::directory::plan::{Entry, Fate, Fault, Skipped};

/// Most that an answer begins with.
pub(super) const LISTED: usize = 1_000;
/// Most faults that are told of one.
const FAULTS_MAX: usize = 20;
/// Most characters of a label.
const LABEL_MAX: usize = 200;

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
            list.push(shortened(entry));
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
            Some(Skipped { label, problem }.shortened())
        });
        skipped.collect()
    }
}

/// One of a length that a thousand of them may have: the first of its faults, and how many more there are.
fn shortened(entry: &Entry) -> Entry {
    let fate = match &entry.fate {
        Fate::Refused { faults } if faults.len() > FAULTS_MAX => {
            let more = faults.len() - FAULTS_MAX;
            let last = Fault::new("more_faults", format!("and {more} more"));
            Fate::Refused { faults: faults.iter().take(FAULTS_MAX).cloned().chain([last]).collect() }
        }
        fate => fate.clone(),
    };
    Entry { line: entry.line, label: entry.label.chars().take(LABEL_MAX).collect(), user: entry.user, fate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_begins_with_is_short_whatever_a_row_says() {
        let fault = Fault::at("groups", "unknown", "is not known");
        let fate = Fate::Refused { faults: vec![fault; 150] };
        let mut listed = Listed::default();
        listed.note(&Entry { line: Some(2), label: "\u{e9}".repeat(60_000), user: None, fate });
        let problem = listed.skipped().remove(0).problem;
        assert!(problem.ends_with("groups is not known; and 130 more"), "{problem}");
        let long = Fate::Refused { faults: vec![Fault::new("malformed", "x".repeat(9_000))] };
        let mut others = Listed::default();
        others.note(&Entry { line: None, label: "ada".to_owned(), user: None, fate: long });
        assert_eq!(others.skipped().remove(0).problem, format!("{}\u{2026}", "x".repeat(Skipped::TEXT_MAX)));
        let [told] = &listed.into_items()[..] else { panic!("one") };
        assert_eq!(told.label, "\u{e9}".repeat(LABEL_MAX));
        assert!(matches!(&told.fate, Fate::Refused { faults } if faults.len() == FAULTS_MAX + 1));
    }
}
