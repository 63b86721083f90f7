//! Filters, each against a crowd of users.

use std::collections::BTreeSet;

use musterd::scim::{ScimError, evaluate, filter, schemas};
use serde_json::Value;

use super::filter_classes::{CLASSES, Class, REFUSALS, people_put, term_put};
use super::peer::Peer;
use super::terms::{Term, term};
use super::{Tally, cases, needed, people, seed};
use crate::harness::dice::Dice;

const FILTERS: usize = 3_000;
/// Filters that look at the same users.
const SAME_CROWD: usize = 50;
const CROWD: usize = 8;

#[test]
fn filters_accept_whom_another_implementation_accepts_or_differ_for_a_reason() {
    let (dice, mut peer, mut tally) = (Dice::new(seed() + 1), Peer::start(), Tally::default());
    let mut crowd = Vec::new();
    for number in 0..cases(FILTERS) {
        if number % SAME_CROWD == 0 {
            crowd = (0..CROWD).map(|_| people::user(&dice)).collect();
        }
        let term = term(&dice, 3);
        let is_damaged = number % 10 == 0 && !term.to_string().contains('\\');
        let text = if is_damaged { damaged(&dice, &term.to_string()) } else { spoken(&dice, &term.to_string()) };
        let is_whole = text.replace("  ", " ").to_lowercase() == term.to_string().to_lowercase();
        compare(&mut tally, &mut peer, is_whole.then_some(&term), &text, &crowd);
    }
    let named = CLASSES.iter().map(|class| (class.name, class.why));
    let named: Vec<_> = named.chain(REFUSALS.iter().map(|refusal| (refusal.name, refusal.why))).collect();
    tally.judge("filters", cases(FILTERS), &named);
}

/// The same in other letters and with more spaces.
fn spoken(dice: &Dice, text: &str) -> String {
    let text =
        if people::chance(dice, 20) { text.replace(" and ", " AND ").replace(" or ", " Or ") } else { text.to_owned() };
    if people::chance(dice, 10) { text.replace(" and ", "  and  ") } else { text }
}

/// The same with one piece left out or twice there.
fn damaged(dice: &Dice, text: &str) -> String {
    let mut pieces: Vec<&str> = text.split_inclusive([' ', '(', ')', '[', ']']).collect();
    let at = usize::try_from(dice.number(0..u64::try_from(pieces.len()).unwrap())).unwrap();
    if people::chance(dice, 50) {
        pieces.remove(at);
    } else {
        pieces.insert(at, pieces[at]);
    }
    pieces.concat()
}

fn compare(tally: &mut Tally, peer: &mut Peer, term: Option<&Term>, text: &str, crowd: &[Value]) {
    let ours = ours(text, crowd);
    match (&ours, peer.filter(text, crowd)) {
        (Err(_), Err(_)) => tally.both_refuse += 1,
        (Ok(ours), Ok(theirs)) if *ours == theirs => tally.same += 1,
        (Err(error), Ok(_)) => match REFUSALS.iter().find(|refusal| (refusal.fits)(text, error)) {
            Some(refusal) => tally.explain([refusal.name]),
            None => tally.unexplained.push(format!("{text}\n    ours   refuses: {error}")),
        },
        (Ok(ours), theirs) => {
            let told = || format!("{text}\n    ours   {ours:?}\n    theirs {theirs:?}");
            // A damaged text is asked for as musterd reads it; the oracle must read it so, too.
            let read = Term::from(&filter::parse(text).unwrap());
            let mut reads_alike = || peer.filter(&read.to_string(), crowd) == theirs;
            let term = match term {
                Some(term) => term,
                None if theirs.is_err() || reads_alike() => &read,
                None => return tally.unexplained.push(told()),
            };
            let all: Vec<&Class> = CLASSES.iter().collect();
            let mut used = BTreeSet::new();
            let replayed = replay(peer, term, crowd, &all, &mut used);
            if replayed.as_ref().ok() != Some(ours) {
                let (put, _) = put(term, crowd, &all, &mut BTreeSet::new());
                tally.unexplained.push(format!(
                    "{}\n    put so {replayed:?}\n    {put}\n    {}",
                    told(),
                    first_other(ours, &replayed, crowd)
                ));
                return;
            }
            if used.is_empty() {
                return tally.unexplained.push(told());
            }
            let needed = needed(used, |names| {
                let some: Vec<&Class> = all.iter().copied().filter(|class| names.contains(class.name)).collect();
                replay(peer, term, crowd, &some, &mut BTreeSet::new()).ok().as_ref() == Some(ours)
            });
            tally.explain(needed);
        }
    }
}

/// The first user about whom the two do not agree.
fn first_other(ours: &[bool], theirs: &Result<Vec<bool>, String>, crowd: &[Value]) -> String {
    let Ok(theirs) = theirs else { return String::new() };
    let at = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    at.map(|at| crowd[at].to_string()).unwrap_or_default()
}

fn replay(
    peer: &mut Peer,
    term: &Term,
    crowd: &[Value],
    classes: &[&Class],
    used: &mut BTreeSet<&'static str>,
) -> Result<Vec<bool>, String> {
    let (term, crowd) = put(term, crowd, classes, used);
    peer.filter(&term.to_string(), &crowd)
}

/// The question in the form that the classes give it.
fn put(term: &Term, crowd: &[Value], classes: &[&Class], used: &mut BTreeSet<&'static str>) -> (Term, Vec<Value>) {
    let (mut term, mut crowd) = (term.clone(), named_in(&term.to_string(), crowd));
    for class in classes {
        let put = term_put(class, &term, None);
        if put != term {
            used.insert(class.name);
            term = put;
        }
        if let Some(put) = people_put(class, &crowd).filter(|put| *put != crowd) {
            used.insert(class.name);
            crowd = put;
        }
    }
    (term, crowd)
}

/// The users with what the filter names: there is less to say.
fn named_in(text: &str, crowd: &[Value]) -> Vec<Value> {
    let text = text.to_lowercase();
    let named = |name: &String| name == people::ENTERPRISE || text.contains(&name.to_lowercase());
    let part = |user: &Value| user.as_object().unwrap().clone().into_iter().filter(|(name, _)| named(name)).collect();
    crowd.iter().map(part).collect()
}

fn ours(text: &str, crowd: &[Value]) -> Result<Vec<bool>, ScimError> {
    let matcher = evaluate::Matcher::new(&filter::parse(text)?, schemas::user())?;
    Ok(crowd.iter().map(|user| matcher.matches(user.as_object().unwrap())).collect())
}
