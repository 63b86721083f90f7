//! Several names in one cell: `Sales; Research`, and organisations with roles: `Acme: organization-admin; Initech`.
//!
//! A semicolon ends a name. A backslash takes what follows as it is, so that every name can be written:
//! `R\;D`. In organisations a colon begins the roles, and commas stand between them.

/// What ends a name of a list.
const NAMES: &[char] = &[';'];
/// What has a meaning among organisations.
const PLACES: &[char] = &[';', ':', ','];

/// Most names of one cell, those of roles among them.
const NAMES_MAX: usize = 200;

/// An organisation of a user, by name or id, with the roles held inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its name or id.
    pub organization: String,
    /// Roles; none stands for the plain one.
    pub roles: Vec<String>,
}

/// Why a list cannot be read. The wording completes "the cell …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// Nothing between two separators.
    #[error("has an empty name: take one of the separators away")]
    Empty,
    /// A backslash at the end.
    #[error("ends with a backslash, which takes what follows as it is: write two")]
    Backslash,
    /// A colon or comma where none belongs.
    #[error("is no list such as \"Acme: organization-admin, organization-auditor; Initech\"")]
    Form,
    /// More names than are taken.
    #[error("has more than {} names", NAMES_MAX)]
    TooMany,
}

/// Writes names into one cell.
#[must_use]
pub fn write<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str("; ");
        }
        push_name(&mut text, name, NAMES);
    }
    text
}

/// Writes organisations into one cell.
#[must_use]
pub fn write_memberships(memberships: &[Membership]) -> String {
    let mut text = String::new();
    for Membership { organization, roles } in memberships {
        if !text.is_empty() {
            text.push_str("; ");
        }
        push_name(&mut text, organization, PLACES);
        for (at, role) in roles.iter().enumerate() {
            text.push_str(if at == 0 { ": " } else { ", " });
            push_name(&mut text, role, PLACES);
        }
    }
    text
}

/// Appends a name. Blanks at its ends are part of it when a backslash says so.
fn push_name(text: &mut String, name: &str, special: &[char]) {
    let last = name.chars().count().saturating_sub(1);
    for (at, c) in name.chars().enumerate() {
        let at_an_end = (at == 0 || at == last) && c.is_whitespace();
        if c == '\\' || special.contains(&c) || at_an_end {
            text.push('\\');
        }
        text.push(c);
    }
}

/// Reads the names of a cell; an empty cell has none.
///
/// # Errors
/// What is wrong with the list.
pub fn read(text: &str) -> Result<Vec<String>, ListFault> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let parts = split(text, NAMES)?;
    parts.into_iter().map(|part| part.name().ok_or(ListFault::Empty)).collect()
}

/// Reads the organisations of a cell.
///
/// # Errors
/// What is wrong with the list.
pub fn read_memberships(text: &str) -> Result<Vec<Membership>, ListFault> {
    let mut memberships: Vec<Membership> = Vec::new();
    if text.trim().is_empty() {
        return Ok(memberships);
    }
    let mut before = Some(';');
    for part in split(text, PLACES)? {
        let (ended_by, name) = (part.ended_by, part.name().ok_or(ListFault::Empty)?);
        match (before, memberships.last_mut()) {
            (Some(';'), _) => memberships.push(Membership { organization: name, roles: Vec::new() }),
            (Some(':'), Some(last)) if last.roles.is_empty() => last.roles.push(name),
            (Some(','), Some(last)) if !last.roles.is_empty() => last.roles.push(name),
            _ => return Err(ListFault::Form),
        }
        before = ended_by;
    }
    Ok(memberships)
}

/// A piece of a cell, and the separator that ended it.
struct Part {
    /// Each character, with whether a backslash stood before it.
    chars: Vec<(char, bool)>,
    ended_by: Option<char>,
}

impl Part {
    /// The name without the blanks around it; none where nothing is left.
    fn name(&self) -> Option<String> {
        let is_blank = |(c, taken): &(char, bool)| c.is_whitespace() && !taken;
        let from = self.chars.iter().position(|c| !is_blank(c))?;
        let to = self.chars.iter().rposition(|c| !is_blank(c))?;
        Some(self.chars.get(from..=to)?.iter().map(|(c, _)| *c).collect())
    }
}

fn split(text: &str, separators: &[char]) -> Result<Vec<Part>, ListFault> {
    let (mut parts, mut current) = (Vec::new(), Vec::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            current.push((chars.next().ok_or(ListFault::Backslash)?, true));
        } else if separators.contains(&c) {
            if parts.len() + 1 >= NAMES_MAX {
                return Err(ListFault::TooMany);
            }
            parts.push(Part { chars: std::mem::take(&mut current), ended_by: Some(c) });
        } else {
            current.push((c, false));
        }
    }
    parts.push(Part { chars: current, ended_by: None });
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn membership(organization: &str, roles: &[&str]) -> Membership {
        Membership {
            organization: organization.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    #[test]
    fn lists_are_read_as_people_write_them() {
        assert_eq!(read("Sales;Research ; R\\;D").unwrap(), ["Sales", "Research", "R;D"]);
        assert!(read("  ").unwrap().is_empty());
        assert_eq!(read("Sales;;Research"), Err(ListFault::Empty));
        assert_eq!(read("Sales;"), Err(ListFault::Empty));
        assert_eq!(read("Sales\\"), Err(ListFault::Backslash));
        assert_eq!(read(&["a"; NAMES_MAX].join(";")).unwrap().len(), NAMES_MAX);
        assert_eq!(read(&["a"; NAMES_MAX + 1].join(";")), Err(ListFault::TooMany));
        assert_eq!(read_memberships(&format!("Acme: {}", ["a"; NAMES_MAX].join(","))), Err(ListFault::TooMany));
        let read = read_memberships("Acme: organization-admin, organization-auditor; Initech").unwrap();
        assert_eq!(
            read,
            [membership("Acme", &["organization-admin", "organization-auditor"]), membership("Initech", &[])]
        );
        for bad in ["Acme, admin", "Acme: a: b", ": a", "Acme:", "Acme: a,"] {
            assert!(read_memberships(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_as_it_was(names in prop::collection::vec("\\PC{1,12}|[ ;:,\\\\a]{1,6}", 0..5)) {
            let text = write(names.iter().map(String::as_str));
            prop_assert_eq!(read(&text).unwrap(), names.clone());
            let memberships: Vec<_> =
                names.iter().map(|name| Membership { organization: name.clone(), roles: names.clone() }).collect();
            prop_assert_eq!(read_memberships(&write_memberships(&memberships)).unwrap(), memberships);
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}|[ ;:,\\\\a]{0,20}") {
            drop((read(&text), read_memberships(&text)));
        }
    }
}
