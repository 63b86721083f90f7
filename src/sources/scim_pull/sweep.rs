//! One list, read page by page to an end that is proved, or a fault.
//!
//! By index, each page begins with the last resource of the one before: where that is another one by now, the list moved
//! under the reading, and it begins again. When everything that the server counts is there, it is asked once more whether
//! there is more: some count only the page. By cursor, the end is the page without a next one, and no fewer may have come
//! than were counted. What was given out before a new beginning is not given out twice.

use std::collections::HashSet;

use super::answer::Page;
use super::path::text;
use super::session::{Fault, Session};
use super::settings::Paging;
use crate::base::secret::sha256;
use crate::scim::Resource;
use crate::web::Bytes;
use crate::web::place::encode;

/// How often a list may begin anew.
const AGAIN_MAX: u8 = 2;
/// Pages without a resource that may follow each other where there are cursors.
const EMPTY_MAX: u8 = 100;

/// An identifier, short.
pub(super) type Key = [u8; 16];

/// The key of an identifier.
pub(super) fn key(id: &str) -> Key {
    sha256(id.as_bytes()).first_chunk::<16>().copied().unwrap_or_default()
}

/// What is read.
#[derive(Debug, Clone)]
pub(super) struct List {
    /// `Users` or `Groups`.
    pub(super) kind: &'static str,
    pub(super) filter: Option<String>,
    pub(super) count: usize,
    pub(super) paging: Paging,
    /// Must the end be proved, for what is absent?
    pub(super) proof: bool,
    pub(super) max: usize,
}

impl List {
    /// Path and query of a page.
    fn target(&self, at: &At) -> String {
        let mut target = format!("/{}?count={}", self.kind, self.count);
        match at {
            At::Index(start) => target.push_str(&format!("&startIndex={start}")),
            At::Cursor(cursor) => target.push_str(&format!("&cursor={}", encode(cursor))),
        }
        if let Some(filter) = &self.filter {
            target.push_str(&format!("&filter={}", encode(filter)));
        }
        target
    }

    fn beginning(&self) -> At {
        match self.paging {
            Paging::Index => At::Index(1),
            Paging::Cursor => At::Cursor(String::new()),
        }
    }

    /// Path and query of the first page.
    pub(super) fn first(&self) -> String {
        self.target(&self.beginning())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Index(usize),
    Cursor(String),
}

/// A list under way.
pub(super) struct Sweep {
    list: List,
    at: At,
    /// Identifiers that were given out, also before a new beginning.
    pub(super) given: HashSet<Key>,
    /// Identifiers since the beginning.
    ids: HashSet<Key>,
    /// Resources since the beginning.
    read: usize,
    first: Option<Key>,
    last: Option<Key>,
    asked_for_more: bool,
    empty: u8,
    again: u8,
    done: bool,
    /// The validator of the whole list, where one page is all of it.
    pub(super) etag: Option<String>,
}

/// Why a list cannot be trusted.
struct Broken(String);

impl Sweep {
    pub(super) fn new(list: List) -> Self {
        Self {
            at: list.beginning(),
            list,
            given: HashSet::new(),
            ids: HashSet::new(),
            read: 0,
            first: None,
            last: None,
            asked_for_more: false,
            empty: 0,
            again: 0,
            done: false,
            etag: None,
        }
    }

    /// The next resources, none of them twice; `None` at the end.
    pub(super) async fn next(&mut self, session: &mut Session<'_>) -> Result<Option<Vec<Resource>>, Fault> {
        while !self.done {
            let answer = session.get(&self.list.target(&self.at), None).await;
            let broken = match answer {
                Err(fault) if fault.is("expiredCursor") || (fault.is("invalidCursor") && self.read > 0) => {
                    Broken(fault.to_string())
                }
                Err(fault) => return Err(fault),
                Ok(answer) => {
                    let is_first = self.read == 0;
                    match self.take_body(&answer.body)? {
                        Ok(fresh) => {
                            if is_first {
                                let is_all = self.done || self.asked_for_more;
                                self.etag = answer.etag().filter(|_| is_all).map(str::to_owned);
                            }
                            if fresh.is_empty() {
                                continue;
                            }
                            return Ok(Some(fresh));
                        }
                        Err(broken) => broken,
                    }
                }
            };
            self.begin_again(broken)?;
        }
        Ok(None)
    }

