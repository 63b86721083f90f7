//! The guard lets through what servers send and stops what would break the decoder.

use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One BER element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    let header: Vec<u8> = match length {
        0..=0x7f => vec![tag, u8::try_from(length).unwrap()],
        _ => [vec![tag, 0x84], length.to_be_bytes().to_vec()].concat(),
    };
    [header, content.to_vec()].concat()
}

/// An LDAPMessage with message id 1 around the content of a search result entry.
fn message(content: &[u8]) -> Vec<u8> {
    element(0x30, &[vec![0x02, 0x01, 0x01], element(0x64, content)].concat())
}

/// `levels` sequences, one in another.
fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inside, _| element(0x30, &inside))
}

fn check(bytes: &[u8]) -> Result<(), Violation> {
    Checker::default().check(bytes)
}

#[test]
fn nesting_is_allowed_to_32_levels_and_no_further() {
    assert_eq!(check(&message(&nested(30))), Ok(()));
    assert_eq!(check(&message(&nested(31))), Err(Violation::TooDeep));
    assert_eq!(check(&message(&nested(20_000))), Err(Violation::TooDeep));
}

#[test]
fn a_bomb_of_headers_alone_is_stopped_at_the_33rd_level() {
    let bomb: Vec<u8> = [0x30, 0x84, 0x00, 0xff, 0xff, 0xff].repeat(20_000);
    assert!(check(&bomb).is_err());
    let start = [0x30, 0x84, 0x00, 0xff, 0x00, 0x00, 0x02, 0x01, 0x01].to_vec();
    let levels: Vec<u8> = (0..40_u8).flat_map(|level| [0x64, 0x84, 0x00, 0xf0 - level, 0x00, 0x00]).collect();
    assert_eq!(check(&[start, levels].concat()), Err(Violation::TooDeep));
}

#[test]
fn lengths_are_bounded_before_the_content_comes() {
    assert_eq!(check(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Err(Violation::TooLong));
    assert_eq!(check(&[0x30, 0x84, 0x01, 0x00, 0x00, 0x00]), Err(Violation::TooLong));
    assert_eq!(check(&[&[0x30, 0x88][..], &[0xff; 8]].concat()), Err(Violation::TooLong));
    assert_eq!(check(&[0x30, 0x84, 0x00, 0xff, 0xff, 0xfa]), Ok(()));
    assert!(matches!(check(&[0x30, 0x89]), Err(Violation::NotLdap(_))));
}

#[test]
fn indefinite_lengths_long_tags_and_overlong_children_are_refused() {
    for bad in [
        &[0x30, 0x80][..],
        b"HTTP/1.1 400 Bad Request",
        &[0x15, 0x03, 0x01],
        &[0x30, 0x00],
        &[0x30, 0x03, 0x02, 0x01, 0x01],
        &[0x30, 0x05, 0x02, 0x01, 0x01, 0x7f, 0x00],
        &[0x30, 0x05, 0x02, 0x01, 0x01, 0x64, 0x01],
        &[0x30, 0x05, 0x02, 0x01, 0x01, 0x04, 0x00],
        &[0x30, 0x05, 0x02, 0x05],
        &[0x30, 0x04, 0x02, 0x00, 0x64, 0x00],
        &[0x30, 0x06, 0x02, 0x01, 0x01, 0x64, 0x00, 0x00],
        &[0x30, 0x09, 0x02, 0x01, 0x01, 0x64, 0x00, 0x04, 0x00, 0x00, 0x00],
    ] {
        assert!(matches!(check(bad), Err(Violation::NotLdap(_))), "{bad:02x?}");
    }
}

#[test]
fn a_message_of_too_many_elements_is_refused() {
    let many = [0x04, 0x00].repeat(usize::try_from(ELEMENTS_MAX).unwrap());
    assert_eq!(check(&message(&many)), Err(Violation::TooMany));
    assert_eq!(check(&message(&many[..many.len() - 8])), Ok(()));
}

#[test]
fn a_group_of_200_000_members_passes() {
    let member = element(0x04, &[b'm'; 60]);
    let values = element(0x31, &member.repeat(200_000));
    let attribute = element(0x30, &[element(0x04, b"member"), values].concat());
    let group = [element(0x04, b"cn=all,dc=example,dc=org"), element(0x30, &attribute)].concat();
    assert_eq!(check(&message(&group)), Ok(()));
}

#[test]
fn a_notice_of_disconnection_is_told_as_such() {
    let notice = element(0x30, &[vec![0x02, 0x01, 0x00], element(0x78, &[0x0a, 0x01, 0x34])].concat());
    assert_eq!(check(&notice), Err(Violation::Disconnection));
}

/// Content of up to some levels, well formed.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let leaf = proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| element(0x04, &bytes));
    leaf.prop_recursive(6, 64, 8, |inner| {
        proptest::collection::vec(inner, 0..8).prop_map(|parts| element(0x30, &parts.concat()))
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = check(&bytes);
    }

    #[test]
    fn it_judges_the_same_however_the_bytes_are_split(
        messages in proptest::collection::vec(content(), 1..4),
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        sizes in proptest::collection::vec(1..50_usize, 1..20),
    ) {
        let mut stream: Vec<u8> = messages.iter().flat_map(|content| message(content)).collect();
        if damage.is_none() {
            prop_assert_eq!(check(&stream), Ok(()));
        }
        if let Some((index, byte)) = damage {
            let index = index.index(stream.len());
            stream[index] = byte;
        }
        let mut checker = Checker::default();
        let (mut rest, mut verdict) = (&stream[..], Ok(()));
        for size in sizes.into_iter().cycle() {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            verdict = checker.check(piece);
            rest = after;
            if rest.is_empty() || verdict.is_err() { break; }
        }
        prop_assert_eq!(verdict, check(&stream));
    }

    /// What the guard lets through whole, the library's decoder takes whole.
    #[test]
    fn whatever_passes_can_be_decoded(content in content(), damage: (prop::sample::Index, u8)) {
        let mut bytes = message(&content);
        let index = damage.0.index(bytes.len());
        bytes[index] = damage.1;
        let mut checker = Checker::default();
        if checker.check(&bytes).is_ok() && checker.ends.is_empty() && matches!(checker.expect, Expect::Tag) {
            let (rest, _) = ldap3::asn1::parse_tag(&bytes).unwrap();
            prop_assert!(rest.len() < bytes.len());
        }
    }
}

#[tokio::test]
async fn valid_streams_pass_byte_for_byte_and_the_reason_of_the_end_is_known() {
    let (ours, mut server) = tokio::io::duplex(100);
    let (inside, mut library) = UnixStream::pair().unwrap();
    let fate = Fate::default();
    let carrier = tokio::spawn(carry(ours, inside, fate.clone()));
    let sent: Vec<u8> = (0..200).flat_map(|count| message(&element(0x04, &vec![7; count * 10]))).collect();
    let (expected, mut received) = (sent.clone(), Vec::new());
    let sender = tokio::spawn(async move {
        let mut request = [0; 3];
        server.read_exact(&mut request).await.unwrap();
        server.write_all(&sent).await.unwrap();
        server.write_all(&[0x30, 0x80]).await.unwrap();
        request
    });
    library.write_all(b"abc").await.unwrap();
    library.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, expected);
    assert_eq!(sender.await.unwrap(), *b"abc");
    carrier.await.unwrap();
    assert!(matches!(fate.why(), Some(End::Lost(why)) if why.contains("indefinite length")));
}
