//! Which entries of the fake server a search finds, and what of them it is given.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER_PERMISSIVE;
use ldap3_proto::proto::{LdapMatchingRuleAssertion, LdapSearchRequest};
use ldap3_proto::{LdapFilter, LdapSearchScope};
use uuid::Uuid;

use super::codec::text;
use super::{Entry, FakeDirectory};

const BIT_AND: &str = "1.2.840.113556.1.4.803";
const BIT_OR: &str = "1.2.840.113556.1.4.804";
/// Membership through groups of groups.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

impl FakeDirectory {
    /// What a search finds; `None` without its base. A base without an entry is one where something lies below it.
    pub(super) fn found(&self, request: &LdapSearchRequest) -> Option<Vec<Entry>> {
        if request.base.is_empty() && request.scope == LdapSearchScope::Base {
            return Some(vec![self.root.clone()]);
        }
        let base = self.base(&request.base)?;
        let below = |entry: &Entry| normal(&entry.dn).strip_suffix(&base).map(str::to_owned);
        if !self.entries.iter().any(|entry| below(entry).is_some()) {
            return None;
        }
        let in_scope = |entry: &&Entry| match (below(entry).as_deref(), &request.scope) {
            (None, _) => false,
            (Some(""), scope) => matches!(scope, LdapSearchScope::Base | LdapSearchScope::Subtree),
            (Some(rest), LdapSearchScope::OneLevel) => rest.ends_with(',') && rest.matches(',').count() == 1,
            (Some(rest), scope) => *scope != LdapSearchScope::Base && (base.is_empty() || rest.ends_with(',')),
        };
        let matching = self.entries.iter().filter(in_scope).filter(|entry| self.matches(entry, &request.filter));
        Some(matching.cloned().collect())
    }

    /// The base of a search in its normal form; `<GUID=…>` is the entry with this `objectGUID`, in hexadecimal or in
    /// the form with hyphens.
    fn base(&self, base: &str) -> Option<String> {
        let Some(id) = base.strip_prefix("<GUID=").and_then(|rest| rest.strip_suffix('>')) else {
            return Some(normal(base));
        };
        let bytes = if id.contains('-') {
            Uuid::parse_str(id).ok()?.to_bytes_le().to_vec()
        } else {
            HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok()?
        };
        let entry = self.entries.iter().find(|entry| entry.values("objectGUID").contains(&bytes));
        entry.map(|entry| normal(&entry.dn))
    }

    fn matches(&self, entry: &Entry, filter: &LdapFilter) -> bool {
        let any = |name: &str, test: &dyn Fn(&str) -> bool| {
            entry.values(name).iter().any(|value| test(&text(value).to_lowercase()))
        };
        match filter {
            LdapFilter::And(all) => all.iter().all(|one| self.matches(entry, one)),
            LdapFilter::Or(all) => all.iter().any(|one| self.matches(entry, one)),
            LdapFilter::Not(one) => !self.matches(entry, one),
            LdapFilter::Present(name) => name.eq_ignore_ascii_case("objectClass") || !entry.values(name).is_empty(),
            LdapFilter::Equality(name, wanted) | LdapFilter::Approx(name, wanted) => {
                let wanted = wanted.to_lowercase();
                any(name, &|value| value == wanted || normal(value) == normal(&wanted))
            }
            LdapFilter::GreaterOrEqual(name, wanted) => any(name, &|value| order(value, wanted).is_ge()),
            LdapFilter::LessOrEqual(name, wanted) => any(name, &|value| order(value, wanted).is_le()),
            LdapFilter::Substring(name, wanted) => {
                let middle: Vec<String> = wanted.any.iter().map(|part| part.to_lowercase()).collect();
                let first = wanted.initial.as_deref().unwrap_or_default().to_lowercase();
                let last = wanted.final_.as_deref().unwrap_or_default().to_lowercase();
                any(name, &|value| {
                    let rest = value.strip_prefix(&first).and_then(|rest| rest.strip_suffix(&last));
                    let mut rest = rest.map(str::to_owned);
                    for part in &middle {
                        rest = rest.and_then(|rest| rest.split_once(part.as_str()).map(|(_, after)| after.to_owned()));
                    }
                    rest.is_some()
                })
            }
            LdapFilter::Extensible(assertion) => self.matches_rule(entry, assertion),
        }
    }

