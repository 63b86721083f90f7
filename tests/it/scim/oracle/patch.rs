//! PATCH, operation by operation: a difference then has one cause, and what follows begins from the same state.

use std::collections::{BTreeMap, BTreeSet};

use musterd::scim::patch::{self, Member, MemberChange};
use musterd::scim::{Resource, ScimError};
use serde_json::{Map, Value, json};

use super::patch_classes::{CLASSES, Class, Judge};
use super::patch_refusals::REFUSALS;
use super::peer::Peer;
use super::{Kind, Tally, cases, needed, operations, people, seed};
use crate::harness::dice::Dice;

const MESSAGES: usize = 4_000;
/// Operations that one may become when the classes put it otherwise.
const MOST_REWRITES: usize = 200;

/// The daemon takes membership out of a message, for groups can be huge: the members must be those of the whole.
#[test]
fn membership_taken_out_of_a_patch_is_what_the_patch_makes_of_it() {
    let dice = Dice::new(seed() + 2);
    let mut compared = 0;
    for _ in 0..cases(MESSAGES) {
        let (group, message) = (people::group(&dice), operations::message(&dice, Kind::Group));
        let Ok(whole) = ours(Kind::Group, &group, &message) else { continue };
        let parsed = patch::parse(json!({"schemas": [patch::PATCH_URN], "Operations": message})).unwrap();
        let changes = match patch::split_members(&parsed) {
            Ok((changes, _)) => changes,
            // A part is refused even where there is nobody yet.
            Err(error) => {
                assert!(error.detail.starts_with("the parts of a member are immutable"), "{error} for {message:?}");
                continue;
            }
        };
        let mut members = member_ids(&group);
        for change in changes {
            let ids = |joining: Vec<Member>| joining.into_iter().map(|member| member.value);
            match change {
                MemberChange::Add(joining) => members.extend(ids(joining)),
                MemberChange::Remove(leaving) => members.retain(|id| !leaving.contains(id)),
                MemberChange::RemoveAll => members.clear(),
                MemberChange::Replace(list) => members = ids(list).collect(),
            }
        }
        assert_eq!(members, member_ids(&whole), "{message:?} on {group}");
        compared += 1;
    }
    assert!(compared > cases(MESSAGES) / 3, "{compared} compared");
}

