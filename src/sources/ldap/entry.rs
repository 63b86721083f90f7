//! A search result entry (RFC 4511 §4.5.2), taken out of the decoded message without panics.
//!
//! It keeps only the attributes that were asked for and refuses those beyond 64 KiB or 10,000 values. The
//! library's own `SearchEntry::construct` panics on other data than it expects and is not used.

use ldap3::asn1::{PL, StructureTag, TagClass};

/// Most bytes in all values of one attribute.
pub const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// Most values of one attribute.
pub const VALUES_MAX: usize = 10_000;
/// Most bytes in all members of one group: as much as one message can hold.
pub const MEMBERS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most members of one group in one message.
pub const MEMBERS_MAX: usize = 250_000;
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
            Self::Bytes => "is larger than 64 KiB (members of a group: 16 MiB)",
            Self::Values => "has more than 10,000 values (members of a group: 250,000)",
        }
    }
}

/// The values of one attribute, or why they are not kept.
type Values = Result<Vec<Vec<u8>>, Excess>;

/// One attribute that was asked for.
#[derive(Debug)]
struct Attribute {
    /// The name as it was asked for.
    name: String,
    values: Values,
    /// The number of the first value that did not come along ([MS-ADTS] 3.1.1.3.1.3.3); none: all came.
    next: Option<usize>,
}

/// One entry, reduced to what was asked for.
#[derive(Debug)]
pub struct Entry {
    /// The distinguished name as the server sent it; it should be UTF-8.
    pub dn: Vec<u8>,
    /// In the server's order.
    attributes: Vec<Attribute>,
}

/// What may be in an attribute.
#[derive(Clone, Copy)]
struct Bounds {
    bytes: usize,
    values: usize,
}

const PLAIN: Bounds = Bounds { bytes: ATTRIBUTE_BYTES_MAX, values: VALUES_MAX };
const MEMBERS: Bounds = Bounds { bytes: MEMBERS_BYTES_MAX, values: MEMBERS_MAX };

impl Entry {
    /// Takes the `wanted` attributes out of a decoded message.
    ///
    /// # Errors
    /// The message is not of the shape of an entry.
    pub fn read(tag: StructureTag, wanted: &[String]) -> Result<Self, Malformed> {
        Self::read_group(tag, wanted, &[])
    }

    /// The same, where some attributes hold the members of a group and may be large.
    ///
    /// # Errors
    /// The message is not of the shape of an entry.
    pub fn read_group(tag: StructureTag, wanted: &[String], members: &[String]) -> Result<Self, Malformed> {
        if tag.id != SEARCH_RESULT_ENTRY || tag.class != TagClass::Application {
            return Err(Malformed);
        }
        let [dn, list] = parts(tag)?;
        let dn = dn.expect_primitive().ok_or(Malformed)?;
        let mut attributes: Vec<Attribute> = Vec::with_capacity(wanted.len());
        for attribute in list.expect_constructed().ok_or(Malformed)? {
            let [name, values] = parts(attribute)?;
            let name = name.expect_primitive().ok_or(Malformed)?;
            let values = values.expect_constructed().ok_or(Malformed)?;
            let Some((asked, option)) = wanted.iter().find_map(|asked| Some((asked, option_of(&name, asked)?))) else {
                continue;
            };
            let bounds = if members.contains(asked) { MEMBERS } else { PLAIN };
            let read = Attribute { name: asked.clone(), values: bounded(values, bounds)?, next: next_of(option) };
            match attributes.iter_mut().find(|known| known.name == *asked) {
                // Active Directory sends an empty attribute beside the one with a range.
                Some(known) if known.values.as_ref().is_ok_and(Vec::is_empty) => *known = read,
                Some(_) => {}
                None => attributes.push(read),
            }
        }
        Ok(Self { dn, attributes })
    }

    /// The DN for messages: readable in any case, cut after 1,000 characters.
    #[must_use]
    pub fn label(&self) -> String {
        match std::str::from_utf8(&self.dn) {
            Ok(dn) if dn.len() <= LABEL_MAX => dn.to_owned(),
            _ => String::from_utf8_lossy(&self.dn).chars().take(LABEL_MAX).collect(),
        }
    }

    /// The values of an attribute that was asked for; none where the entry has not got it.
    ///
    /// # Errors
    /// The attribute is larger than allowed.
    pub fn values(&self, name: &str) -> Result<&[Vec<u8>], Excess> {
        match self.attributes.iter().find(|known| known.name == name).map(|known| &known.values) {
            Some(Ok(values)) => Ok(values),
            Some(Err(excess)) => Err(*excess),
            None => Ok(&[]),
        }
    }

    /// The number of the first value of an attribute that did not come along; none: all came.
    #[must_use]
    pub fn next_value(&self, name: &str) -> Option<usize> {
        self.attributes.iter().find(|known| known.name == name).and_then(|known| known.next)
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

/// Attribute names compare without case (RFC 4512 §2.5). Gives the range that Active Directory may put behind one.
fn option_of<'a>(name: &'a [u8], asked: &str) -> Option<&'a [u8]> {
    // What is asked for may name a range itself, which is rare.
    let asked = match asked.as_bytes().contains(&b';') {
        true => asked.split_once(";range=").map_or(asked, |(name, _)| name),
        false => asked,
    };
    let (name, rest) = name.split_at_checked(asked.len())?;
    let is_it = name.eq_ignore_ascii_case(asked.as_bytes()) && (rest.is_empty() || rest.starts_with(b";range="));
    is_it.then_some(rest)
}

/// `;range=0-1499` goes on at 1500; `;range=1500-*` is the last.
fn next_of(option: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(option).ok()?.strip_prefix(";range=")?;
    let (_, last) = text.split_once('-')?;
    last.parse::<usize>().ok()?.checked_add(1)
}

fn bounded(values: Vec<StructureTag>, bounds: Bounds) -> Result<Values, Malformed> {
    if values.len() > bounds.values {
        return Ok(Err(Excess::Values));
    }
    let values: Option<Vec<Vec<u8>>> = values.into_iter().map(StructureTag::expect_primitive).collect();
    let values = values.ok_or(Malformed)?;
    let size: usize = values.iter().map(Vec::len).sum();
    Ok(if size > bounds.bytes { Err(Excess::Bytes) } else { Ok(values) })
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
        assert_eq!((entry.next_value("mail"), entry.next_value("uid")), (Some(2), None));
    }

    #[test]
    fn a_range_of_members_says_where_to_go_on() {
        let wanted = vec!["member".to_owned()];
        let first = entry(b"cn=g", &[("member", vec![]), ("member;range=0-1", vec![b"a", b"b"])]);
        let read = Entry::read_group(first, &wanted, &wanted).unwrap();
        assert_eq!((read.values("member").unwrap().len(), read.next_value("member")), (2, Some(2)));
        let wanted = vec!["member;range=2-*".to_owned()];
        let last = entry(b"cn=g", &[("member;range=2-*", vec![b"c"])]);
        let read = Entry::read_group(last, &wanted, &wanted).unwrap();
        assert_eq!((read.values(&wanted[0]).unwrap().len(), read.next_value(&wanted[0])), (1, None));
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
            let mapping = super::super::mapping::tests::mapping(&super::super::Settings::default());
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
