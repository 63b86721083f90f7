//! The trail grows, is searched, proved and cut.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::base::clock::Clock;
use crate::base::id::SourceId;
use crate::base::id::UserId;
use crate::base::rng::Rng;
use crate::directory::audit::Actor;
use crate::store::Store;

fn store() -> Store {
    Store::in_memory(Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(1)).unwrap()
}

async fn write(store: &Store, lines: usize) {
    let write = store.write(move |tx: &mut Tx<'_>| {
        for _ in 0..lines {
            append(tx, &Author::system("test"), Entry::new("test.happened", Target::Directory))?;
        }
        Ok::<_, StoreError>(())
    });
    write.await.unwrap();
}

fn seqs(found: &Found) -> Vec<u64> {
    found.lines.iter().map(|line| line.seq).collect()
}

fn pages(store: &Store) -> usize {
    store.view().scan(&KeyRange::prefix(&Space::Audit.key(&[])), Order::Ascending, usize::MAX).unwrap().len()
}

#[tokio::test]
async fn the_trail_counts_up_and_lists_newest_first() {
    let store = store();
    for _ in 0..3 {
        write(&store, 1).await;
    }
    let all = Query::default();
    let found = list(&store.view(), &all, None, 2).unwrap();
    assert_eq!((seqs(&found), found.before), (vec![3, 2], Some(2)));
    let rest = list(&store.view(), &all, Some(2), 9).unwrap();
    assert_eq!((seqs(&rest), rest.before), (vec![1], None));
    assert_eq!(verify(&store.view()), Ok(3));
}

#[tokio::test]
async fn lines_share_pages_however_they_come() {
    let store = store();
    for lines in [1, 1, 200, 1, 1, 500, 3] {
        write(&store, lines).await;
    }
    assert_eq!(verify(&store.view()), Ok(707));
    assert!(pages(&store) < 10, "{}", pages(&store));
    let found = list(&store.view(), &Query::default(), None, 1_000).unwrap();
    assert_eq!(seqs(&found), (1..=707).rev().collect::<Vec<_>>());
    for before in [1, 2, 64, 65, 66, 203, 204, 500] {
        let found = list(&store.view(), &Query::default(), Some(before), 1_000).unwrap();
        assert_eq!(found.lines.len(), usize::try_from(before).unwrap() - 1, "before {before}");
    }
}

#[tokio::test]
async fn a_rule_that_fails_leaves_no_line() {
    let store = store();
    let failed = store.write(|tx: &mut Tx<'_>| {
        append(tx, &Author::system("test"), Entry::new("test.happened", Target::Directory))?;
        let tried: Result<(), StoreError> = tx.attempt(|tx| {
            append(tx, &Author::system("test"), Entry::new("test.tried", Target::Directory))?;
            Err(StoreError::Stopped)
        });
        assert!(tried.is_err());
        Ok::<_, StoreError>(())
    });
    failed.await.unwrap();
    let failed: Result<(), StoreError> = store
        .write(|tx: &mut Tx<'_>| {
            append(tx, &Author::system("test"), Entry::new("test.failed", Target::Directory))?;
            Err(StoreError::Stopped)
        })
        .await;
    assert!(failed.is_err());
    let found = list(&store.view(), &Query::default(), None, 9).unwrap();
    assert_eq!(found.lines.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["test.happened"]);
}