fn member_ids(group: &Value) -> BTreeSet<String> {
    let members = group["members"].as_array().into_iter().flatten();
    members.map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn patches_do_what_another_implementation_does_or_differ_for_a_reason() {
    let (dice, mut peer, mut tally, mut steps) = (Dice::new(seed()), Peer::start(), Tally::default(), 0);
    for number in 0..cases(MESSAGES) {
        let kind = if number % 5 == 0 { Kind::Group } else { Kind::User };
        let resource = if kind == Kind::User { people::user(&dice) } else { people::group(&dice) };
        let message = operations::message(&dice, kind);
        let mut state = resource.clone();
        let mut refused = false;
        for operation in &message {
            steps += 1;
            let ours = ours(kind, &state, std::slice::from_ref(operation));
            compare(&mut tally, &mut peer, (kind, &state, operation), &ours);
            refused |= ours.is_err();
            state = ours.unwrap_or(state);
        }
        match self::ours(kind, &resource, &message) {
            Ok(whole) => assert_eq!(plain(&whole), plain(&state), "{message:?} at once and one by one on {resource}"),
            Err(error) => assert!(refused, "{message:?}: {error}"),
        }
    }
    let named = CLASSES.iter().map(|class| (class.name, class.why));
    let named: Vec<_> = named.chain(REFUSALS.iter().map(|refusal| (refusal.name, refusal.why))).collect();
    tally.judge("PATCH operations", steps, &named);
}

/// The state an operation meets, and the operation.
pub(super) type Step<'s> = (Kind, &'s Value, &'s Value);

fn compare(tally: &mut Tally, peer: &mut Peer, step: Step<'_>, ours: &Result<Value, ScimError>) {
    let (_, state, operation) = step;
    let theirs = peer.patch(state, operation);
    let told = || format!("{operation}\n    on {}\n    ours   {}", brief(state, state), show(ours, state));
    match (ours, theirs) {
        (Err(_), Err(_)) => tally.both_refuse += 1,
        (Ok(ours), Ok(theirs)) if plain(ours) == plain(&theirs) => tally.same += 1,
        (Err(error), Ok(_)) => match REFUSALS.iter().find(|refusal| (refusal.fits)(step, error)) {
            Some(refusal) => tally.explain([refusal.name]),
            None => tally.unexplained.push(told()),
        },
        (Ok(ours), theirs) => {
            let all: Vec<&Class> = CLASSES.iter().collect();
            let mut used = BTreeSet::new();
            let replayed = replay(peer, step, &all, &mut used);
            if !replayed.as_ref().is_ok_and(|replayed| plain(replayed) == plain(ours)) {
                let (theirs, replayed) = (show(&theirs, state), show(&replayed, state));
                tally.unexplained.push(format!("{}\n    theirs {theirs}\n    put so {replayed}", told()));
                return;
            }
            let needed = needed(used, |names| {
                let some: Vec<&Class> = all.iter().copied().filter(|class| names.contains(class.name)).collect();
                let replayed = replay(peer, step, &some, &mut BTreeSet::new());
                replayed.is_ok_and(|replayed| plain(&replayed) == plain(ours))
            });
            tally.explain(needed);
        }
    }
}

/// What the oracle makes of the operation when the classes put it, and its answer, otherwise.
fn replay(
    peer: &mut Peer,
    (kind, state, operation): Step<'_>,
    classes: &[&Class],
    used: &mut BTreeSet<&'static str>,
) -> Result<Value, String> {
    let (mut state, mut pending) = (state.clone(), vec![operation.clone()]);
    let mut rewrites = 0;
    while let Some(operation) = pending.pop() {
        let step = (kind, &state, &operation);
        let rewritten = classes.iter().find_map(|class| match class.judge {
            Judge::Asked(put) => put(step).map(|operations| (class.name, operations)),
            Judge::Answered(_) => None,
        });
        if let Some((name, operations)) = rewritten {
            used.insert(name);
            pending.extend(operations.into_iter().rev());
            rewrites += 1;
            if rewrites > MOST_REWRITES {
                return Err(format!("rewritten for ever: {pending:?}"));
            }
            continue;
        }
        let mut after = peer.patch(&state, &operation)?;
        for class in classes {
            if let Judge::Answered(put_right) = class.judge {
                let right = put_right(step, after.clone());
                if right != after {
                    used.insert(class.name);
                }
                after = right;
            }
        }
        state = after;
    }
    Ok(state)
}

/// What musterd makes of a message.
fn ours(kind: Kind, resource: &Value, operations: &[Value]) -> Result<Value, ScimError> {
    let mut resource: Resource = resource.as_object().unwrap().clone();
    let message = json!({"schemas": [patch::PATCH_URN], "Operations": operations});
    patch::apply(kind.resource_type(), &mut resource, &patch::parse(message)?)?;
    Ok(Value::Object(resource))
}

/// For comparison: without what says nothing (RFC 7643 §2.4: no primary is false; §2.5: null and [] are no value),
/// lists in one order, and without `schemas` and `meta`.
fn plain(resource: &Value) -> Value {
    let mut members = resource.as_object().unwrap().clone();
    members.remove("schemas");
    members.remove("meta");
    pruned(&Value::Object(members)).unwrap_or_default()
}

fn pruned(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().filter_map(pruned).collect();
            items.sort_by_key(Value::to_string);
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let says = members.iter().filter(|(name, value)| !(*name == "primary" && **value == json!(false)));
            let says = says.filter_map(|(name, value)| Some((name.clone(), pruned(value)?)));
            let members: Map<String, Value> = says.collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        other => Some(other.clone()),
    }
}

/// A resource as far as it is not as before; all of it if it is the one from before.
fn brief(resource: &Value, before: &Value) -> String {
    let (resource_now, before) = (plain(resource), plain(before));
    if resource_now == before {
        return resource_now.to_string();
    }
    let differs = |name: &String| resource_now.get(name) != before.get(name);
    let names = resource_now.as_object().unwrap().keys().chain(before.as_object().unwrap().keys());
    let told: BTreeMap<&String, Option<&Value>> =
        names.filter(|name| differs(name)).map(|name| (name, resource_now.get(name))).collect();
    format!("{told:?}")
}

fn show<E: std::fmt::Display>(outcome: &Result<Value, E>, before: &Value) -> String {
    match outcome {
        Ok(resource) => brief(resource, before),
        Err(error) => format!("refuses: {error}"),
    }
}
