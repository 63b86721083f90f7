//! The templates as they take effect: the shipped ones, and in place of some of them those of the operator's folder.
//!
//! All of them are parsed and tried with samples before one is used, so that none of the operator's can fail later. A
//! template reads no file, knows only the facts of its message, and is bounded in its steps and its length; what it is
//! given is text, and in a page it is escaped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};
use serde_json::{Map, Value};

use super::facts::{Voice, common, facts, samples};
use super::folder::{Own, read};
use super::shipped::{KINDS, SHIPPED};
use super::{Product, one_line};
use crate::directory::language::Language;
use crate::directory::message::Message;

/// Steps of one template.
const FUEL: u64 = 200_000;
/// Most bytes of one text or page.
const LONGEST: usize = 256 << 10;
/// How the first line of a text begins.
const SUBJECT: &str = "Subject:";

/// The words of one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    /// What they are written in.
    pub language: Language,
    /// The subject: one line, with nothing of the person in it.
    pub subject: String,
    /// The text, with line feeds.
    pub text: String,
    /// The same as a page.
    pub html: String,
}

/// The templates of all languages.
#[derive(Clone)]
pub struct Templates(Arc<BTreeMap<Language, Set>>);

/// The templates of one language.
struct Set {
    environment: Environment<'static>,
    /// By kind.
    subjects: BTreeMap<&'static str, String>,
    /// Where the operator's own ones came from.
    paths: BTreeMap<&'static str, PathBuf>,
}

impl Templates {
    /// The shipped ones, but for those that lie in the folder.
    ///
    /// # Errors
    /// Every fault of every file of the folder, with file and line.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let own = folder.map(read).transpose()?.unwrap_or_default();
        let (mut sets, mut faults) = (BTreeMap::new(), Vec::new());
        for language in Language::ALL {
            match Set::build(*language, &own) {
                Ok(set) => _ = sets.insert(*language, set),
                Err(found) => faults.extend(found),
            }
        }
        let templates = Self(Arc::new(sets));
        if faults.is_empty() {
            faults = templates.tried();
        }
        if faults.is_empty() { Ok(templates) } else { Err(faults) }
    }

    /// The words of a message that goes by mail, in the reader's language.
    ///
    /// # Errors
    /// What of it cannot be told by mail, without the text itself.
    pub fn words(&self, message: &Message, voice: &Voice) -> Result<Words, String> {
        let language = message.language.unwrap_or(voice.language);
        let set = self.0.get(&language).ok_or("there are no words in its language")?;
        let kind = message.body.kind();
        let subject = set.subjects.get(kind).ok_or("there is no template of its kind")?.clone();
        let mut facts = facts(message, voice)?;
        facts.insert("subject".to_owned(), subject.clone().into());
        facts.insert("language".to_owned(), language.tag().into());
        let render = |form: &str| set.render(&format!("{kind}.{form}"), &facts).map_err(|error| set.told(&error, ""));
        Ok(Words { language, subject, text: tidy(&render("txt")?), html: render("html")? })
    }

    /// Tries every template with samples, and gives the faults, each once.
    fn tried(&self) -> Vec<String> {
        let (voice, samples) = (Voice::default(), samples());
        let mut faults = BTreeSet::new();
        for language in Language::ALL {
            for sample in &samples {
                let sample = Message { language: Some(*language), ..sample.clone() };
                match self.words(&sample, &voice) {
                    Ok(words) if words.text.len().max(words.html.len()) > LONGEST => {
                        let kind = sample.body.kind();
                        faults.insert(format!("{}/{kind}: a mail of it is too long", language.tag()));
                    }
                    Ok(_) => {}
                    Err(fault) => _ = faults.insert(fault),
                }
            }
        }
        faults.into_iter().collect()
    }
}

