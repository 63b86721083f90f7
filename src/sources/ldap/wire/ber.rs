//! Single BER elements (X.690): read out of a byte slice, and written for the values of controls.
//!
//! Reading refuses what LDAP does not use (RFC 4511 §5.1): indefinite lengths, long tag numbers, lengths of more
//! than four bytes. It never recurses and never trusts a length further than the bytes at hand.
//! Writing gives the shortest form that there is (DER), which every server takes.

/// `SEQUENCE`, constructed.
pub const SEQUENCE: u8 = 0x30;
/// `INTEGER`.
pub const INTEGER: u8 = 0x02;
/// `OCTET STRING`.
pub const OCTET_STRING: u8 = 0x04;
/// `ENUMERATED`.
pub const ENUMERATED: u8 = 0x0a;

/// The bytes are not an element, or not the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BerFault {
    /// More bytes are needed.
    Short,
    /// The bytes break a rule that more bytes cannot mend.
    Malformed,
}

/// Takes one element, whatever it is; gives its tag byte, its content and what follows it.
///
/// # Errors
/// The bytes begin with no complete element.
pub fn take_any(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), BerFault> {
    let (&tag, rest) = bytes.split_first().ok_or(BerFault::Short)?;
    if tag & 0x1f == 0x1f {
        return Err(BerFault::Malformed);
    }
    let (&first, rest) = rest.split_first().ok_or(BerFault::Short)?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(count).ok_or(BerFault::Short)?;
            (digits.iter().fold(0_usize, |sum, &digit| (sum << 8) | usize::from(digit)), rest)
        }
        _ => return Err(BerFault::Malformed),
    };
    let (content, rest) = rest.split_at_checked(length).ok_or(BerFault::Short)?;
    Ok((tag, content, rest))
}

/// Takes one element with the wanted tag byte; gives its content and what follows it.
pub(crate) fn take(tag: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), BerFault> {
    // Another tag is wrong already before the rest has come.
    match bytes.first() {
        Some(&found) if found != tag => Err(BerFault::Malformed),
        _ => take_any(bytes).map(|(_, content, rest)| (content, rest)),
    }
}

/// The value of an integer or enumerated of at most eight bytes.
///
/// # Errors
/// The content is empty, or longer.
pub fn integer_of(content: &[u8]) -> Result<i64, BerFault> {
    let sign: i64 = match content {
        [] => return Err(BerFault::Malformed),
        _ if content.len() > 8 => return Err(BerFault::Malformed),
        [first, ..] if *first > 0x7f => -1,
        _ => 0,
    };
    Ok(content.iter().fold(sign, |sum, &digit| (sum << 8) | i64::from(digit)))
}

/// The value of a non-negative integer of at most four bytes.
pub(crate) fn small_integer(content: &[u8]) -> Result<u32, BerFault> {
    match content {
        [] => Err(BerFault::Malformed),
        [first, ..] if *first > 0x7f || content.len() > 4 => Err(BerFault::Malformed),
        _ => Ok(content.iter().fold(0, |sum, &digit| (sum << 8) | u32::from(digit))),
    }
}

/// The cookie of a paged results control value (RFC 2696 §2): `SEQUENCE { size INTEGER, cookie OCTET STRING }`.
pub(crate) fn paging_cookie(value: &[u8]) -> Result<&[u8], BerFault> {
    let (body, _) = take(SEQUENCE, value)?;
    let (_, body) = take(INTEGER, body)?;
    take(OCTET_STRING, body).map(|(cookie, _)| cookie)
}

/// One element: tag, length in its shortest form, content.
#[must_use]
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = length.iter().skip_while(|&&digit| digit == 0);
    let mut written = Vec::with_capacity(content.len().saturating_add(10));
    written.push(tag);
    match u8::try_from(content.len()) {
        Ok(short @ 0..=0x7f) => written.push(short),
        _ => {
            // At most eight digits: an address has no more.
            written.push(0x80 | u8::try_from(digits.clone().count()).unwrap_or(8));
            written.extend(digits);
        }
    }
    written.extend_from_slice(content);
    written
}

/// `SEQUENCE` of elements that are written already.
#[must_use]
pub fn sequence(elements: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// `INTEGER`, in two's complement of as few bytes as hold it: servers refuse longer ones.
#[must_use]
pub fn integer(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut content = bytes.as_slice();
    while let [0x00, next, ..] | [0xff, next, ..] = content
        && (*next > 0x7f) == (value < 0)
    {
        content = content.get(1..).unwrap_or_default();
    }
    element(INTEGER, content)
}

/// `OCTET STRING`.
#[must_use]
pub fn octet_string(content: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_and_a_broken_one_refused() {
        assert_eq!(paging_cookie(&[0x30, 0x07, 0x02, 0x01, 0x00, 0x04, 0x02, 0xab, 0xcd]), Ok(&[0xab, 0xcd][..]));
        assert_eq!(paging_cookie(&[0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00]), Ok(&[][..]));
        for bad in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x02, 0x02, 0x00], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x31, 0]]
        {
            assert!(paging_cookie(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn integers_are_written_in_as_few_bytes_as_hold_them() {
        for (value, content) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x00, 0x80]),
            (256, &[0x01, 0x00]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
            (-2_147_483_648, &[0x80, 0, 0, 0]),
            (2_147_483_648, &[0x00, 0x80, 0, 0, 0]),
        ] {
            assert_eq!(integer(value), element(INTEGER, content), "{value}");
            assert_eq!(integer_of(content), Ok(value));
        }
        assert!(integer_of(&[]).is_err() && integer_of(&[0; 9]).is_err());
    }

    #[test]
    fn what_is_written_is_the_shortest_form() {
        assert_eq!(octet_string(b"ab"), [0x04, 0x02, b'a', b'b']);
        assert_eq!(sequence(&[integer(1), octet_string(&[])]), [0x30, 0x05, 0x02, 0x01, 0x01, 0x04, 0x00]);
        assert_eq!(octet_string(&[0; 127])[..2], [0x04, 0x7f]);
        assert_eq!(octet_string(&[0; 128])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(octet_string(&[0; 70_000])[..5], [0x04, 0x83, 0x01, 0x11, 0x70]);
    }

    #[test]
    fn another_tag_is_wrong_before_the_rest_has_come() {
        assert_eq!(take(SEQUENCE, b"H"), Err(BerFault::Malformed));
        assert_eq!(take(SEQUENCE, b""), Err(BerFault::Short));
        assert_eq!(take_any(&[0x1f, 0x00]), Err(BerFault::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_is_read(value: i64, content: Vec<u8>, rest: Vec<u8>) {
            let written = [integer(value), octet_string(&content), rest.clone()].concat();
            let (digits, after) = take(INTEGER, &written).unwrap();
            proptest::prop_assert_eq!(integer_of(digits), Ok(value));
            proptest::prop_assert_eq!(take_any(after), Ok((OCTET_STRING, &content[..], &rest[..])));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, tag: u8) {
            let _ = take(tag, &bytes);
            let _ = paging_cookie(&bytes);
            let _ = small_integer(&bytes);
            let _ = take_any(&bytes);
            let _ = integer_of(&bytes);
        }
    }
}