    fn matches_rule(&self, entry: &Entry, assertion: &LdapMatchingRuleAssertion) -> bool {
        let name = assertion.type_.as_deref().unwrap_or_default();
        let number = |text: &str| text.parse::<i64>().unwrap_or_default();
        let wanted = number(&assertion.match_value);
        let mut numbers = entry.values(name).iter().map(|value| number(&text(value)));
        match assertion.matching_rule.as_deref() {
            Some(BIT_AND) => numbers.any(|value| value & wanted == wanted),
            Some(BIT_OR) => numbers.any(|value| value & wanted != 0),
            Some(IN_CHAIN) if entry.values(name).is_empty() => false,
            Some(IN_CHAIN) => {
                let entries = self.entries.iter().map(|entry| (normal(&entry.dn), entry)).collect();
                leads_to(&entries, entry, name, &normal(&assertion.match_value), &mut BTreeSet::new())
            }
            _ => self.matches(entry, &LdapFilter::Equality(name.to_owned(), assertion.match_value.clone())),
        }
    }
}

/// Does an attribute of an entry lead to a DN, at once or through the same attribute of other entries?
fn leads_to(
    entries: &BTreeMap<String, &Entry>,
    entry: &Entry,
    name: &str,
    wanted: &str,
    seen: &mut BTreeSet<String>,
) -> bool {
    entry.values(name).iter().map(|value| normal(&text(value))).any(|next| {
        let is_new = seen.insert(next.clone());
        let mut further = || entries.get(&next).is_some_and(|entry| leads_to(entries, entry, name, wanted, seen));
        next == wanted || is_new && further()
    })
}

/// A DN without regard to case and to spaces after commas.
pub(super) fn normal(dn: &str) -> String {
    dn.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
}

/// Numbers by their value, everything else by its letters.
fn order(value: &str, wanted: &str) -> std::cmp::Ordering {
    match (value.parse::<i64>(), wanted.parse::<i64>()) {
        (Ok(value), Ok(wanted)) => value.cmp(&wanted),
        _ => value.cmp(&wanted.to_lowercase()),
    }
}

/// The attributes that were asked for. Where there are too many values, the attribute itself is empty, and as many as
/// may be come as a range, as Active Directory does it.
pub(super) fn selected(entry: &Entry, wanted: &[String], limit: Option<usize>) -> Vec<(String, Vec<Vec<u8>>)> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut selected = Vec::new();
    for (name, values) in &entry.attributes {
        let everything = wanted.is_empty() || wanted.iter().any(|wanted| wanted == "*" || wanted == "+");
        let by_name = wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        match wanted.iter().find_map(|wanted| range(wanted, name)) {
            Some((low, high)) => selected.extend(ranged(name, values, low, high, limit)),
            None if (everything || by_name) && values.len() > limit => {
                selected.push((name.clone(), Vec::new()));
                selected.extend(ranged(name, values, 0, None, limit));
            }
            None if everything || by_name => selected.push((name.clone(), values.clone())),
            None => {}
        }
    }
    selected
}

/// The range of this attribute that was asked for: `member;range=1500-*`.
fn range(wanted: &str, name: &str) -> Option<(usize, Option<usize>)> {
    let (attribute, range) = wanted.split_once(";range=")?;
    let (low, high) = range.split_once('-')?;
    attribute.eq_ignore_ascii_case(name).then_some(())?;
    Some((low.parse().ok()?, high.parse().ok()))
}

fn ranged(
    name: &str,
    values: &[Vec<u8>],
    low: usize,
    high: Option<usize>,
    limit: usize,
) -> Option<(String, Vec<Vec<u8>>)> {
    let wanted = high.map_or(usize::MAX, |high| (high + 1).saturating_sub(low));
    let taken: Vec<_> = values.iter().skip(low).take(limit.min(wanted)).cloned().collect();
    let last = (low + taken.len()).checked_sub(1).filter(|_| !taken.is_empty())?;
    let end = if last + 1 == values.len() { "*".to_owned() } else { last.to_string() };
    Some((format!("{name};range={low}-{end}"), taken))
}
