//! The guard between a directory server and the LDAP library: checks each message before it is passed on.
//!
//! The library's decoder recurses without limit, buffers messages of any length and panics on shapes that it
//! does not expect. So this refuses, before the last byte of a message has gone through: messages of more
//! than 16 MiB, nesting deeper than 32, more than 250,000 elements, indefinite or overlong lengths, elements
//! that do not fit into their parent, and whatever is not an LDAPMessage (RFC 4511 §4.1.1). It holds no
//! message in memory; it does not look at what a message says.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::tls;

/// Longest message that a server may send, in bytes, header included.
pub const MESSAGE_MAX: u64 = 16 * 1024 * 1024;
/// Deepest nesting of elements in one message.
pub const DEPTH_MAX: usize = 32;
/// Most elements in one message; each costs the library some 100 bytes, however short it is.
pub const ELEMENTS_MAX: u32 = 250_000;

/// Bytes read from the server at a time.
const CHUNK: usize = 16 * 1024;
/// What there is to say of an end without a word.
const CLOSED: &str = "the server closed the connection";
/// How long the reason for which nothing more can be sent may take to come.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Why a connection was ended by the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The message says that it is longer than [`MESSAGE_MAX`].
    #[error("the server sent a message of more than 16 MiB")]
    TooLong,
    /// Elements are nested deeper than [`DEPTH_MAX`].
    #[error("the server sent a message nested deeper than 32 levels")]
    TooDeep,
    /// The message has more than [`ELEMENTS_MAX`] elements.
    #[error("the server sent a message of more than 250,000 elements")]
    TooMany,
    /// The bytes are not BER as LDAP uses it.
    #[error(
        "the server sent bytes that are not LDAP ({0}); is this the port of an LDAP server, and does it expect TLS?"
    )]
    NotLdap(&'static str),
    /// The server announced that it ends the connection (RFC 4511 §4.4.1).
    #[error("the server announced that it ends the connection")]
    Disconnection,
}

/// What the checker expects next.
#[derive(Debug, Clone, Copy)]
enum Expect {
    Tag,
    Length { tag: u8 },
    LengthBytes { tag: u8, left: u8, value: u64 },
    Value { end: u64 },
}

/// Follows the bytes of a stream of LDAP messages, in pieces of any size.
#[derive(Debug)]
pub struct Checker {
    expect: Expect,
    /// Bytes of the current message so far.
    at: u64,
    /// Where each open constructed element ends, outermost first.
    ends: Vec<u64>,
    /// Elements of the current message so far.
    elements: u32,
    /// Direct children of the current message so far.
    children: u8,
    /// The message id, as far as it was read.
    message_id: u32,
    /// Bytes of the last piece up to the end of its last complete message.
    clean: usize,
}

impl Default for Checker {
    fn default() -> Self {
        let ends = Vec::with_capacity(DEPTH_MAX);
        Self { expect: Expect::Tag, at: 0, ends, elements: 0, children: 0, message_id: 0, clean: 0 }
    }
}

