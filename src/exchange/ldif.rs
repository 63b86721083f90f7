//! Entries of directories as LDIF (RFC 2849): people of OpenLDAP, 389 and Active Directory become rows.
//!
//! Only entries are read, and `changetype: add`; nothing is fetched from elsewhere (`:<`). What is no person (units,
//! groups, computers) is passed by. An attribute that is not there leaves its column alone.

use std::borrow::Cow;
use std::collections::BTreeSet;

use data_encoding::BASE64;
use jiff::Timestamp;

use super::cell::bounded;
use super::text::decode;
use super::{Cell, Column, FileError, Gathering, Limits, Row, RowError, Table};
use crate::base::secret::Secret;
use crate::directory::field::FieldError;

/// Columns of text, each with the attributes that it is taken from: the first that is there.
const TEXTS: &[(Column, &[&str])] = &[
    (Column::Username, &["uid", "samaccountname", "userprincipalname"]),
    (Column::Name, &["displayname", "cn", "name"]),
    (Column::Email, &["mail", "rfc822mailbox"]),
    (Column::Phone, &["mobile", "telephonenumber"]),
    (Column::Description, &["description"]),
];
/// Classes of people, and of what counts as people in Active Directory and is none.
const PEOPLE: &[&str] = &["person", "organizationalperson", "inetorgperson", "user", "posixaccount", "account"];
const OTHERS: &[&str] = &["computer", "msds-groupmanagedserviceaccount", "msds-managedserviceaccount"];
/// What else is read of an entry.
const OF_USE: &[&str] =
    &[CLASS, "userpassword", "useraccountcontrol", "nsaccountlock", "accountexpires", "pwdreset", "pwdlastset"];
/// The attribute of which every value counts; of all others, the first.
const CLASS: &str = "objectclass";
/// Most classes of an entry that are looked at.
const CLASSES_MAX: usize = 64;
/// The bit of `userAccountControl` that disables (MS-ADTS 2.2.16).
const ACCOUNT_DISABLED: u32 = 2;
/// Seconds from the beginning of Windows' count to that of Unix.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

/// Reads a file.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Table, FileError> {
    let text = decode(bytes)?;
    if text.trim().is_empty() {
        return Err(FileError::Empty);
    }
    let (mut table, mut columns, mut any) = (Gathering::new(limits), BTreeSet::new(), false);
    let mut lines = Lines { rest: text, number: 0 };
    while let Some(entry) = entry(&mut lines) {
        any = true;
        let row = match entry {
            Ok(entry) if !entry.is_person() => continue,
            Ok(entry) => entry.row(limits),
            Err(error) => Err(error),
        };
        if let Ok(row) = &row {
            columns.extend(row.cells.iter().map(|(column, _)| *column));
        }
        table.push(row)?;
    }
    if any {
        Ok(Table { columns: columns.into_iter().collect(), rows: table.rows })
    } else {
        Err(FileError::Malformed("has no entry in it that begins with dn: this is no LDIF".to_owned()))
    }
}

/// Gives the lines of a file, those that go on in the next put together, and without comments.
struct Lines<'a> {
    rest: &'a str,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Takes the line up to its end.
    fn physical(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u64, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.physical()?;
            let (number, mut whole) = (self.number, Cow::Borrowed(line));
            while self.rest.starts_with(' ') {
                let more = self.physical().unwrap_or_default();
                whole.to_mut().push_str(more.get(1..).unwrap_or_default());
            }
            if !line.starts_with('#') {
                return Some((number, whole));
            }
        }
    }
}

/// What stands behind an attribute.
#[derive(Clone)]
enum Value<'a> {
    Plain(Cow<'a, str>),
    Base64(Cow<'a, str>),
    Url,
}

impl Value<'_> {
    /// The text, or why it is none: the wording completes "the attribute …".
    fn text(&self) -> Result<String, (&'static str, &'static str)> {
        match self {
            Self::Plain(text) => Ok(text.clone().into_owned()),
            Self::Base64(text) => {
                let bytes = BASE64.decode(text.as_bytes()).map_err(|_| ("malformed", "is no base64"))?;
                String::from_utf8(bytes).map_err(|_| ("malformed", "is no UTF-8"))
            }
            Self::Url => {
                Err(("not_fetched", "is fetched from elsewhere, which is not done: put the value in its place"))
            }
        }
    }
}

/// One entry: those of its attributes that are of use, in small letters, without options.
struct Entry<'a> {
    line: u64,
    attributes: Vec<(String, Value<'a>)>,
}

/// The next entry, or why it cannot be read; none at the end.
fn entry<'a>(lines: &mut Lines<'a>) -> Option<Result<Entry<'a>, RowError>> {
    let mut entry: Option<Entry<'a>> = None;
    let mut fault = None;
    for (number, line) in lines.by_ref() {
        if line.is_empty() {
            if entry.is_some() {
                break;
            }
            continue;
        }
        let Some((name, value)) = attribute(line) else {
            let held = entry.get_or_insert_with(|| Entry { line: number, attributes: Vec::new() });
            fault =
                fault.or(Some(RowError::of_row(held.line, "malformed", format!("has no attribute in line {number}"))));
            continue;
        };
        match (&mut entry, name.as_str()) {
            (None, "version") => {}
            (None, "dn") => entry = Some(Entry { line: number, attributes: Vec::new() }),
            (None, _) => {
                entry = Some(Entry { line: number, attributes: Vec::new() });
                fault = Some(RowError::of_row(number, "malformed", "does not begin with dn"));
            }
            (Some(held), "changetype") if value.text().as_deref() != Ok("add") => {
                let words = "is a change: only entries and changetype add are read";
                fault = fault.or(Some(RowError::of_row(held.line, "not_an_entry", words)));
            }
            // An option is a language or a form: what has none is meant for everybody.
            (Some(_), name) if name.contains(';') => {}
            (Some(held), _) => held.take(name, value),
        }
    }
    Some(fault.map_or(Ok(entry?), Err))
}