#[tokio::test]
async fn lines_are_found_by_user_author_action_and_time() {
    let store = store();
    let corp = Actor::Source { id: SourceId::parse("corp").unwrap(), run: None };
    let ada = UserId::new(store.clock().now(), store.rng());
    for day in 0..300 {
        let corp = corp.clone();
        let entry = store.write(move |tx: &mut Tx<'_>| {
            let author = if day == 70 { Author::of(corp.clone()) } else { Author::system("test") };
            let target = Target::User {
                id: if day % 100 == 7 { ada } else { UserId::new(tx.now(), tx.rng()) },
                username: "u".to_owned(),
            };
            let action = if day == 123 { "user.disabled" } else { "user.changed" };
            append(tx, &author, Entry::new(action, target))?;
            append(tx, &author, Entry::new("group.changed", Target::Directory))
        });
        entry.await.unwrap();
        store.clock().advance(SignedDuration::from_hours(24));
    }
    let count = |query: Query| list(&store.view(), &query, None, 1_000).unwrap().lines.len();
    let at = |day: i64| Timestamp::from_second(1_000_000 + day * 86_400).unwrap();
    assert_eq!(count(Query { user: Some(ada), ..Query::default() }), 3);
    assert_eq!(count(Query { actor: Some(Wanted::actor(&corp)), ..Query::default() }), 2);
    assert_eq!(count(Query { action: Some("user.disabled".to_owned()), ..Query::default() }), 1);
    assert_eq!(count(Query { action: Some("user.*".to_owned()), ..Query::default() }), 300);
    assert_eq!(count(Query { since: Some(at(10)), until: Some(at(20)), ..Query::default() }), 20);
    assert_eq!(count(Query { user: Some(ada), since: Some(at(100)), ..Query::default() }), 2);
    let mut shown = 0;
    each(&store.view(), &Query { user: Some(ada), ..Query::default() }, |_| {
        shown += 1;
        Ok::<_, StoreError>(true)
    })
    .unwrap();
    assert_eq!(shown, 3);
}

#[tokio::test]
async fn a_changed_removed_or_cut_line_is_found() {
    for damage in 0..5 {
        let store = store();
        write(&store, 300).await;
        let harm = store.write(move |tx: &mut Tx<'_>| {
            let first = page::key(1);
            let row = (first.clone(), tx.get(&first)?.unwrap());
            let mut lines = Page::read(&row)?.lines()?;
            match damage {
                0 => lines[5]["action"] = "nothing.happened".into(),
                1 => drop(lines.remove(5)),
                2 => lines.swap(5, 6),
                _ => {}
            }
            let last = tx.scan(&KeyRange::prefix(&Space::Audit.key(&[])), Order::Descending, 1)?.pop().unwrap().0;
            match damage {
                3 => tx.remove(last),
                4 => tx.remove(first),
                _ => tx.put(first, page::encode_lines(&lines)?),
            }
            Ok::<_, StoreError>(())
        });
        harm.await.unwrap();
        assert!(verify(&store.view()).is_err(), "damage {damage}");
    }
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_goes_and_the_rest_stays_provable() {
    let store = store();
    for _ in 0..20 {
        write(&store, 100).await;
        store.clock().advance(SignedDuration::from_hours(24));
    }
    let before = Timestamp::from_second(1_000_000 + 10 * 86_400).unwrap();
    let dropped = store.write(move |tx: &mut Tx<'_>| trim(tx, &Author::system("test"), before)).await.unwrap();
    assert!((900..=1_000).contains(&dropped), "{dropped}");
    assert_eq!(verify(&store.view()), Ok(2_001 - dropped));
    let again = store.write(move |tx: &mut Tx<'_>| trim(tx, &Author::system("test"), before)).await.unwrap();
    assert_eq!(again, 0);
    let newest = &list(&store.view(), &Query::default(), None, 1).unwrap().lines[0];
    assert_eq!((newest.action.as_str(), &newest.details["lines"]), ("audit.trimmed", &dropped.into()));
    let all = store.write(|tx: &mut Tx<'_>| trim(tx, &Author::system("test"), Timestamp::MAX)).await.unwrap();
    assert!(all > 0);
    assert!(verify(&store.view()).unwrap() > 0, "the last page stays");
}

#[test]
fn only_what_differs_is_a_change() {
    let old = serde_json::json!({"a": 1, "b": 2, "r": 1});
    let new = serde_json::json!({"a": 1, "c": 3, "r": 2});
    let changes = differences(&old, &new, &["r"]);
    assert_eq!(changes.iter().map(|c| c.attribute.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}
