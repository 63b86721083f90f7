//! Users as a file, made while it is read; and a file to fill in.

use std::collections::BTreeMap;
use std::io::Write;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::filter::Condition;
use super::{many, sees_in};
use crate::base::id::OrganizationId;
use crate::base::suggest::nearest;
use crate::directory::audit::Target;
use crate::directory::permission::Permission;
use crate::directory::user::User;
use crate::exchange::user::{Person, text};
use crate::exchange::{Column, Format, Writer, template};
use crate::http::api::stream::stream;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Parameters;
use crate::http::state::App;
use crate::store::audit::Entry;
use crate::store::groups::Memberships;
use crate::store::tx::{Reads, Tx};
use crate::store::upkeep::backup::BackupError;
use crate::store::{StoreError, audit, list, organizations};

/// Users that are read at a time.
const PAGE: usize = 500;

/// The users whom a filter takes and the caller may see, as they are at this moment, by username. It is noted in the
/// audit trail.
pub async fn export(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Response, Problem> {
    let now = app.store.clock().now();
    let wish = Wish::of(&app, &parameters, now)?;
    let turn = app.bulk.exporting_turn().ok_or_else(|| many::busy("others read all users: try again"))?;
    let (author, format) = (caller.author(), wish.format);
    let note = move |tx: &mut Tx<'_>| audit::append(tx, &author, Entry::new("users.exported", Target::Directory));
    app.store.write::<_, StoreError>(note).await?;
    let store = app.store.clone();
    let snapshot = spawn_blocking(move || store.snapshot()).await.unwrap_or(Err(StoreError::Stopped))?;
    let name = format!("users-{}.{}", now.strftime("%Y-%m-%d"), format.name());
    let made = stream(media_type(format), "an export of users", move |output| {
        let (organizations, reader) = (names(&caller, &snapshot)?, output.reader());
        let keep = |user: &User| {
            // Also where nobody fits, and so nothing is written.
            reader.is_there()?;
            Ok(wish.takes(&app, user) && sees_in(&snapshot, &app, &caller, user)?)
        };
        let number = wish.write(&snapshot, &organizations, keep, output)?;
        drop(turn);
        let whole = wish.condition.map_or(Ok(()), Condition::end);
        whole.map_err(|problem| std::io::Error::other(problem.detail))?;
        Ok::<_, BackupError>(number)
    });
    Ok(attached(made, &name))
}

/// An empty file with the columns of an import, what goes into them, and an example that nobody can import.
pub async fn template(parameters: Parameters) -> Result<Response, Problem> {
    let format = format(&parameters)?;
    let made = stream(media_type(format), "a template", move |output| {
        template::write(format, output).map(|_| 0).map_err(BackupError::from)
    });
    Ok(attached(made, &format!("users-template.{}", format.name())))
}

/// What the file shall hold.
struct Wish {
    format: Format,
    columns: Vec<Column>,
    /// Whom it takes; none takes everybody.
    condition: Option<Condition>,
    now: Timestamp,
}

impl Wish {
    fn of(app: &App, parameters: &Parameters, now: Timestamp) -> Result<Self, Problem> {
        parameters.only(&["format", "filter", "columns"])?;
        let condition = parameters.get("filter").map(|text| Condition::parse(app, text)).transpose()?;
        let columns = parameters.get("columns").map_or_else(|| Ok(Column::exported()), columns)?;
        Ok(Self { format: format(parameters)?, columns, condition, now })
    }

    fn takes(&self, app: &App, user: &User) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(app, user, self.now))
    }

    /// Writes the users whom `keep` takes; gives how many there were. What cannot be read ends it, so that nobody is left
    /// out in silence.
    fn write(
        &self,
        reads: &dyn Reads,
        organizations: &BTreeMap<OrganizationId, String>,
        keep: impl Fn(&User) -> Result<bool, BackupError>,
        output: impl Write,
    ) -> Result<u64, BackupError> {
        let with_groups = self.columns.iter().any(|column| matches!(column, Column::Groups | Column::AllGroups));
        let mut memberships = Memberships::new(reads);
        let mut file = Writer::new(self.format, &self.columns, output)?;
        let (mut after, mut number) = (None, 0_u64);
        loop {
            let page = list::by_username(reads, None, after.as_deref(), PAGE, |_| true)?;
            let Some(last) = page.last() else { break };
            after = Some(last.username.folded());
            for user in &page {
                if !keep(user)? {
                    continue;
                }
                let groups = if with_groups { memberships.of(user.id)? } else { Vec::new() };
                let person = Person { user, groups: &groups, organizations };
                file.row(self.columns.iter().map(|column| text(*column, &person)))?;
                number = number.saturating_add(1);
            }
        }
        file.end()?;
        Ok(number)
    }
}