impl Set {
    fn build(language: Language, own: &[Own]) -> Result<Self, Vec<String>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        let mut set = Self { environment, subjects: BTreeMap::new(), paths: BTreeMap::new() };
        let mut faults = Vec::new();
        for (_, name, shipped) in SHIPPED.iter().filter(|(of, ..)| *of == language) {
            let own = own.iter().find(|own| own.language == language && own.name == *name);
            if let Some(own) = own {
                set.paths.insert(name, own.path.clone());
            }
            faults.extend(set.add(name, own.map_or(*shipped, |own| own.text.as_str())).err());
        }
        faults.extend(set.unknown_names());
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// Adds one template; the subject of a text is its first line.
    fn add(&mut self, name: &'static str, text: &str) -> Result<(), String> {
        let mut source = text.to_owned();
        if let Some(kind) = name.strip_suffix(".txt").filter(|kind| KINDS.contains(kind)) {
            let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
            let subject = first.strip_prefix(SUBJECT).map(one_line).filter(|subject| !subject.is_empty());
            let subject = subject.filter(|subject| !subject.contains("{{") && !subject.contains("{%"));
            let wanted = || {
                let place = self.place(name);
                format!("{place}:1: must be \"{SUBJECT}\" and a plain text: nothing of a person stands in a subject")
            };
            self.subjects.insert(kind, subject.ok_or_else(wanted)?);
            // The lines keep their numbers.
            source = format!("\n{rest}");
        }
        let added = self.environment.add_template_owned(name, source);
        added.map_err(|error| self.told(&error, name))
    }

    /// Names in templates that no message has, also where a sample does not come by.
    fn unknown_names(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, template) in self.environment.templates() {
            let known = known(name);
            let built_in: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
            let used = template.undeclared_variables(false);
            let used: BTreeSet<&str> = used.iter().map(String::as_str).collect();
            for unknown in used {
                if !known.contains(unknown)
                    && !built_in.contains(unknown)
                    && !["super", "loop", "self"].contains(&unknown)
                {
                    let line = template.source().lines().position(|line| line.contains(unknown)).unwrap_or(0);
                    let (place, names) = (self.place(name), listed(&known));
                    let line = line.saturating_add(1);
                    faults.push(format!("{place}:{line}: there is no {unknown:?} here; there are {names}"));
                }
            }
        }
        faults
    }

    fn render(&self, name: &str, facts: &Map<String, Value>) -> Result<String, Error> {
        self.environment.get_template(name)?.render(Serde(facts))
    }

    /// Where a template came from, for people.
    fn place(&self, name: &str) -> String {
        self.paths.get(name).map_or_else(|| format!("the shipped {name}"), |path| path.display().to_string())
    }

    /// A fault with its place, and with the names that the template may use.
    fn told(&self, error: &Error, name: &str) -> String {
        let name = error.name().unwrap_or(name);
        let (place, line) = (self.place(name), error.line().unwrap_or(0));
        let what = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
        format!("{place}:{line}: {}{what} (it knows {})", error.kind(), listed(&known(name)))
    }
}

/// The facts that a template may use: those of its kind, or those that every kind has.
fn known(name: &str) -> BTreeSet<String> {
    let kind = name.split('.').next().unwrap_or_default();
    let mut known: BTreeSet<String> = ["subject", "language"].map(str::to_owned).into();
    known.extend(common("", &Product::default()).into_iter().map(|(name, _)| name));
    // The list of methods is taken in by those kinds alone that have one.
    let like = if kind == "method" { "factor_enrolled" } else { kind };
    let sample = samples().into_iter().find(|sample| sample.body.kind() == like);
    let own = sample.and_then(|sample| facts(&sample, &Voice::default()).ok()).unwrap_or_default();
    known.extend(own.into_iter().map(|(name, _)| name));
    known
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A text without blanks at the ends of lines, and without more than one empty line on end.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut is_after_empty = true;
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && is_after_empty) {
            tidied.push_str(line);
            tidied.push('\n');
        }
        is_after_empty = line.is_empty();
    }
    tidied.truncate(tidied.trim_end().len());
    tidied.push('\n');
    tidied
}
