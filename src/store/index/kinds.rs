//! The index rows of everything but users and groups.

use super::{Indexed, row};
use crate::base::secret::sha256;
use crate::base::text;
pub(super) use crate::directory::device::Device;
pub(super) use crate::directory::organization::Organization;
pub(super) use crate::directory::resource::Resource;
pub(super) use crate::directory::session::{PasswordLink, Session};
pub(super) use crate::directory::token::ApiToken;
pub(super) use crate::store::credentials::{Credential, Factor, FactorKind};
use crate::store::engine::{Bytes, Row};
use crate::store::keys::{self, END, Space};

impl Indexed for Organization {
    const RECORDS: Space = Space::Organization;
    const INDEXES: &'static [Space] = &[Space::OrganizationByName];

    fn rows(&self, _: &[u8]) -> Vec<Row> {
        let name = Space::OrganizationByName.key(&[text::fold(self.name.as_str()).as_bytes()]);
        vec![(name, self.id.as_bytes().to_vec())]
    }
}

impl Indexed for Resource {
    const RECORDS: Space = Space::Resource;
    const INDEXES: &'static [Space] = &[Space::ResourceByType, Space::ResourceByValue];

    fn rows(&self, _: &[u8]) -> Vec<Row> {
        let (id, source, kind) = (self.id.as_bytes(), self.source.as_str().as_bytes(), self.kind.as_bytes());
        let unique = self.unique.iter().map(|value| {
            let key = Space::ResourceByValue.key(&[source, END, kind, END, value.as_bytes()]);
            (key, id.to_vec())
        });
        std::iter::once(row(Space::ResourceByType, &[source, END, kind, END, id])).chain(unique).collect()
    }
}

/// The key of a record that lies under the hash of a token, which an index row has as its value.
fn under_hash(records: Space, (_, hash): &Row) -> Option<Bytes> {
    Some(records.key(&[hash]))
}

/// The hash in the key of such a record.
fn hash_of(key: &[u8]) -> Bytes {
    key.get(1..).unwrap_or_default().to_vec()
}

impl Indexed for ApiToken {
    const RECORDS: Space = Space::Token;
    const INDEXES: &'static [Space] = &[Space::TokenById, Space::TokenByPrevious];

    fn rows(&self, key: &[u8]) -> Vec<Row> {
        let previous = self.previous.as_ref().map(|previous| Space::TokenByPrevious.key(&[&previous.hash.0]));
        let keys = [Some(Space::TokenById.key(&[self.id.as_bytes()])), previous];
        keys.into_iter().flatten().map(|index| (index, hash_of(key))).collect()
    }

    fn leads_to(row: &Row) -> Option<Bytes> {
        under_hash(Self::RECORDS, row)
    }
}

impl Indexed for Session {
    const RECORDS: Space = Space::Session;
    const INDEXES: &'static [Space] = &[Space::SessionByUser];

    fn rows(&self, key: &[u8]) -> Vec<Row> {
        vec![(Space::SessionByUser.key(&[self.user.as_bytes(), self.id.as_bytes()]), hash_of(key))]
    }

    fn leads_to(row: &Row) -> Option<Bytes> {
        under_hash(Self::RECORDS, row)
    }
}

impl Indexed for Device {
    const RECORDS: Space = Space::Device;
    const INDEXES: &'static [Space] = &[Space::DeviceByUser];

    fn rows(&self, key: &[u8]) -> Vec<Row> {
        vec![(Space::DeviceByUser.key(&[self.user.as_bytes(), self.id.as_bytes()]), hash_of(key))]
    }

    fn leads_to(row: &Row) -> Option<Bytes> {
        under_hash(Self::RECORDS, row)
    }
}

/// The index key of a passkey: authenticators make names of up to 1,023 bytes (WebAuthn §6.5.1).
pub(crate) fn by_credential(credential_id: &str) -> Bytes {
    Space::FactorByCredential.key(&[&sha256(credential_id.as_bytes())])
}

impl Indexed for Factor {
    const RECORDS: Space = Space::Factor;
    const INDEXES: &'static [Space] = &[Space::FactorByCredential];

    fn rows(&self, key: &[u8]) -> Vec<Row> {
        match &self.kind {
            FactorKind::Passkey { credential_id, .. } if !credential_id.is_empty() => {
                vec![(by_credential(credential_id), key.get(1..).unwrap_or_default().to_vec())]
            }
            _ => Vec::new(),
        }
    }

    fn leads_to((_, ids): &Row) -> Option<Bytes> {
        Some(Self::RECORDS.key(&[ids]))
    }
}

impl Indexed for Credential {
    const RECORDS: Space = Space::Credential;
    const INDEXES: &'static [Space] = &[Space::CredentialByChanged];

    fn rows(&self, key: &[u8]) -> Vec<Row> {
        let user = key.get(1..).unwrap_or_default();
        vec![row(Space::CredentialByChanged, &[&keys::seconds(self.changed_at), user])]
    }
}

impl Indexed for PasswordLink {
    const RECORDS: Space = Space::Link;
    const INDEXES: &'static [Space] = &[Space::LinkByUser];

    fn rows(&self, key: &[u8]) -> Vec<Row> {
        vec![(Space::LinkByUser.key(&[self.user.as_bytes()]), hash_of(key))]
    }

    fn leads_to(row: &Row) -> Option<Bytes> {
        under_hash(Self::RECORDS, row)
    }
}
