//! What a source says of a user, in sixteen bytes: a pass over a source sees by them that there is nothing to do, and
//! need not read the record.

use super::User;
use crate::base::secret::sha256;

/// A fingerprint. Equal ones are of users for whom a source's word changes nothing.
pub type Fingerprint = [u8; 16];

/// What goes into it.
#[derive(Clone, Copy, Debug)]
pub struct Prints<'a> {
    /// The login name, as it is shown.
    pub username: &'a str,
    /// The name to show.
    pub name: &'a str,
    /// The email address, as it is shown.
    pub email: Option<&'a str>,
    /// The phone number in E.164.
    pub phone: Option<&'a str>,
    /// The description.
    pub description: &'a str,
    /// The name of the entry.
    pub entry: Option<&'a str>,
    /// The primary group.
    pub primary_group: Option<&'a str>,
    /// Whether the expiry is the source's word.
    pub expires: bool,
    /// Whether the user is active.
    pub active: bool,
}

impl Prints<'_> {
    /// The first half of the SHA-256 of all of it, each part with its length in front.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Self { username, name, email, phone, description, entry, primary_group, expires, active } = *self;
        let parts = [Some(username), Some(name), email, phone, Some(description), entry, primary_group];
        let mut bytes = Vec::with_capacity(256);
        bytes.extend([u8::from(active), u8::from(expires)]);
        for part in parts {
            let length = part.map_or(u32::MAX, |part| u32::try_from(part.len()).unwrap_or(u32::MAX));
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part.unwrap_or_default().as_bytes());
        }
        sha256(&bytes).first_chunk::<16>().copied().unwrap_or_default()
    }
}

impl User {
    /// The fingerprint of the record.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let at_source = self.at_source.as_ref();
        let prints = Prints {
            username: self.username.as_str(),
            name: self.name.as_str(),
            email: self.email.as_ref().map(|email| email.as_str()),
            phone: self.phone.as_ref().map(|phone| phone.as_str()),
            description: self.description.as_str(),
            entry: at_source.map(|at| at.entry.as_str()),
            primary_group: at_source.and_then(|at| at.primary_group.as_deref()),
            expires: at_source.is_some_and(|at| at.expires),
            active: self.is_active(),
        };
        prints.fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTS: Prints<'static> = Prints {
        username: "ada",
        name: "Ada",
        email: None,
        phone: Some(""),
        description: "",
        entry: Some("uid=ada"),
        primary_group: None,
        expires: false,
        active: true,
    };

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let others = [
            Prints { username: "adaA", name: "da", ..PRINTS },
            Prints { email: Some(""), ..PRINTS },
            Prints { phone: None, ..PRINTS },
            Prints { description: "x", ..PRINTS },
            Prints { entry: None, ..PRINTS },
            Prints { primary_group: Some("513"), ..PRINTS },
            Prints { active: false, ..PRINTS },
            Prints { expires: true, ..PRINTS },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), PRINTS.fingerprint(), "{other:?}");
        }
        assert_eq!(PRINTS.fingerprint(), PRINTS.fingerprint());
    }
}