/// The names of the organisations that the caller may see: the others stand with their ids.
fn names(caller: &Caller, reads: &dyn Reads) -> Result<BTreeMap<OrganizationId, String>, StoreError> {
    let reach = caller.authority.reach(Permission::OrganizationsView);
    let (mut names, mut after) = (BTreeMap::new(), None);
    loop {
        let page = organizations::page(reads, after.as_deref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(names) };
        after = Some(last.name.folded());
        let seen = page.iter().filter(|one| reach.has(one.id));
        names.extend(seen.map(|one| (one.id, one.name.as_str().to_owned())));
    }
}

fn format(parameters: &Parameters) -> Result<Format, Problem> {
    let format = Format::by_name(parameters.get("format").unwrap_or("csv")).filter(|format| format.is_written());
    format.ok_or_else(|| Problem::field("format", "unknown_format", "must be csv or xlsx"))
}

/// The columns of `?columns=id,username`, each once.
fn columns(names: &str) -> Result<Vec<Column>, Problem> {
    let mut columns = Vec::new();
    for name in names.split(',').map(str::trim) {
        let fault = |code, message: String| Problem::field("columns", code, &message);
        let column = Column::parse(name).ok_or_else(|| {
            let meant =
                nearest(name, Column::names()).map(|meant| format!(": {meant} may be meant")).unwrap_or_default();
            fault("unknown_column", format!("has no column {name:?}{meant}"))
        })?;
        if !column.is_written() {
            return Err(fault("secret_column", format!("asks for {name}, which is told to nobody")));
        }
        if columns.contains(&column) {
            return Err(fault("duplicate_column", format!("names {name} twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The type of an answer; that of texts says in what they are written.
fn media_type(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv; charset=utf-8; header=present",
        other => other.media_type(),
    }
}

/// An answer that is kept under a name, and by nothing on its way.
fn attached(mut response: Response, name: &str) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(disposition.ok().map(|disposition| (header::CONTENT_DISPOSITION, disposition)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::directory::audit::Author;
    use crate::directory::user::tests::user;
    use crate::directory::user::{NewUser, UserChange};
    use crate::store::Store;
    use crate::store::users::{self, WriteError};

    #[tokio::test]
    async fn an_export_ends_where_it_cannot_tell_who_is_seen() {
        let store = Store::in_memory(Clock::manual(Timestamp::UNIX_EPOCH), Rng::seeded(7)).unwrap();
        let make = |tx: &mut Tx<'_>| -> Result<User, WriteError> {
            let ada = user("ada", Timestamp::UNIX_EPOCH);
            let rest = UserChange { email: Some(ada.email), ..UserChange::default() };
            let (id, username, name, source) = (ada.id, ada.username, ada.name, ada.source);
            let new = NewUser { id, username, name, source, rest, disabled: None };
            users::create(tx, &Author::system("test"), new, None)
        };
        store.write(make).await.unwrap();
        let wish =
            Wish { format: Format::Csv, columns: vec![Column::Username], condition: None, now: Timestamp::UNIX_EPOCH };
        let export = |keep: fn(&User) -> Result<bool, BackupError>| {
            let mut file = Vec::new();
            let number = wish.write(&store.view(), &BTreeMap::new(), keep, &mut file);
            (number.ok(), String::from_utf8(file).unwrap())
        };
        assert_eq!(export(|_| Ok(true)), (Some(1), "username\r\nada\r\n".to_owned()));
        assert_eq!(export(|_| Ok(false)), (Some(0), "username\r\n".to_owned()));
        assert_eq!(export(|_| Err(StoreError::Stopped.into())).0, None);
    }
}
