//! Changes by `meta.lastModified`: little is read, nobody is absent for not being in it, and a service that does not
//! filter as it says is read whole.

use musterd::base::clock::Clock;
use musterd::sources::Extent;
use musterd::sources::scim_pull::{ScimSource, Settings};
use serde_json::json;

use super::{pull, settings, since, source};
use crate::harness::fake_scim::{FakeScim, Filters, Service, group, touch, user};

fn service(users: usize) -> FakeScim {
    let fake = FakeScim::start(Service::with_users(users));
    fake.change(|service| {
        service.groups.push(group("g1", "Tech", &["ID-1"]));
        // The latest change; what else there is is older.
        touch(&mut service.users[0], "2026-11-20T10:00:00Z", "title", json!("x"));
        touch(&mut service.groups[0], "2026-11-20T10:00:00Z", "title", json!("x"));
    });
    fake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_of_changes_reads_what_changed_and_nothing_else() {
    let fake = service(250);
    let source = source(settings(&fake));
    let first = pull(&source).await.unwrap();
    assert_eq!(first.read.extent, Extent::Everything);
    assert!(first.read.how.contains("then changes by meta.lastModified"), "{}", first.read.how);
    fake.change(|service| {
        touch(&mut service.users[99], "2026-11-21T10:00:00.5Z", "displayName", json!("Ada"));
        touch(&mut service.groups[0], "2026-11-21T10:00:00Z", "displayName", json!("Techs"));
        service.users.pop();
    });
    fake.take();
    let second = since(&source, &first).await.unwrap();
    assert_eq!(second.read.extent, Extent::Changes);
    assert_eq!(second.usernames(), ["u0001", "u0100"]);
    assert_eq!((second.groups.len(), second.groups[0].name.as_str()), (1, "Techs"));
    let targets = fake.take_targets();
    let filter = "filter=meta.lastModified ge \"2026-11-20T09:5";
    assert!(targets.len() == 2 && targets.iter().all(|target| target.contains(filter)), "{targets:?}");
    // Nothing more: the bookmark comes to rest, so that a quiet service costs no commit.
    let third = since(&source, &second).await.unwrap();
    let fourth = since(&source, &third).await.unwrap();
    assert_eq!(third.usernames(), ["u0100"]);
    assert_eq!(third.read.next, fourth.read.next);
    let filtered = super::source(Settings { user_filter: Some("active eq true".to_owned()), ..settings(&fake) });
    let again = since(&filtered, &fourth).await.unwrap();
    assert_eq!(again.read.extent, Extent::Everything, "the filter is another one");
    fake.take();
    since(&filtered, &again).await.unwrap();
    let targets = fake.take_targets();
    assert!(targets[0].contains("filter=(active eq true) and meta.lastModified ge"), "{targets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_filter_is_read_whole_and_asked_again_a_day_later() {
    for (filters, why) in [
        (Filters::AreRefused, "does not filter by meta.lastModified"),
        (Filters::AreIgnored, "ignores filters"),
        (Filters::FindNothing, "not found by its time"),
    ] {
        let fake = service(150);
        fake.change(|service| service.filters = filters);
        let source = source(settings(&fake));
        let mut last = pull(&source).await.unwrap();
        // What changed last may have been deleted: nothing found once proves nothing.
        let tries = if filters == Filters::FindNothing { 2 } else { 1 };
        for _ in 0..tries {
            last = since(&source, &last).await.unwrap();
            assert_eq!((last.read.extent, last.users.len()), (Extent::Everything, 150));
            assert!(last.read.how.contains(why), "{}", last.read.how);
        }
        fake.take();
        last = since(&source, &last).await.unwrap();
        assert_eq!((last.read.extent, last.users.len()), (Extent::Everything, 150));
        assert!(!fake.take_targets().iter().any(|target| target.contains("filter=")), "it is remembered");
        let later = Clock::manual("2026-11-24T12:00:01Z".parse().unwrap());
        let source = ScimSource::new(settings(&fake), later).unwrap();
        fake.change(|service| service.filters = Filters::Work);
        let tomorrow = since(&source, &last).await.unwrap();
        assert_eq!(since(&source, &tomorrow).await.unwrap().read.extent, Extent::Changes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_last_and_was_deleted_brings_a_complete_reading() {
    let fake = service(150);
    let source = source(settings(&fake));
    let first = pull(&source).await.unwrap();
    fake.change(|service| drop(service.users.remove(0)));
    let second = since(&source, &first).await.unwrap();
    assert_eq!((second.read.extent, second.users.len()), (Extent::Everything, 149));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_in_the_future_hides_no_change_and_no_time_at_all_means_whole_readings() {
    let fake = service(3);
    fake.change(|service| touch(&mut service.users[1], "2126-01-01T00:00:00Z", "title", json!("x")));
    let source = source(settings(&fake));
    let first = pull(&source).await.unwrap();
    // After the daemon's own now, 2026-11-23T12:00:00Z.
    fake.change(|service| touch(&mut service.users[2], "2026-11-23T12:30:00Z", "title", json!("y")));
    assert!(since(&source, &first).await.unwrap().usernames().contains(&"u0003"));
    fake.change(|service| service.users[0]["meta"] = json!({}));
    let untold = pull(&source).await.unwrap();
    assert!(untold.read.how.contains("tells no meta.lastModified"), "{}", untold.read.how);
    fake.change(|service| service.config = json!({"filter": {"supported": false}}));
    let said = pull(&source).await.unwrap();
    assert!(said.read.how.contains("says that it does not filter"), "{}", said.read.how);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_proves_that_nothing_is_new_and_nothing_else() {
    let fake = service(50);
    fake.change(|service| service.has_etags = true);
    let source = source(Settings { changes: false, ..settings(&fake) });
    let first = pull(&source).await.unwrap();
    fake.take();
    let second = since(&source, &first).await.unwrap();
    assert_eq!((second.read.extent, second.users.len()), (Extent::Changes, 0));
    assert_eq!(second.read.next, first.read.next);
    assert!(fake.take().iter().all(|asked| asked.if_none_match.starts_with("W/")));
    fake.change(|service| service.groups[0]["displayName"] = json!("Techs"));
    let third = since(&source, &second).await.unwrap();
    assert_eq!((third.read.extent, third.users.len(), third.groups.len()), (Extent::Everything, 50, 1));
    // Lists of several pages have no validator of the whole.
    fake.change(|service| service.users.extend((200..300).map(user)));
    let long = pull(&source).await.unwrap();
    assert_eq!(since(&source, &long).await.unwrap().users.len(), 150);
}