    fn take_body(&mut self, body: &Bytes) -> Result<Result<Vec<Resource>, Broken>, Fault> {
        let kind = self.list.kind;
        let page = Page::read(body).map_err(|why| Fault::Untrusted(format!("/{kind}: {why}")))?;
        let taken = self.take(page);
        if self.read > self.list.max {
            let max = self.list.max;
            let why = format!("there are more than {max} {kind}: narrow user_filter or raise max_entries");
            return Err(Fault::Untrusted(why));
        }
        Ok(taken)
    }

    fn begin_again(&mut self, Broken(why): Broken) -> Result<(), Fault> {
        if self.again >= AGAIN_MAX {
            return Err(Fault::Untrusted(format!("/{}: {why}", self.list.kind)));
        }
        self.again += 1;
        (self.at, self.read, self.first, self.last) = (self.list.beginning(), 0, None, None);
        (self.asked_for_more, self.empty, self.etag) = (false, 0, None);
        self.ids.clear();
        Ok(())
    }

    /// Takes a page, and gives what is new in it.
    fn take(&mut self, page: Page) -> Result<Vec<Resource>, Broken> {
        match (&self.at, &page.next_cursor) {
            (At::Cursor(_), _) => self.take_by_cursor(page),
            // It pages by cursor without being asked to.
            (At::Index(1), Some(_)) if self.read == 0 => self.take_by_cursor(page),
            (At::Index(_), _) => self.take_by_index(page),
        }
    }

    fn take_by_index(&mut self, page: Page) -> Result<Vec<Resource>, Broken> {
        let Some(total) = page.total else {
            return Err(Broken("a page has no totalResults: whether that was all cannot be told".to_owned()));
        };
        let mut resources = page.resources;
        let is_empty = resources.is_empty();
        let first = resources.first().map(key_of);
        if self.read > 0 {
            if is_empty {
                return Err(Broken(format!("it ended after {} of {total}", self.read)));
            }
            if first != Some(self.last) {
                if first == Some(self.first) && self.is_all_again(&resources, total) {
                    self.done = true;
                    return Ok(Vec::new());
                }
                let why = match first == Some(self.first) {
                    true => "the first page came again: the server ignores startIndex; try paging = \"cursor\"",
                    false => "the list moved while it was read; try paging = \"cursor\", or a larger page_size",
                };
                return Err(Broken(why.to_owned()));
            }
            resources.remove(0);
        } else {
            self.first = first.flatten();
        }
        let added = resources.len();
        self.last = resources.last().map_or(self.last, key_of);
        let fresh = self.note(resources)?;
        if self.read > total {
            return Err(Broken(format!("it counts {total}, and gave {}", self.read)));
        }
        if self.read < total && added == 0 {
            return Err(Broken(match is_empty {
                true => format!("it counts {total}, and gave {}", self.read),
                false => format!("it gave {} of {total} and no more: pages of one cannot be joined", self.read),
            }));
        }
        let is_all = self.read == total;
        self.done = is_all && (total == 0 || (self.asked_for_more && added == 0) || !self.list.proof);
        self.asked_for_more = is_all;
        self.at = At::Index(self.read);
        Ok(fresh)
    }

    /// A server without pages gives everything, whatever page is asked for.
    fn is_all_again(&self, resources: &[Resource], total: usize) -> bool {
        let keys: HashSet<Key> = resources.iter().filter_map(key_of).collect();
        self.read == total && resources.len() == total && keys == self.ids
    }

    fn take_by_cursor(&mut self, page: Page) -> Result<Vec<Resource>, Broken> {
        let Page { total, resources, next_cursor } = page;
        let before = self.read;
        self.empty = if resources.is_empty() { self.empty.saturating_add(1) } else { 0 };
        let came = resources.len();
        // Cursors may show again what moved; but a page of nothing new leads round in a circle.
        let new: Vec<Resource> =
            resources.into_iter().filter(|one| key_of(one).is_none_or(|key| !self.ids.contains(&key))).collect();
        let fresh = self.note(new)?;
        if (came > 0 && self.read == before && next_cursor.is_some()) || self.empty > EMPTY_MAX {
            return Err(Broken("the cursors lead round in a circle".to_owned()));
        }
        match next_cursor {
            Some(next) => {
                if self.at == At::Cursor(next.clone()) {
                    return Err(Broken("a cursor leads to itself".to_owned()));
                }
                self.at = At::Cursor(next);
            }
            None if total.is_some_and(|total| self.read < total) => {
                let total = total.unwrap_or_default();
                let read = self.read;
                return Err(Broken(format!(
                    "it counts {total}, and gave {read} and no next cursor; does it page by index? (paging)"
                )));
            }
            None => self.done = true,
        }
        Ok(fresh)
    }

