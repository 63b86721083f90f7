//! A search result entry (RFC 4511 §4.5.2), taken out of the decoded message without panics.
//!
//! It keeps only the attributes that were asked for and refuses those beyond 64 KiB or 10,000 values. The
//! library's own `SearchEntry::construct` panics on other data than it expects and is not used.

use ldap3::asn1::{PL, StructureTag, TagClass};

/// Most bytes in all values of one attribute.
pub const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// Most values of one attribute.
pub const VALUES_MAX: usize = 10_000;
/// Longest DN in messages, in characters.
const LABEL_MAX: usize = 1000;

/// `SearchResultEntry ::= [APPLICATION 4]`.
const SEARCH_RESULT_ENTRY: u64 = 4;

/// The message is no search result entry: the server's answers cannot be trusted any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an entry that is none as RFC 4511 gives it")]
pub struct Malformed;

/// What is wrong with one attribute of an entry; the wording completes "the attribute …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// More than [`ATTRIBUTE_BYTES_MAX`].
    Bytes,
    /// More than [`VALUES_MAX`].
    Values,
}

impl Excess {
    /// The wording for an administrator.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Bytes => "is larger than 64 KiB",
            Self::Values => "has more than 10,000 values",
        }
    }
}

/// The values of one attribute, or why they are not kept.
type Values = Result<Vec<Vec<u8>>, Excess>;

/// One entry, reduced to what was asked for.
#[derive(Debug)]
pub struct Entry {
    /// The distinguished name as the server sent it; it should be UTF-8.
    pub dn: Vec<u8>,
    /// Name as asked for, and the values in the server's order.
    attributes: Vec<(String, Values)>,
}

impl Entry {
    /// Takes the `wanted` attributes out of a decoded message.
    ///
    /// # Errors
    /// The message is not of the shape of an entry.
    pub fn read(tag: StructureTag, wanted: &[String]) -> Result<Self, Malformed> {
        if tag.id != SEARCH_RESULT_ENTRY || tag.class != TagClass::Application {
            return Err(Malformed);
        }
        let [dn, list] = parts(tag)?;
        let dn = dn.expect_primitive().ok_or(Malformed)?;
        let mut attributes: Vec<(String, Values)> = Vec::with_capacity(wanted.len());
        for attribute in list.expect_constructed().ok_or(Malformed)? {
            let [name, values] = parts(attribute)?;
            let name = name.expect_primitive().ok_or(Malformed)?;
            let values = values.expect_constructed().ok_or(Malformed)?;
            let asked = wanted.iter().find(|asked| is_named(&name, asked));
            if let Some(asked) = asked
                && !attributes.iter().any(|(known, _)| known == asked)
            {
                attributes.push((asked.clone(), bounded(values)?));
            }
        }
        Ok(Self { dn, attributes })
    }

    /// The DN for messages: readable in any case, cut after 1,000 characters.
    #[must_use]
    pub fn label(&self) -> String {
        String::from_utf8_lossy(&self.dn).chars().take(LABEL_MAX).collect()
    }

    /// The values of an attribute that was asked for; none where the entry has not got it.
    ///
    /// # Errors
    /// The attribute is larger than allowed.
    pub fn values(&self, name: &str) -> Result<&[Vec<u8>], Excess> {
        match self.attributes.iter().find(|(known, _)| known == name) {
            Some((_, Ok(values))) => Ok(values),
            Some((_, Err(excess))) => Err(*excess),
            None => Ok(&[]),
        }
    }
}

/// The first two elements of a constructed one; RFC 4511 §4 lets more follow.
fn parts(tag: StructureTag) -> Result<[StructureTag; 2], Malformed> {
    let PL::C(parts) = tag.payload else { return Err(Malformed) };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err(Malformed),
    }
}

/// Attribute names compare without case (RFC 4512 §2.5); Active Directory may add `;range=0-1499`.
fn is_named(name: &[u8], asked: &str) -> bool {
    let (name, rest) = name.split_at_checked(asked.len()).unwrap_or((name, &[]));
    name.eq_ignore_ascii_case(asked.as_bytes()) && (rest.is_empty() || rest.starts_with(b";range="))
}

