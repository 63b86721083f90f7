//! Messages of a client as the fake server takes them: what the coding crate cannot express is put into words first.

use std::io::{Error, Result};

use data_encoding::HEXLOWER;
use ldap3_lber::Parser;
use ldap3_lber::common::TagClass;
use ldap3_lber::structure::{PL, StructureTag};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::LdapMsg;
use tokio_util::bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// The tag of a search request, and where its filter is.
const SEARCH: u64 = 3;
const FILTER: usize = 6;
/// Levels of nesting, and bytes of one message.
const DEPTH: usize = 64;
const SIZE: usize = 16 << 20;
const DIRSYNC: &[u8] = b"1.2.840.113556.1.4.841";

/// A message of a client.
pub(super) struct Received {
    pub(super) message: LdapMsg,
    /// Are the flags of a DirSync control coded in more than four bytes?
    pub(super) has_long_flags: bool,
}

/// Reads and writes messages.
pub(super) struct Codec(LdapCodec);

impl Default for Codec {
    fn default() -> Self {
        Self(LdapCodec::new(Some(SIZE), Some(DEPTH)))
    }
}

impl Decoder for Codec {
    type Item = Received;
    type Error = Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>> {
        let (rest, mut tag) = match Parser::new(DEPTH).parse(buffer) {
            Ok((rest, tag)) => (rest.len(), tag),
            Err(ldap3_lber::Err::Incomplete(_)) => return Ok(None),
            Err(_) => return Err(Error::other("this is not BER")),
        };
        buffer.advance(buffer.len() - rest);
        let has_long_flags = has_long_flags(&tag);
        if let PL::C(message) = &mut tag.payload
            && let Some(StructureTag { class: TagClass::Application, id: SEARCH, payload: PL::C(search) }) =
                message.get_mut(1)
            && let Some(filter) = search.get_mut(FILTER)
        {
            put_into_words(filter);
        }
        let message = LdapMsg::try_from(tag).map_err(Error::other)?;
        Ok(Some(Received { message, has_long_flags }))
    }
}

impl Encoder<LdapMsg> for Codec {
    type Error = Error;

    fn encode(&mut self, message: LdapMsg, buffer: &mut BytesMut) -> Result<()> {
        self.0.encode(message, buffer)
    }
}

/// A value as text; bytes that are none are in hexadecimal behind a character that no text here has.
pub(super) fn text(value: &[u8]) -> String {
    str::from_utf8(value).map_or_else(|_| format!("\u{1}{}", HEXLOWER.encode(value)), str::to_owned)
}

/// The coding crate takes assertions in text only, and an `objectGUID` is bytes.
fn put_into_words(filter: &mut StructureTag) {
    match &mut filter.payload {
        PL::P(value) => *value = text(value).into_bytes(),
        PL::C(parts) => parts.iter_mut().for_each(put_into_words),
    }
}

fn has_long_flags(message: &StructureTag) -> bool {
    let PL::C(parts) = &message.payload else { return false };
    let Some(StructureTag { payload: PL::C(controls), .. }) = parts.get(2) else { return false };
    controls.iter().any(|control| {
        let PL::C(parts) = &control.payload else { return false };
        let is_dirsync = matches!(parts.first(), Some(StructureTag { payload: PL::P(oid), .. }) if oid == DIRSYNC);
        let Some(StructureTag { payload: PL::P(value), .. }) = parts.last() else { return false };
        let Ok((_, StructureTag { payload: PL::C(fields), .. })) = Parser::new(DEPTH).parse(value) else {
            return false;
        };
        is_dirsync && matches!(fields.first(), Some(StructureTag { payload: PL::P(flags), .. }) if flags.len() > 4)
    })
}
