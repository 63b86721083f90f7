//! An empty file to fill in: the columns that an import reads, what goes into each, and an example. Both of these
//! lines begin their id with `#`, which no id does: they are passed by, and nobody makes such a user by mistake.

use std::io::{self, Write};

use super::{Column, Format, Writer};

/// Writes it.
///
/// # Errors
/// When the writer does not take it, or the format has no template.
pub fn write<W: Write>(format: Format, output: W) -> io::Result<W> {
    let columns = Column::imported();
    let mut file = Writer::new(format, &columns, output)?;
    file.row(columns.iter().map(|column| words(*column).0))?;
    file.row(columns.iter().map(|column| words(*column).1))?;
    file.end()
}

/// What goes into a column, and an example of it.
fn words(column: Column) -> (&'static str, &'static str) {
    match column {
        Column::Id => ("#note: leave it empty for a new user; lines that begin with # here are passed by", "#example"),
        Column::Username => ("required; at most 128 characters", "ada"),
        Column::Name => ("required; the name to show", "Ada Lovelace"),
        Column::Email => ("required for users of musterd's own", "ada@example.org"),
        Column::Phone => ("in international form", "+31 20 1234567"),
        Column::Description => ("free text", "Analytical engine, 2nd floor"),
        Column::State => ("active or disabled; active where it is empty", "active"),
        Column::ExpiresAt => {
            ("a time, or a day in UTC; empty: never, or as the settings have it", "2030-12-31T23:59:59Z")
        }
        Column::Roles => ("separated by semicolons; user where it is empty", "user"),
        Column::Organizations => {
            ("by name or id, with roles inside: Acme: organization-admin; Initech", "Acme: organization-auditor")
        }
        Column::ManagedBy => ("by name or id: one of the organizations; its administrators manage the account", "Acme"),
        Column::Groups => ("by name or id, separated by semicolons; \\; is a semicolon in a name", "Research; R\\;D"),
        Column::Mfa => ("disabled, enabled or forced", "enabled"),
        Column::MustChangePassword => ("true or false", "true"),
        Column::Password => ("a first password, or nothing", ""),
        Column::PasswordHash => ("or its hash from another system: $argon2id$, $2b$, pbkdf2_sha256$, {SSHA}, …", ""),
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Cell, Limits, read};

    #[test]
    fn a_template_has_every_column_of_an_import_and_makes_nobody() {
        let file = write(Format::Csv, Vec::new()).unwrap();
        let table = read(Format::Csv, &file, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(table.columns, Column::imported());
        assert!(table.rows.is_empty());
    }

    #[test]
    fn the_example_of_a_template_is_right() {
        for column in Column::imported().into_iter().filter(|column| *column != Column::Id) {
            let (words, example) = words(column);
            assert!(!words.is_empty(), "{column:?}");
            assert!(Cell::parse(column, example.to_owned()).is_ok(), "{column:?}");
        }
    }
}