    /// Counts resources, and keeps those that were not given out before. None may come twice.
    fn note(&mut self, resources: Vec<Resource>) -> Result<Vec<Resource>, Broken> {
        let mut fresh = Vec::with_capacity(resources.len());
        for resource in resources {
            self.read = self.read.saturating_add(1);
            if let Some(key) = key_of(&resource) {
                if !self.ids.insert(key) {
                    return Err(Broken("the same resource came twice: the list moved while it was read".to_owned()));
                }
                if !self.given.insert(key) {
                    continue;
                }
            }
            fresh.push(resource);
        }
        Ok(fresh)
    }
}

fn key_of(resource: &Resource) -> Option<Key> {
    text(resource, "id").filter(|id| !id.is_empty()).map(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(ids: &[u32], total: impl Into<Value>, next: Option<&str>) -> Bytes {
        let resources: Vec<Value> = ids.iter().map(|id| json!({"id": id.to_string()})).collect();
        Bytes::from(json!({"totalResults": total.into(), "Resources": resources, "nextCursor": next}).to_string())
    }

    fn sweep(paging: Paging) -> Sweep {
        Sweep::new(List { kind: "Users", filter: None, count: 3, paging, proof: true, max: 100 })
    }

    /// Takes the pages in order; the identifiers that were given out, or why not.
    fn run(mut sweep: Sweep, pages: &[Bytes]) -> Result<(Vec<String>, bool), String> {
        let mut ids = Vec::new();
        for page in pages {
            assert!(!sweep.done, "a page too many");
            let fresh = sweep.take_body(page).map_err(|fault| fault.to_string())?.map_err(|Broken(why)| why)?;
            ids.extend(fresh.iter().map(|one| text(one, "id").unwrap().to_owned()));
        }
        Ok((ids, sweep.done))
    }

    fn fails(paging: Paging, pages: &[Bytes], word: &str) {
        let why = run(sweep(paging), pages).unwrap_err();
        assert!(why.contains(word), "{why} has no {word}");
    }

    #[test]
    fn pages_that_join_are_one_list_and_the_end_is_asked_for() {
        let pages = [page(&[1, 2, 3], 5, None), page(&[3, 4, 5], 5, None), page(&[5], 5, None)];
        assert_eq!(
            run(sweep(Paging::Index), &pages).unwrap(),
            (["1", "2", "3", "4", "5"].map(str::to_owned).into(), true)
        );
        assert!(!run(sweep(Paging::Index), &pages[..2]).unwrap().1);
        // Somebody came while it was read.
        let pages = [page(&[1, 2, 3], 4, None), page(&[3, 4], 4, None), page(&[4, 5], 5, None), page(&[5], 5, None)];
        assert_eq!(run(sweep(Paging::Index), &pages).unwrap().0.len(), 5);
        assert_eq!(run(sweep(Paging::Index), &[page(&[], 0, None)]).unwrap(), (Vec::new(), true));
        // No pages at all: the same list again.
        assert!(run(sweep(Paging::Index), &[page(&[1, 2], 2, None), page(&[1, 2], 2, None)]).unwrap().1);
    }

    #[test]
    fn a_list_that_moved_or_lies_is_no_list() {
        let first = || page(&[1, 2, 3], 6, None);
        // One of the first page was deleted, and one came at the end: the count is the same.
        fails(Paging::Index, &[first(), page(&[4, 5, 6], 6, None)], "moved");
        fails(Paging::Index, &[first(), page(&[1, 2, 3], 6, None)], "ignores startIndex");
        fails(Paging::Index, &[first(), page(&[], 6, None)], "ended after 3 of 6");
        fails(Paging::Index, &[first(), page(&[3], 6, None)], "pages of one");
        fails(Paging::Index, &[page(&[], 6, None)], "counts 6, and gave 0");
        fails(Paging::Index, &[page(&[1, 2, 3], 2, None)], "counts 2");
        // It counts the page only.
        fails(Paging::Index, &[page(&[1, 2, 3], 3, None), page(&[3, 4, 5], 3, None)], "counts 3, and gave 5");
        fails(Paging::Index, &[page(&[1, 1], 2, None)], "twice");
        fails(Paging::Index, &[page(&[1], Value::Null, None)], "no totalResults");
    }

    /// What happens to a list between two pages.
    #[derive(Debug, Clone)]
    enum Change {
        Nothing,
        Insert(usize),
        Delete(usize),
        Move(usize, usize),
    }

    fn change() -> impl proptest::strategy::Strategy<Value = Change> {
        use proptest::prelude::*;
        prop_oneof![
            2 => Just(Change::Nothing),
            1 => any::<usize>().prop_map(Change::Insert),
            1 => any::<usize>().prop_map(Change::Delete),
            1 => any::<(usize, usize)>().prop_map(|(from, to)| Change::Move(from, to)),
        ]
    }

    proptest::proptest! {
        #[test]
        fn whoever_was_there_all_the_time_is_in_a_list_that_came_to_its_end(
            users in 0_u32..24,
            most in 2_usize..6,
            changes in proptest::collection::vec(change(), 0..24),
        ) {
            let mut list: Vec<u32> = (0..users).collect();
            let (mut next, mut gone) = (1000, HashSet::new());
            let mut sweep = sweep(Paging::Index);
            let mut changes = changes.into_iter();
            while !sweep.done {
                let At::Index(start) = sweep.at else { unreachable!() };
                let ids: Vec<u32> = list.iter().skip(start - 1).take(most).copied().collect();
                let taken = sweep.take_body(&page(&ids, list.len(), None)).unwrap();
                if let Err(broken) = taken
                    && sweep.begin_again(broken).is_err()
                {
                    return Ok(());
                }
                match changes.next().unwrap_or(Change::Nothing) {
                    Change::Insert(at) => {
                        list.insert(at % (list.len() + 1), next);
                        next += 1;
                    }
                    Change::Delete(at) if !list.is_empty() => {
                        gone.insert(list.remove(at % list.len()));
                    }
                    Change::Move(from, to) if !list.is_empty() => {
                        let moved = list.remove(from % list.len());
                        list.insert(to % (list.len() + 1), moved);
                    }
                    Change::Nothing | Change::Delete(_) | Change::Move(..) => {}
                }
            }
            for id in (0..users).filter(|id| !gone.contains(id)) {
                proptest::prop_assert!(sweep.given.contains(&key(&id.to_string())), "{id} was there and is not in it");
            }
        }
    }

    #[test]
    fn cursors_are_followed_to_the_page_without_one() {
        let pages = [page(&[1, 2], 4, Some("b")), page(&[], 4, Some("c")), page(&[2, 3, 4], 4, None)];
        for paging in [Paging::Cursor, Paging::Index] {
            let (ids, done) = run(sweep(paging), &pages).unwrap();
            assert_eq!((ids.len(), done), (4, true), "{paging:?}");
        }
        assert!(run(sweep(Paging::Cursor), &[page(&[1], Value::Null, None)]).unwrap().1);
        fails(Paging::Cursor, &[page(&[1], 3, None)], "counts 3, and gave 1");
        fails(Paging::Cursor, &[page(&[1], 3, Some("b")), page(&[2], 3, Some("b"))], "itself");
        fails(Paging::Cursor, &[page(&[1], 3, Some("b")), page(&[1], 3, Some("c"))], "circle");
    }

    #[test]
    fn a_new_beginning_gives_out_nothing_twice() {
        let mut sweep = sweep(Paging::Index);
        assert_eq!(sweep.take_body(&page(&[1, 2, 3], 6, None)).unwrap().ok().unwrap().len(), 3);
        let Err(broken) = sweep.take_body(&page(&[4, 5, 6], 6, None)).unwrap() else { panic!("it moved") };
        sweep.begin_again(broken).unwrap();
        assert_eq!(sweep.list.target(&sweep.at), "/Users?count=3&startIndex=1");
        assert_eq!(sweep.take_body(&page(&[2, 3, 4], 5, None)).unwrap().ok().unwrap().len(), 1);
        sweep.begin_again(Broken("x".to_owned())).unwrap();
        assert!(sweep.begin_again(Broken("it moved".to_owned())).unwrap_err().to_string().contains("it moved"));
    }
}
