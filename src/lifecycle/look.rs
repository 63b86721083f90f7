//! Whom the rules must be asked about, found by the indexes: the cost follows who is due, not who exists, whatever
//! sources, roles and users are exempt.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::rules::Person;
use super::settings::Settings;
use crate::base::clock::minus;
use crate::base::id::{GroupId, UserId};
use crate::directory::dn;
use crate::directory::grant::{Gives, Grant};
use crate::directory::group::Member;
use crate::directory::notice::About;
use crate::directory::user::User;
use crate::store::tx::Reads;
use crate::store::{StoreError, grants, groups, notices, tally, users};

/// Members of a group that are read at a time.
const CHUNK: usize = 1_000;

/// A look at the directory by the settings.
pub struct Look<'a> {
    /// What is looked at.
    pub reads: &'a dyn Reads,
    /// By which settings.
    pub settings: &'a Settings,
}

impl Look<'_> {
    /// Active users who may be disabled at `at`: expired, or quiet for long enough. At most about `most`.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn due(&self, at: Timestamp, most: usize) -> Result<Vec<Person>, StoreError> {
        self.people(self.due_ids(at, most)?)
    }

    /// The ids of those of [`Look::due`].
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn due_ids(&self, at: Timestamp, most: usize) -> Result<Vec<UserId>, StoreError> {
        let mut ids = users::expired(self.reads, at, most)?;
        ids.extend(self.quiet(at, most, |threshold| threshold)?);
        Ok(ids)
    }

    /// Active users who are told at `at` that they have been quiet for long, if they were not told before. At most about
    /// `most`.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn nearly_quiet(&self, at: Timestamp, most: usize) -> Result<BTreeSet<UserId>, StoreError> {
        let notices = &self.settings.notices;
        self.quiet(at, most, |threshold| threshold.saturating_sub(notices.lead(threshold).unwrap_or_default()))
    }

    /// Active users who have been quiet for what `of` makes of their threshold, and all holders of roles that have one.
    fn quiet(
        &self,
        at: Timestamp,
        most: usize,
        of: impl Fn(Duration) -> Duration,
    ) -> Result<BTreeSet<UserId>, StoreError> {
        let policy = &self.settings.inactivity;
        let mut ids = BTreeSet::new();
        if policy.threshold.is_some() || policy.sources.values().any(Option::is_some) {
            for source in tally::sources(self.reads)? {
                let Some(threshold) = policy.threshold_of(&source) else { continue };
                ids.extend(users::quiet(self.reads, &source, minus(at, of(threshold)), most)?);
            }
        }
        // Those who hold roles are few. They may be due before the others of their source.
        for (role, _) in policy.roles.iter().filter(|(_, threshold)| threshold.is_some()) {
            ids.extend(users::holders(self.reads, role.as_str(), usize::MAX)?);
            for grant in &self.settings.grants {
                if matches!(&grant.rule.gives, Gives::Role(given) if given == role) {
                    ids.extend(self.members_by(grant)?);
                }
            }
        }
        Ok(ids)
    }

    /// Everybody to whom a group gives something.
    fn members_by(&self, grant: &Grant) -> Result<BTreeSet<UserId>, StoreError> {
        let (source, name) = (&grant.source, &grant.rule.group);
        let mut waiting: Vec<GroupId> = match name.contains('=') {
            true => groups::by_entries(self.reads, source, &[dn::key(name)])?.into_iter().flatten().collect(),
            false => groups::named_alike(self.reads, source, name)?,
        };
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        while let Some(group) = waiting.pop() {
            if !seen.insert(group) {
                continue;
            }
            let mut last = None;
            loop {
                let members = groups::members(self.reads, group, last, CHUNK)?;
                last = members.last().copied();
                for member in &members {
                    match member {
                        Member::User(id) => drop(found.insert(*id)),
                        Member::Group(id) => waiting.push(*id),
                    }
                }
                if members.len() < CHUNK {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// These users as the rules see them.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn people(&self, ids: impl IntoIterator<Item = UserId>) -> Result<Vec<Person>, StoreError> {
        let ids: Vec<UserId> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut people = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let users = users::get_many(self.reads, chunk)?;
            let found: Vec<UserId> = users.iter().map(|user| user.id).collect();
            let told = notices::get_many(self.reads, &found, About::Inactivity)?;
            for (user, told) in users.into_iter().zip(told) {
                let threshold = self.threshold(&user)?;
                let lead = threshold.and_then(|threshold| self.settings.notices.lead(threshold));
                people.push(Person { user, threshold, lead, told });
            }
        }
        Ok(people)
    }

    fn threshold(&self, user: &User) -> Result<Option<Duration>, StoreError> {
        let policy = &self.settings.inactivity;
        if policy.roles.is_empty() {
            return Ok(policy.threshold_for(user, &user.roles));
        }
        Ok(policy.threshold_for(user, &grants::roles_of(self.reads, &self.settings.grants, user)?))
    }
}
