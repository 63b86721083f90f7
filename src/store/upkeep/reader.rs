//! Reading a backup, which may be anything: nothing in it is believed before it is bounded, and its end is reached
//! only when every byte was the one that was written.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};
use zstd::stream::read::Decoder;

use super::format::{DIGEST, END, FORMAT, FileFault, Header, KEY_MAX, LINE_MAX, MAGIC, Summary, VALUE_MAX, WINDOW_LOG};
use crate::store::engine::{Bytes, Row};
use crate::store::migrate::SCHEMA;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// A backup that is read row by row.
pub struct Reader<R: Read> {
    header: Header,
    /// `None` once its end was reached.
    stream: Option<Decoder<'static, BufReader<Trailed<R>>>>,
    last: Option<Bytes>,
    rows: u64,
    content: u64,
    digest: Option<[u8; DIGEST]>,
    bytes: u64,
}

impl<R: Read> Reader<R> {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// When it is none, of a later format or with a later layout.
    pub fn open(input: R) -> Result<Self, FileFault> {
        let mut input = BufReader::with_capacity(CHUNK, Trailed::new(input));
        check_format(&line(&mut input)?.ok_or(FileFault::Foreign)?)?;
        let header = line(&mut input)?.and_then(|line| serde_json::from_slice::<Header>(&line).ok());
        let header = header.ok_or_else(|| FileFault::Damaged("its header cannot be read".to_owned()))?;
        if header.schema > SCHEMA {
            return Err(FileFault::NewerSchema { found: header.schema, known: SCHEMA });
        }
        let mut stream = Decoder::with_buffer(input).map_err(|error| unreadable(&error))?.single_frame();
        stream.window_log_max(WINDOW_LOG).map_err(|error| unreadable(&error))?;
        Ok(Self { header, stream: Some(stream), last: None, rows: 0, content: 0, digest: None, bytes: 0 })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next row; `None` at the end, where everything was found to be as it was written.
    ///
    /// # Errors
    /// At the first thing that is not as it must be. No row before it counts then.
    pub fn next_row(&mut self) -> Result<Option<Row>, FileFault> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let key_length = number(stream)?;
        if key_length == END {
            self.end()?;
            return Ok(None);
        }
        let value_length = number(stream)?;
        if key_length > KEY_MAX || value_length > VALUE_MAX {
            return Err(FileFault::Damaged("a row is longer than rows are".to_owned()));
        }
        let row = (bytes(stream, key_length)?, bytes(stream, value_length)?);
        if self.last.as_ref().is_some_and(|last| *last >= row.0) {
            return Err(FileFault::Damaged("its rows are not in order".to_owned()));
        }
        self.last = Some(row.0.clone());
        self.rows = self.rows.saturating_add(1);
        self.content = self.content.saturating_add(key_length.into()).saturating_add(value_length.into());
        Ok(Some(row))
    }

    /// The number of rows, the end of the stream, and the checksum over all.
    fn end(&mut self) -> Result<(), FileFault> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        let damaged = |what: &str| Err(FileFault::Damaged(what.to_owned()));
        let mut number = [0; 8];
        stream.read_exact(&mut number).map_err(|error| unreadable(&error))?;
        if u64::from_be_bytes(number) != self.rows {
            return damaged("it does not hold as many rows as it says");
        }
        if stream.read(&mut [0]).map_err(|error| unreadable(&error))? != 0 {
            return damaged("something comes after its last row");
        }
        let mut input = stream.finish();
        if !input.fill_buf().map_err(|error| unreadable(&error))?.is_empty() {
            return damaged("something comes after its end");
        }
        let input = input.into_inner();
        self.bytes = input.bytes;
        let digest: [u8; DIGEST] = input.digest.finalize().into();
        if *input.held != digest {
            return damaged("its checksum does not match");
        }
        self.digest = Some(digest);
        Ok(())
    }

    /// Reads what is left, for nothing but whether it is whole.
    ///
    /// # Errors
    /// As [`Reader::next_row`].
    pub fn check(mut self) -> Result<Checked, FileFault> {
        while self.next_row()?.is_some() {}
        self.checked()
    }

    /// What was read to its end.
    ///
    /// # Errors
    /// When it was not.
    pub fn checked(self) -> Result<Checked, FileFault> {
        let digest = self.digest.ok_or_else(|| FileFault::Damaged("it was not read to its end".to_owned()))?;
        let summary = Summary { rows: self.rows, content: self.content, bytes: self.bytes };
        Ok(Checked { header: self.header, summary, digest })
    }
}

/// A backup of which every byte was found to be as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What it says of itself.
    pub header: Header,
    /// What is in it.
    pub summary: Summary,
    /// Its checksum.
    pub digest: [u8; DIGEST],
}

fn check_format(line: &[u8]) -> Result<(), FileFault> {
    let format = line.strip_prefix(MAGIC.as_bytes()).ok_or(FileFault::Foreign)?;
    let format = str::from_utf8(format).ok().filter(|format| format.chars().all(|c| c.is_ascii_digit()));
    match format {
        Some(format) if format == FORMAT.to_string() => Ok(()),
        Some(format) if !format.is_empty() && format.len() < 10 => Err(FileFault::NewerFormat(format.to_owned())),
        _ => Err(FileFault::Foreign),
    }
}

/// A line without its end, if it has one soon enough.
fn line(input: &mut impl BufRead) -> Result<Option<Bytes>, FileFault> {
    let mut line = Vec::new();
    input.take(LINE_MAX).read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

fn number(stream: &mut impl Read) -> Result<u32, FileFault> {
    let mut number = [0; 4];
    stream.read_exact(&mut number).map_err(|error| unreadable(&error))?;
    Ok(u32::from_be_bytes(number))
}

/// So many bytes. Memory is taken as they come, not as they are promised.
fn bytes(stream: &mut impl Read, length: u32) -> Result<Bytes, FileFault> {
    let mut bytes = Vec::new();
    let read = stream.take(length.into()).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if u32::try_from(read) == Ok(length) { Ok(bytes) } else { Err(FileFault::Damaged("a row is cut off".to_owned())) }
}

/// The operating system's faults have a number; all others are the file's.
fn unreadable(error: &io::Error) -> FileFault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FileFault::Damaged("its end is missing".to_owned()),
        _ if error.raw_os_error().is_some() => FileFault::Unreadable(error.to_string()),
        _ => FileFault::Damaged("its stream cannot be unpacked".to_owned()),
    }
}

/// A stream whose last bytes are a checksum of all others: sums up what it gives, and holds the last ones back.
struct Trailed<R> {
    input: R,
    digest: Sha256,
    held: Bytes,
    bytes: u64,
    ended: bool,
}

impl<R: Read> Trailed<R> {
    fn new(input: R) -> Self {
        Self { input, digest: Sha256::new(), held: Vec::new(), bytes: 0, ended: false }
    }
}

impl<R: Read> Read for Trailed<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while self.held.len() <= DIGEST && !self.ended {
            let wanted = u64::try_from(CHUNK).unwrap_or(0);
            let read = (&mut self.input).take(wanted).read_to_end(&mut self.held)?;
            self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(0));
            self.ended = read == 0;
        }
        let free = self.held.len().saturating_sub(DIGEST);
        let mut given = self.held.get(..free).unwrap_or_default();
        let number = given.read(output)?;
        self.digest.update(self.held.get(..number).unwrap_or_default());
        self.held.drain(..number);
        Ok(number)
    }
}
