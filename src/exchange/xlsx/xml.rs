//! XML as spreadsheets have it, one token after the other: no entities but XML's own, no declarations of types, and
//! elements in one another to a small depth.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use crate::exchange::FileError;

/// How deep elements may lie in one another. Spreadsheets need eight.
const DEPTH_MAX: usize = 64;
/// Most bytes of one tag or one text, with all characters of the longest cell in the form that takes eight bytes.
const TOKEN_MAX: usize = 512 << 10;

/// A part of a workbook.
pub(super) struct Xml<R> {
    reader: Reader<Measured<R>>,
    buffer: Vec<u8>,
    depth: usize,
}

/// What comes next.
pub(super) enum Token {
    /// An element begins.
    Open(Tag),
    /// An element of this name ends.
    Close(String),
    /// Text, or a piece of it.
    Text(String),
}

/// The beginning of an element.
pub(super) struct Tag(BytesStart<'static>);

impl Tag {
    /// Its name without prefix.
    pub(super) fn name(&self) -> &str {
        local(self.0.name().0)
    }

    /// An attribute by its name without prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        // Whether one is there twice is not asked: with thousands of them that takes long.
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).filter_map(Result::ok).find(|found| local(found.key.0) == name)?;
        found.normalized_value(XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(part: R) -> Self {
        let mut reader = Reader::from_reader(Measured { part, left: 0 });
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0 }
    }

    /// The next token; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token>, FileError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().left = TOKEN_MAX;
            return Ok(Some(match self.reader.read_event_into(&mut self.buffer).map_err(refused)? {
                Event::Start(_) if self.depth >= DEPTH_MAX => return Err(broken("elements too deep in one another")),
                Event::Start(tag) => {
                    self.depth += 1;
                    Token::Open(Tag(tag.into_owned()))
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::Close(local(tag.name().0).to_owned())
                }
                Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Token::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(entity) => Token::Text(resolved(&entity)?),
                Event::DocType(_) => return Err(broken("a declaration of its type")),
                // A part that ends within an element was cut short.
                Event::Eof if self.depth > 0 => return Err(broken("an end in its middle")),
                Event::Eof => return Ok(None),
                _ => continue,
            }));
        }
    }
}

/// A part that ends with an error within a token that is too long, before it is held.
struct Measured<R> {
    part: R,
    /// Bytes that the token may still take.
    left: usize,
}

impl<R: BufRead> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Measured<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.left {
            0 => Err(io::Error::other(broken("a tag or a text that is too long"))),
            left => self.part.fill_buf().map(|bytes| bytes.get(..left).unwrap_or(bytes)),
        }
    }

    fn consume(&mut self, taken: usize) {
        self.left = self.left.saturating_sub(taken);
        self.part.consume(taken);
    }
}

/// What a reference stands for: a character, or one of the five that XML has.
fn resolved(entity: &BytesRef<'_>) -> Result<String, FileError> {
    let character = entity.resolve_char_ref().map_err(refused)?.map(String::from);
    let known = character.or_else(|| resolve_predefined_entity(entity).map(str::to_owned));
    known.ok_or_else(|| broken("an entity that XML does not have"))
}

fn broken(what: &str) -> FileError {
    FileError::Malformed(format!("has {what} in a part of its workbook"))
}

/// Why a part cannot be read: what the archive's bound said, or XML.
fn refused(error: Error) -> FileError {
    if let Error::Io(error) = &error {
        let bound = error.get_ref().and_then(|inner| inner.downcast_ref::<FileError>());
        return bound.cloned().unwrap_or_else(|| broken("bytes that cannot be unpacked"));
    }
    broken("XML that is not well formed")
}