fn attribute(line: Cow<'_, str>) -> Option<(String, Value<'_>)> {
    let (name, rest) = match &line {
        Cow::Borrowed(line) => line.split_once(':').map(|(name, rest)| (name, Cow::Borrowed(rest)))?,
        Cow::Owned(line) => line.split_once(':').map(|(name, rest)| (name, Cow::Owned(rest.to_owned())))?,
    };
    let name = name.trim().to_ascii_lowercase();
    let trimmed =
        |text: Cow<'_, str>, skip: usize| text.get(skip..).unwrap_or_default().trim_start_matches(' ').to_owned();
    let value = match rest.chars().next() {
        Some(':') => Value::Base64(Cow::Owned(trimmed(rest, 1).trim_end().to_owned())),
        Some('<') => Value::Url,
        _ => Value::Plain(Cow::Owned(trimmed(rest, 0))),
    };
    Some((name, value))
}

impl<'a> Entry<'a> {
    /// Keeps what is of use: an entry may be as large as its file.
    fn take(&mut self, name: String, value: Value<'a>) {
        let is_of_use =
            OF_USE.contains(&name.as_str()) || TEXTS.iter().any(|(_, names)| names.contains(&name.as_str()));
        let most = if name == CLASS { CLASSES_MAX } else { 1 };
        if is_of_use && self.attributes.iter().filter(|(known, _)| *known == name).count() < most {
            self.attributes.push((name, value));
        }
    }
}

impl Entry<'_> {
    fn first(&self, name: &str) -> Option<&Value<'_>> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The first value of an attribute, where it is text.
    fn word(&self, name: &str) -> Option<String> {
        self.first(name)?.text().ok()
    }

    fn is_person(&self) -> bool {
        let classes = self.attributes.iter().filter(|(name, _)| name == CLASS);
        let classes: Vec<String> =
            classes.filter_map(|(_, class)| class.text().ok()).map(|class| class.to_ascii_lowercase()).collect();
        let is_any = |those: &[&str]| classes.iter().any(|class| those.contains(&class.as_str()));
        (classes.is_empty() || is_any(PEOPLE)) && !is_any(OTHERS)
    }

    fn row(&self, limits: &Limits) -> Result<Row, RowError> {
        let (mut cells, mut faults) = (Vec::new(), Vec::new());
        for (column, names) in TEXTS {
            let Some(value) = names.iter().find_map(|name| self.first(name)) else { continue };
            match value.text().and_then(|text| bounded(text, limits)) {
                Ok(text) => cells.push((*column, Cell::Text(text))),
                Err((code, words)) => faults.push(FieldError::new(column.name(), code, words)),
            }
        }
        if let Some(value) = self.first("userpassword") {
            match value.text().and_then(|text| bounded(text, limits)) {
                Ok(text) => cells.push(password(text)),
                Err((code, words)) => faults.push(FieldError::new(Column::Password.name(), code, words)),
            }
        }
        cells.extend(self.active().map(|active| (Column::State, Cell::Active(active))));
        cells.extend(self.expiry().map(|expiry| (Column::ExpiresAt, expiry)));
        let must_change = self.word("pwdreset").is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
            || self.word("pwdlastset").is_some_and(|set| set == "0");
        cells.extend(must_change.then_some((Column::MustChangePassword, Cell::Flag(true))));
        if faults.is_empty() && !cells.iter().any(|(column, _)| *column == Column::Username) {
            faults.push(FieldError::new(
                "username",
                "missing",
                "is in none of uid, sAMAccountName and userPrincipalName",
            ));
        }
        if faults.is_empty() { Ok(Row { line: self.line, cells }) } else { Err(RowError::new(self.line, faults)) }
    }

    /// Whether the directory lets the person in, where it says so.
    fn active(&self) -> Option<bool> {
        if let Some(flags) = self.word("useraccountcontrol").and_then(|flags| flags.parse::<u32>().ok()) {
            return Some(flags & ACCOUNT_DISABLED == 0);
        }
        self.word("nsaccountlock").map(|locked| !locked.eq_ignore_ascii_case("true"))
    }

    /// When the account ends, as Active Directory says: in tenths of microseconds; nothing and everything are never.
    fn expiry(&self) -> Option<Cell> {
        let ticks: i64 = self.word("accountexpires")?.parse().ok()?;
        if ticks == 0 || ticks == i64::MAX {
            return Some(Cell::Empty);
        }
        Timestamp::from_second(ticks / 10_000_000 - WINDOWS_EPOCH).ok().map(Cell::Time)
    }
}

/// A password as directories keep it: behind a scheme there is a hash.
fn password(text: String) -> (Column, Cell) {
    let column = if text.starts_with('{') && text.contains('}') { Column::PasswordHash } else { Column::Password };
    (column, Cell::Secret(Secret::new(text)))
}

#[cfg(test)]
mod tests;