impl Checker {
    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// The first rule that they break; the stream cannot be followed after that.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut rest = bytes;
        self.clean = 0;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match self.expect {
                Expect::Value { end } => self.skip(rest, end)?,
                _ => {
                    self.at = self.at.saturating_add(1);
                    self.header(byte)?;
                    after
                }
            };
            if self.ends.is_empty() && matches!(self.expect, Expect::Tag) {
                self.clean = bytes.len().saturating_sub(rest.len());
            }
        }
        Ok(())
    }

    /// How many of the bytes last checked belong to messages that are complete and broke no rule.
    #[must_use]
    pub fn clean(&self) -> usize {
        self.clean
    }

    /// One byte of an element's tag or length.
    fn header(&mut self, byte: u8) -> Result<(), Violation> {
        match self.expect {
            Expect::Tag => self.tag(byte),
            Expect::Length { tag } => self.length(tag, byte),
            Expect::LengthBytes { tag, left, value } => {
                let value = (value << 8) | u64::from(byte);
                if left <= 1 {
                    return self.element(tag, value);
                }
                self.expect = Expect::LengthBytes { tag, left: left - 1, value };
                Ok(())
            }
            Expect::Value { .. } => Ok(()),
        }
    }

    /// Passes over the content of a primitive element that ends at `end`; gives the bytes after it.
    fn skip<'a>(&mut self, bytes: &'a [u8], end: u64) -> Result<&'a [u8], Violation> {
        let wanted = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let (content, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        if self.ends.len() == 1 && self.children == 1 {
            self.message_id = content.iter().fold(self.message_id, |sum, &digit| (sum << 8) | u32::from(digit));
        }
        self.at = self.at.saturating_add(u64::try_from(content.len()).unwrap_or(u64::MAX));
        if self.at == end {
            self.close()?;
        }
        Ok(rest)
    }

    fn tag(&mut self, tag: u8) -> Result<(), Violation> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(Violation::TooMany);
        }
        if tag & 0x1f == 0x1f {
            return Err(Violation::NotLdap("a long tag number"));
        }
        match self.ends.len() {
            0 if tag != 0x30 => return Err(Violation::NotLdap("a message that is no sequence")),
            1 => self.child(tag)?,
            _ => {}
        }
        self.expect = Expect::Length { tag };
        Ok(())
    }

    /// RFC 4511 §4.1.1: message id, operation, optional controls. Active Directory puts the name of its
    /// notice of disconnection where the controls belong.
    fn child(&mut self, tag: u8) -> Result<(), Violation> {
        self.children = self.children.saturating_add(1);
        let as_expected = match self.children {
            1 => tag == 0x02,
            2 => tag & 0xc0 == 0x40,
            3 => tag == 0xa0 || tag == 0x8a,
            _ => false,
        };
        match as_expected {
            false => Err(Violation::NotLdap("a message of another shape than RFC 4511 gives it")),
            true if self.children == 2 && self.message_id == 0 => Err(Violation::Disconnection),
            true => Ok(()),
        }
    }

    fn length(&mut self, tag: u8, byte: u8) -> Result<(), Violation> {
        match byte {
            0..=0x7f => self.element(tag, u64::from(byte)),
            0x80 => Err(Violation::NotLdap("an indefinite length")),
            0x81..=0x88 => {
                self.expect = Expect::LengthBytes { tag, left: byte & 0x7f, value: 0 };
                Ok(())
            }
            _ => Err(Violation::NotLdap("a length of more than eight bytes")),
        }
    }

    /// The header of an element is complete.
    fn element(&mut self, tag: u8, length: u64) -> Result<(), Violation> {
        let end = self.at.saturating_add(length);
        match self.ends.last() {
            None if end > MESSAGE_MAX => return Err(Violation::TooLong),
            Some(&parent) if end > parent => return Err(Violation::NotLdap("an element longer than its parent")),
            _ => {}
        }
        if self.ends.len() == 1 && self.children == 1 && !(1..=4).contains(&length) {
            return Err(Violation::NotLdap("a message id of a wrong length"));
        }
        let constructed = tag & 0x20 != 0;
        if constructed {
            if self.ends.len() >= DEPTH_MAX {
                return Err(Violation::TooDeep);
            }
            self.ends.push(end);
        }
        self.expect = if constructed { Expect::Tag } else { Expect::Value { end } };
        if end == self.at { self.close() } else { Ok(()) }
    }

    /// Closes every element that ends here.
    fn close(&mut self) -> Result<(), Violation> {
        self.expect = Expect::Tag;
        while let Some(&end) = self.ends.last() {
            if end > self.at {
                // A header begun inside must still fit: at least two bytes.
                let room = end - self.at;
                return if room < 2 { Err(Violation::NotLdap("an element cut short")) } else { Ok(()) };
            }
            self.ends.pop();
        }
        let complete = self.children >= 2;
        *self = Self { ends: std::mem::take(&mut self.ends), clean: self.clean, ..Self::default() };
        if complete { Ok(()) } else { Err(Violation::NotLdap("a message without an operation")) }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended, and a new one may do better.
    Lost(String),
    /// The server does not want us as we are: a new one ends in the same way.
    Refused(String),
}