fn bounded(values: Vec<StructureTag>) -> Result<Values, Malformed> {
    if values.len() > VALUES_MAX {
        return Ok(Err(Excess::Values));
    }
    let values: Option<Vec<Vec<u8>>> = values.into_iter().map(StructureTag::expect_primitive).collect();
    let values = values.ok_or(Malformed)?;
    let size: usize = values.iter().map(Vec::len).sum();
    Ok(if size > ATTRIBUTE_BYTES_MAX { Err(Excess::Bytes) } else { Ok(values) })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn text(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    pub(crate) fn list(id: u64, class: TagClass, parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class, id, payload: PL::C(parts) }
    }

    pub(crate) fn entry(dn: &[u8], attributes: &[(&str, Vec<&[u8]>)]) -> StructureTag {
        let attribute = |(name, values): &(&str, Vec<&[u8]>)| {
            let values = list(17, TagClass::Universal, values.iter().map(|value| text(value)).collect());
            list(16, TagClass::Universal, vec![text(name.as_bytes()), values])
        };
        let attributes = list(16, TagClass::Universal, attributes.iter().map(attribute).collect());
        list(4, TagClass::Application, vec![text(dn), attributes])
    }

    fn wanted() -> Vec<String> {
        vec!["uid".to_owned(), "mail".to_owned()]
    }

    #[test]
    fn only_what_was_asked_for_is_kept_whatever_its_case() {
        let tag =
            entry(b"uid=a", &[("UID", vec![b"a", b"b"]), ("userPassword", vec![b"x"]), ("mail;range=0-1", vec![b"m"])]);
        let entry = Entry::read(tag, &wanted()).unwrap();
        assert_eq!(entry.values("uid").unwrap(), [b"a", b"b"]);
        assert_eq!(entry.values("mail").unwrap(), [b"m"]);
        assert_eq!(entry.attributes.len(), 2);
        assert!(entry.values("cn").unwrap().is_empty());
    }

    #[test]
    fn excess_is_told_for_its_attribute_only() {
        let many = vec![&b"x"[..]; VALUES_MAX + 1];
        let long = vec![b'x'; ATTRIBUTE_BYTES_MAX + 1];
        let read = Entry::read(entry(b"d", &[("uid", many), ("mail", vec![&long])]), &wanted()).unwrap();
        assert_eq!(read.values("uid"), Err(Excess::Values));
        assert_eq!(read.values("mail"), Err(Excess::Bytes));
    }

    #[test]
    fn other_shapes_are_malformed_and_never_panic() {
        let octets = || text(b"x");
        let shapes = [
            octets(),
            list(19, TagClass::Application, vec![octets()]),
            list(4, TagClass::Application, vec![]),
            list(4, TagClass::Application, vec![octets()]),
            list(4, TagClass::Application, vec![octets(), octets()]),
            list(4, TagClass::Application, vec![octets(), list(16, TagClass::Universal, vec![octets()])]),
            list(4, TagClass::Universal, vec![octets(), list(16, TagClass::Universal, vec![])]),
        ];
        for shape in shapes {
            assert_eq!(Entry::read(shape.clone(), &wanted()).unwrap_err(), Malformed, "{shape:?}");
        }
    }

    /// Anything that the decoder may give.
    fn anything() -> impl Strategy<Value = StructureTag> {
        let class = || prop_oneof![Just(TagClass::Universal), Just(TagClass::Application), Just(TagClass::Context)];
        let id = || prop_oneof![Just(4_u64), Just(16), Just(17), 0..31_u64];
        let leaf = (id(), class(), any::<Vec<u8>>()).prop_map(|(id, class, bytes)| StructureTag {
            class,
            id,
            payload: PL::P(bytes),
        });
        leaf.prop_recursive(5, 40, 4, move |inner| {
            (id(), class(), proptest::collection::vec(inner, 0..4))
                .prop_map(|(id, class, parts)| list(id, class, parts))
        })
    }

    proptest! {
        #[test]
        fn hostile_entries_are_read_or_refused_without_a_panic(content in anything(), dn: Vec<u8>, values: Vec<Vec<u8>>) {
            let mapping = super::super::mapping::Mapping::new(&super::super::Settings::default());
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let odd = entry(&dn, &[("entryUUID", values.clone()), ("uid", values.clone()), ("cn", values)]);
            for tag in [content.clone(), list(4, TagClass::Application, vec![text(&dn), content]), odd] {
                if let Ok(entry) = Entry::read(tag, &mapping.wanted()) {
                    let _ = mapping.user(&entry);
                }
            }
        }
    }
}
