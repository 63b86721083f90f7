//! The columns of a file, by their headings. The names are for ever: files lie about for years.

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Column {
    /// The user's id: whom an import is about. A new user has none.
    Id,
    /// The login name.
    Username,
    /// The name to show.
    Name,
    /// The address.
    Email,
    /// The number, in E.164.
    Phone,
    /// Free text.
    Description,
    /// `active` or `disabled`.
    State,
    /// The expiry.
    ExpiresAt,
    /// System roles.
    Roles,
    /// Organisations, each with the roles inside.
    Organizations,
    /// The organisation whose administrators manage the account.
    ManagedBy,
    /// Direct groups of musterd's own.
    Groups,
    /// The second-factor policy.
    Mfa,
    /// Whether a new password is asked for.
    MustChangePassword,
    /// A password in the clear; never written.
    Password,
    /// The hash of a password; never written.
    PasswordHash,
    /// Who owns the record. An import does not change it, and may compare it.
    Source,
    /// What the owning source calls the person.
    ExternalId,
    /// Why a disabled user is.
    DisabledReason,
    /// Every group, with those of sources and those that a group is in.
    AllGroups,
    /// When the record was made.
    CreatedAt,
    /// When it last changed.
    ModifiedAt,
    /// The last login.
    LastLogin,
    /// The last use of a session.
    LastSeen,
}

/// What the cells of a column hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text as it stands.
    Text,
    /// Text that is told to nobody.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A time (RFC 3339).
    Time,
    /// `active` or `disabled`.
    State,
    /// A policy of second factors.
    Mfa,
    /// Names (see [`super::list`]).
    List,
    /// Organisations with roles (see [`super::list`]).
    Memberships,
}

/// What a file may be used for with a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Written and read.
    Both,
    /// Read, and never written: secrets.
    In,
    /// Written, and passed by when it is read: what musterd notes itself.
    Out,
    /// Written on request alone, because it costs more, and passed by.
    OnRequest,
}

type Known = (Column, &'static str, Kind, Way);

const ALL: &[Known] = &[
    (Column::Id, "id", Kind::Text, Way::Both),
    (Column::Username, "username", Kind::Text, Way::Both),
    (Column::Name, "name", Kind::Text, Way::Both),
    (Column::Email, "email", Kind::Text, Way::Both),
    (Column::Phone, "phone", Kind::Text, Way::Both),
    (Column::Description, "description", Kind::Text, Way::Both),
    (Column::State, "state", Kind::State, Way::Both),
    (Column::ExpiresAt, "expires_at", Kind::Time, Way::Both),
    (Column::Roles, "roles", Kind::List, Way::Both),
    (Column::Organizations, "organizations", Kind::Memberships, Way::Both),
    (Column::ManagedBy, "managed_by", Kind::Text, Way::Both),
    (Column::Groups, "groups", Kind::List, Way::Both),
    (Column::Mfa, "mfa", Kind::Mfa, Way::Both),
    (Column::MustChangePassword, "must_change_password", Kind::Flag, Way::Both),
    (Column::Password, "password", Kind::Secret, Way::In),
    (Column::PasswordHash, "password_hash", Kind::Secret, Way::In),
    (Column::Source, "source", Kind::Text, Way::Both),
    (Column::ExternalId, "external_id", Kind::Text, Way::Out),
    (Column::DisabledReason, "disabled_reason", Kind::Text, Way::Out),
    (Column::AllGroups, "all_groups", Kind::List, Way::OnRequest),
    (Column::CreatedAt, "created_at", Kind::Time, Way::Out),
    (Column::ModifiedAt, "modified_at", Kind::Time, Way::Out),
    (Column::LastLogin, "last_login", Kind::Time, Way::Out),
    (Column::LastSeen, "last_seen", Kind::Time, Way::Out),
];

impl Column {
    fn known(self) -> Option<&'static Known> {
        ALL.iter().find(|(column, ..)| *column == self)
    }

    /// Its heading.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.known().map_or("", |(_, name, ..)| name)
    }

    /// What its cells hold.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.known().map_or(Kind::Text, |(.., kind, _)| *kind)
    }

    /// The column of this heading, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(name)).map(|(column, ..)| *column)
    }

    /// Every heading.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, name, ..)| *name)
    }

    /// Is it of use to an import?
    #[must_use]
    pub fn is_read(self) -> bool {
        self.known().is_some_and(|(.., way)| matches!(way, Way::Both | Way::In))
    }

    /// May an export hold it? Secrets are never written.
    #[must_use]
    pub fn is_written(self) -> bool {
        self.known().is_some_and(|(.., way)| *way != Way::In)
    }

    /// What an export holds where nobody says what it should.
    #[must_use]
    pub fn exported() -> Vec<Self> {
        ALL.iter().filter(|(.., way)| matches!(way, Way::Both | Way::Out)).map(|(column, ..)| *column).collect()
    }

    /// What an import can use for a new user: the columns of a template.
    #[must_use]
    pub fn imported() -> Vec<Self> {
        let known =
            ALL.iter().filter(|(column, .., way)| matches!(way, Way::Both | Way::In) && *column != Self::Source);
        known.map(|(column, ..)| *column).collect()
    }
}
