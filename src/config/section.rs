//! One section of the settings: a method for each type of value.
//!
//! Each method gives the value that was written, or the default, and notes what takes effect. A value that
//! cannot be used is a fault and gives the default, so that reading goes on and all faults come together.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::fault::Origin;
use super::raw::{Raw, show_bytes, show_duration};
use super::reader::{NOT_SET, Reader};

/// A section under way.
pub(super) struct Section<'r> {
    pub(super) reader: &'r mut Reader,
    path: String,
}

impl<'r> Section<'r> {
    /// A section of the reader.
    pub(super) fn new(reader: &'r mut Reader, path: String) -> Self {
        Self { reader, path }
    }

    /// The path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// A section within this one.
    pub(super) fn section(&mut self, key: &str) -> Section<'_> {
        let path = self.path(key);
        self.reader.section(&path)
    }

    /// Shows this section under another name from now on.
    pub(super) fn rename(&mut self, shown: String) {
        self.reader.rename(&self.path, shown);
    }

    /// Does not look for unknown keys in this section.
    pub(super) fn ignore(&mut self) {
        self.reader.ignore(&self.path);
    }

    /// Notes a fault of a key.
    pub(super) fn fault(&mut self, key: &str, problem: impl Into<String>) {
        let path = self.path(key);
        self.reader.fault(&path, problem.into());
    }

    /// Notes what a person should put right, though the daemon does its work without.
    pub(super) fn doubt(&mut self, key: &str, problem: impl Into<String>) {
        let path = self.path(key);
        self.reader.doubt(&path, problem.into());
    }

    /// Has this key a fault already?
    pub(super) fn has_fault(&self, key: &str) -> bool {
        self.reader.has_fault(&self.path(key))
    }

    /// Any type: how it is read, and how it is shown.
    fn value<T>(
        &mut self,
        key: &str,
        default: T,
        read: impl FnOnce(&Raw) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let (path, usual) = (self.path(key), show(&default));
        let (value, origin) = match self.reader.find(&path) {
            None => (default, Origin::Default),
            Some(given) => match read(&given.raw) {
                Ok(value) => (value, given.origin),
                Err(problem) => {
                    self.reader.fault(&path, problem);
                    (default, given.origin)
                }
            },
        };
        self.reader.record(&path, show(&value), origin, usual);
        value
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.value(key, default, Raw::boolean, bool::to_string)
    }

    /// A whole number.
    pub(super) fn integer<T>(&mut self, key: &str, range: RangeInclusive<T>, default: T) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        self.value(key, default, |raw| raw.integer(&range), T::to_string)
    }

    /// A number, or nothing where the key is not there.
    pub(super) fn optional_number(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let show = |number: &Option<f64>| number.map_or_else(|| NOT_SET.to_owned(), |number| number.to_string());
        self.value(key, None, |raw| raw.number(&range).map(Some), show)
    }

    /// A text; the empty one only where it is the default.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        let read = |raw: &Raw| match raw.text()? {
            "" if !default.is_empty() => Err("must not be empty".to_owned()),
            text => Ok(text.to_owned()),
        };
        self.value(key, default.to_owned(), read, quoted)
    }

    /// A text or nothing, which the empty text says.
    pub(super) fn optional_text(&mut self, key: &str, default: Option<String>) -> Option<String> {
        let read = |raw: &Raw| raw.text().map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
        self.value(key, default, read, |text| text.as_ref().map_or_else(|| NOT_SET.to_owned(), quoted))
    }

    /// A text that may be empty, or nothing where the key is not there.
    pub(super) fn maybe_text(&mut self, key: &str) -> Option<String> {
        let read = |raw: &Raw| raw.text().map(|text| Some(text.to_owned()));
        self.value(key, None, read, |text| text.as_ref().map_or_else(|| NOT_SET.to_owned(), quoted))
    }

    /// One of a few words, or nothing, which another word says.
    pub(super) fn optional_choice<T: Copy + PartialEq>(
        &mut self,
        key: &str,
        options: &[(&str, T)],
        nothing: &str,
    ) -> Option<T> {
        let mut options: Vec<_> = options.iter().map(|(word, value)| (*word, Some(*value))).collect();
        options.insert(0, (nothing, None));
        self.choice(key, &options, None)
    }

    /// A text that must be there. `example` shows what is meant.
    pub(super) fn required_text(&mut self, key: &str, example: &str) -> Option<String> {
        let text = self.optional_text(key, None);
        if text.is_none() && !self.has_fault(key) {
            self.fault(key, format!("is missing; give it, such as {example:?}"));
        }
        text
    }

    /// A text that a type can be parsed from. `wanted` says what it must be.
    pub(super) fn parsed<T: FromStr + Display>(&mut self, key: &str, wanted: &str, default: T) -> T {
        let read = |raw: &Raw| raw.text()?.trim().parse().map_err(|_| format!("must be {wanted}"));
        self.value(key, default, read, quoted)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy + PartialEq>(&mut self, key: &str, options: &[(&str, T)], default: T) -> T {
        let read = |raw: &Raw| {
            let found = raw.text().ok().and_then(|text| options.iter().find(|(word, _)| *word == text));
            found.map(|(_, value)| *value).ok_or_else(|| must_be_one_of(options))
        };
        let show = |value: &T| {
            let word = options.iter().find(|(_, option)| option == value).map_or("", |(word, _)| word);
            format!("{word:?}")
        };
        self.value(key, default, read, show)
    }

    /// One of a few words that must be there.
    pub(super) fn required_choice<T: Copy + PartialEq>(&mut self, key: &str, options: &[(&str, T)]) -> Option<T> {
        let options: Vec<_> = options.iter().map(|(word, value)| (*word, Some(*value))).collect();
        let found = self.choice(key, &options, None);
        if found.is_none() && !self.has_fault(key) {
            self.fault(key, format!("is missing; {}", must_be_one_of(&options)));
        }
        found
    }

    /// A duration.
    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        self.value(key, default, |raw| raw.duration(&range), |duration| format!("{:?}", show_duration(*duration)))
    }

    /// A duration, or `off`.
    pub(super) fn optional_duration(
        &mut self,
        key: &str,
        range: RangeInclusive<Duration>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        let read = |raw: &Raw| match raw.text() {
            Ok("off") => Ok(None),
            _ => raw.duration(&range).map(Some).map_err(|problem| format!("{problem}, or \"off\"")),
        };
        let show =
            |duration: &Option<Duration>| format!("{:?}", duration.map_or_else(|| "off".to_owned(), show_duration));
        self.value(key, default, read, show)
    }

    /// A duration, `off`, or what holds for everybody, which the word `default` says.
    pub(super) fn own_duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Option<Option<Duration>> {
        let read = |raw: &Raw| match raw.text() {
            Ok("default") => Ok(None),
            Ok("off") => Ok(Some(None)),
            _ => {
                let wanted = |problem| format!("{problem}, or \"off\", or \"default\"");
                raw.duration(&range).map(|duration| Some(Some(duration))).map_err(wanted)
            }
        };
        let show = |own: &Option<Option<Duration>>| match own {
            None => "\"default\"".to_owned(),
            Some(duration) => format!("{:?}", duration.map_or_else(|| "off".to_owned(), show_duration)),
        };
        self.value(key, None, read, show)
    }

    /// A size in bytes.
    pub(super) fn bytes(&mut self, key: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        self.value(key, default, |raw| raw.bytes(&range), |bytes| format!("{:?}", show_bytes(*bytes)))
    }

    /// Does not show what was given for a key: a secret may stand in it.
    pub(super) fn hide(&mut self, key: &str) {
        let path = self.path(key);
        self.reader.mask(&path);
    }

    /// The path of a file or folder.
    pub(super) fn file(&mut self, key: &str, default: &Path) -> PathBuf {
        PathBuf::from(self.text(key, &default.to_string_lossy()))
    }

    /// The path of a file or folder, or nothing.
    pub(super) fn optional_file(&mut self, key: &str) -> Option<PathBuf> {
        self.optional_text(key, None).map(PathBuf::from)
    }

    /// A list of texts that a type can be parsed from.
    pub(super) fn list<T: FromStr + Display>(&mut self, key: &str, wanted: &str, default: Vec<T>) -> Vec<T> {
        let item = |raw: &Raw| raw.text()?.trim().parse().map_err(|_| format!("each must be {wanted}"));
        self.items(key, default, item, quoted)
    }

    /// A list of whole numbers.
    pub(super) fn integers<T>(&mut self, key: &str, range: RangeInclusive<T>, default: Vec<T>) -> Vec<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let item = |raw: &Raw| raw.integer(&range).map_err(|problem| format!("each {problem}"));
        self.items(key, default, item, T::to_string)
    }

    fn items<T>(
        &mut self,
        key: &str,
        default: Vec<T>,
        item: impl Fn(&Raw) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Vec<T> {
        let read = |raw: &Raw| raw.items()?.iter().map(item).collect();
        self.value(key, default, read, |items| format!("[{}]", items.iter().map(&show).collect::<Vec<_>>().join(", ")))
    }
}

fn quoted<T: Display>(value: &T) -> String {
    format!("{:?}", value.to_string())
}

fn must_be_one_of<T>(options: &[(&str, T)]) -> String {
    let words: Vec<_> = options.iter().map(|(word, _)| format!("{word:?}")).collect();
    format!("must be one of {}", words.join(", "))
}
