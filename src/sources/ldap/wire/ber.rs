//! Reads single BER elements (X.690) out of a byte slice: for the StartTLS answer and the paging cookie.
//!
//! It refuses what LDAP does not use (RFC 4511 §5.1): indefinite lengths, long tag numbers, lengths of more
//! than four bytes. It never recurses and never trusts a length further than the bytes at hand.

/// `SEQUENCE`, constructed.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `INTEGER`.
pub(crate) const INTEGER: u8 = 0x02;
/// `OCTET STRING`.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// `ENUMERATED`.
pub(crate) const ENUMERATED: u8 = 0x0a;

/// The bytes are not an element, or not the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BerFault {
    /// More bytes are needed.
    Short,
    /// The bytes break a rule that more bytes cannot mend.
    Malformed,
}

/// Takes one element with the wanted tag byte; gives its content and what follows it.
pub(crate) fn take(tag: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), BerFault> {
    let (&found, rest) = bytes.split_first().ok_or(BerFault::Short)?;
    if found != tag {
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
    rest.split_at_checked(length).ok_or(BerFault::Short)
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

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, tag: u8) {
            let _ = take(tag, &bytes);
            let _ = paging_cookie(&bytes);
            let _ = small_integer(&bytes);
        }
    }
}