/// Why a connection ended: written once by whoever ends it, read for the text of errors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate(Arc<OnceLock<End>>);

impl Fate {
    /// Says why, unless that was said already.
    pub(crate) fn seal(&self, why: End) {
        // Only the first reason counts: the others follow from it.
        let _ = self.0.set(why);
    }

    /// The reason, once there is one.
    pub(crate) fn why(&self) -> Option<&End> {
        self.0.get()
    }
}

/// Carries bytes between the server and the library until either side ends or the server breaks a rule.
pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(server: S, library: UnixStream, fate: Fate) {
    let (from_server, mut to_server) = tokio::io::split(server);
    // Both halves last until the reason is known: whoever sees the end finds it.
    let (mut from_library, mut to_library) = library.into_split();
    let upwards = async {
        // The library ended, or the server takes no more: the other direction says why.
        let copied = tokio::io::copy(&mut from_library, &mut to_server).await;
        let _ = to_server.shutdown().await;
        copied
    };
    let downwards = downwards(from_server, &mut to_library);
    tokio::pin!(downwards);
    let copied = tokio::select! {
        why = &mut downwards => return fate.seal(why),
        copied = upwards => copied,
    };
    if let Err(error) = copied {
        // A server that refuses us says so and closes; what it said may still be on the way.
        let why = tokio::time::timeout(LAST_WORDS, downwards).await;
        let sending = || End::Lost(format!("the connection was lost while sending: {error}"));
        fate.seal(why.unwrap_or_else(|_| sending()));
    }
}

/// Passes on what the server sends, checked; gives the reason of the end.
async fn downwards(mut server: impl AsyncRead + Unpin, library: &mut (impl AsyncWrite + Unpin)) -> End {
    let mut checker = Checker::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match server.read(&mut chunk).await {
            Ok(0) => return End::Lost(CLOSED.to_owned()),
            Ok(count) => count,
            Err(error) => return ended_by(&error),
        };
        // What is there already comes along: TLS gives one record at a time, and a server may send one for each entry.
        let count = gather(&mut server, &mut chunk, count).await;
        let bytes = chunk.get(..count).unwrap_or_default();
        if let Err(violation) = checker.check(bytes) {
            // What came whole before it is passed on, so that the outcome does not depend on the pieces.
            let _ = library.write_all(bytes.get(..checker.clean()).unwrap_or_default()).await;
            return End::Lost(violation.to_string());
        }
        if library.write_all(bytes).await.is_err() {
            return End::Lost("the connection was closed on our side".to_owned());
        }
    }
}

/// Adds what can be read without waiting, as far as there is room. An end or an error comes again with the next reading.
async fn gather(server: &mut (impl AsyncRead + Unpin), chunk: &mut [u8], mut count: usize) -> usize {
    while let Some(room) = chunk.get_mut(count..).filter(|room| !room.is_empty()) {
        let more = tokio::select! {
            biased;
            more = server.read(room) => more,
            () = std::future::ready(()) => break,
        };
        match more {
            Ok(more) if more > 0 => count = count.saturating_add(more),
            Ok(_) | Err(_) => break,
        }
    }
    count
}

/// In TLS 1.3 the verdict on a client certificate comes after the handshake, where an answer is awaited.
fn ended_by(error: &std::io::Error) -> End {
    match tls::refusal(error) {
        Some(why) => End::Refused(why.to_owned()),
        // Many servers end TLS without the farewell that it has.
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => End::Lost(CLOSED.to_owned()),
        None => End::Lost(format!("the connection was lost: {error}")),
    }
}

#[cfg(test)]
mod tests;
