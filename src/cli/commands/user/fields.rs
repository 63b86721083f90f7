//! What is written of a user, as arguments.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::base::secret::Secret;
use crate::cli::output;

#[derive(Args)]
pub(in crate::cli) struct Create {
    /// The login name of the new user
    username: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Take the password's hash, from where the user comes from, from the first line of a file: argon2id, bcrypt, PBKDF2
    /// as Django has it, or {SSHA}
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_hash_file: Option<PathBuf>,
    /// Make the user without password or link
    #[arg(long, conflicts_with_all = ["password_stdin", "password_hash_file"])]
    no_link: bool,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
pub(in crate::cli) struct Fields {
    /// The login name
    #[arg(long = "username", value_name = "USERNAME")]
    rename: Option<String>,
    /// The name to show
    #[arg(long)]
    name: Option<String>,
    /// The email address
    #[arg(long)]
    email: Option<String>,
    /// The phone number, such as +31201234567; "" for none
    #[arg(long)]
    phone: Option<String>,
    /// A description
    #[arg(long)]
    description: Option<String>,
    /// When the account ends, such as 2027-12-31T23:59:59Z; "" for never
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// A system role; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// An organisation by id or name, and roles inside, such as Acme=organization-admin,desk; may be given several times;
    /// "" for none
    #[arg(long = "organization", value_name = "ORGANIZATION[=ROLES]")]
    organizations: Vec<String>,
    /// The organisation whose administrators manage the account; "" for the directory's
    #[arg(long, value_name = "ORGANIZATION")]
    managed_by: Option<String>,
    /// A local group; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The second-factor policy: disabled, enabled or forced
    #[arg(long)]
    mfa: Option<String>,
    /// Ask for a new password at the next login
    #[arg(long)]
    must_change_password: Option<bool>,
}

/// Memberships as the API takes them.
fn places(given: &[String]) -> Value {
    let place = |text: &String| {
        let (name, roles) = text.rsplit_once('=').unwrap_or((text, ""));
        let roles: Vec<&str> = roles.split(',').filter(|role| !role.is_empty()).collect();
        json!({"id": name, "roles": roles})
    };
    given.iter().filter(|text| !text.is_empty()).map(place).collect()
}

impl Fields {
    pub(super) fn body(self) -> Map<String, Value> {
        let clearable = |text: Option<String>| text.map(|text| if text.is_empty() { Value::Null } else { text.into() });
        let list = |items: Vec<String>| (!items.is_empty()).then(|| Value::from(items));
        let members = [
            ("username", self.rename.map(Value::from)),
            ("name", self.name.map(Value::from)),
            ("email", self.email.map(Value::from)),
            ("phone", clearable(self.phone)),
            ("description", clearable(self.description)),
            ("expires_at", clearable(self.expires_at)),
            ("roles", list(self.roles)),
            ("organizations", (!self.organizations.is_empty()).then(|| places(&self.organizations))),
            ("managed_by", clearable(self.managed_by)),
            ("groups", list(self.groups)),
            ("mfa", self.mfa.map(Value::from)),
            ("must_change_password", self.must_change_password.map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Create {
    pub(super) fn body(self) -> anyhow::Result<Value> {
        let mut body = self.fields.body();
        body.insert("username".to_owned(), self.username.into());
        if self.password_stdin {
            body.insert("password".to_owned(), read_password()?.expose().into());
        } else if let Some(file) = &self.password_hash_file {
            body.insert("password_hash".to_owned(), read_hash(file)?.expose().into());
        } else {
            body.insert("password_link".to_owned(), (!self.no_link).into());
        }
        Ok(Value::Object(body))
    }
}

/// A password from standard input, up to the end of the line. It never stands among the arguments.
pub(in crate::cli::commands) fn read_password() -> anyhow::Result<Secret> {
    if std::io::stdin().is_terminal() {
        output::complain("type the password, then Enter and Ctrl-D (it is shown as you type)");
    }
    let mut text = String::new();
    std::io::stdin().lock().take(4_096).read_to_string(&mut text)?;
    let password = Secret::new(text.strip_suffix('\n').unwrap_or(&text));
    if password.is_empty() {
        bail!("no password came from standard input");
    }
    Ok(password)
}

/// The first line of a file, which never stands among the arguments either.
fn read_hash(file: &Path) -> anyhow::Result<Secret> {
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let read = opened.take(4_096).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", file.display()))?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => bail!("{} holds no hash in its first line", file.display()),
    }
}
