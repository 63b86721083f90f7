//! A list is read to an end that is proved, or the reading is no reading.

use musterd::base::id::ExternalId;
use musterd::sources::Source;
use musterd::sources::scim_pull::{Paging, Settings};
use serde_json::json;

use super::{incomplete, pull, settings, source};
use crate::harness::fake_scim::{FakeScim, Reply, Service, user};

fn with_users(count: usize) -> FakeScim {
    FakeScim::start(Service::with_users(count))
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_read_by_index_and_by_cursor() {
    let fake = with_users(250);
    for paging in [None, Some(Paging::Cursor)] {
        let pulled = pull(&source(Settings { paging, ..settings(&fake) })).await.unwrap();
        assert_eq!((pulled.users.len(), pulled.skipped.len()), (250, 0));
    }
    let user = pull(&source(settings(&fake))).await.unwrap().users.remove(6);
    assert_eq!((user.username.as_str(), user.name.as_str()), ("u0007", "User u0007"));
    assert_eq!((user.external_id.as_str(), user.label.as_str()), ("ID-7", "id=%49%44-7,Users"));
    let targets = fake.take_targets();
    assert!(targets.iter().any(|target| target == "/v2/Users?count=100&startIndex=100"), "{targets:?}");
    assert!(targets.iter().any(|target| target == "/v2/Users?count=100&cursor=at-200"), "{targets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_offers_cursors_is_read_by_them_and_one_that_caps_pages_all_the_same() {
    let fake = with_users(120);
    fake.change(|service| {
        service.config = json!({"pagination": {"cursor": true, "index": true}});
        service.page_max = 50;
    });
    assert_eq!(pull(&source(settings(&fake))).await.unwrap().users.len(), 120);
    assert!(fake.take_targets().iter().any(|target| target.contains("cursor=at-50")));
    fake.change(|service| service.config = json!(null));
    assert_eq!(pull(&source(settings(&fake))).await.unwrap().users.len(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lies_about_its_length_is_no_reading() {
    let fake = with_users(150);
    for (total, word) in [(json!(null), "no totalResults"), (json!(160), "of 160"), (json!(100), "counts 100")] {
        fake.change(|service| service.total = Some(total));
        let why = incomplete(settings(&fake)).await;
        assert!(why.contains(word), "{why} has no {word}");
    }
    fake.change(|service| service.total = Some(json!(160)));
    let why = incomplete(Settings { paging: Some(Paging::Cursor), ..settings(&fake) }).await;
    assert!(why.contains("counts 160, and gave 150"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ignores_start_index_ends_the_reading_and_never_turns_in_circles() {
    let fake = with_users(150);
    fake.change(|service| service.ignores_start = true);
    let why = incomplete(settings(&fake)).await;
    assert!(why.contains("ignores startIndex"), "{why}");
    assert!(fake.take().len() < 20);
    // One that knows no pages and gives everything at once is fine.
    let all = pull(&source(Settings { page_size: 1000, ..settings(&fake) })).await.unwrap();
    assert_eq!(all.users.len(), 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_moves_while_it_is_read_is_read_again() {
    let fake = with_users(250);
    fake.change(|service| {
        service.before_list.push_back(Box::new(|_| ()));
        // The count stays what it was: only that pages do not join any more shows it.
        service.before_list.push_back(Box::new(|service| {
            service.users.remove(4);
            service.users.push(user(900));
        }));
    });
    let pulled = pull(&source(settings(&fake))).await.unwrap();
    assert!(pulled.users.iter().any(|user| user.username == "u0101"), "it had moved to the page before");
    assert!(pulled.users.iter().any(|user| user.username == "u0900"));
    let mut names = pulled.usernames();
    names.dedup();
    assert_eq!(names.len(), pulled.users.len(), "nobody is given out twice");
    fake.change(|service| {
        for _ in 0..20 {
            service.before_list.push_back(Box::new(|service| service.users.rotate_left(7)));
        }
    });
    let why = incomplete(settings(&fake)).await;
    assert!(why.contains("moved while it was read"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_expired_begins_the_list_again() {
    let fake = with_users(250);
    let expired = || Reply::error(400, "expiredCursor", "too slow");
    fake.reply("cursor=at-100", expired());
    let by_cursor = || Settings { paging: Some(Paging::Cursor), ..settings(&fake) };
    let pulled = pull(&source(by_cursor())).await.unwrap();
    assert_eq!(pulled.users.len(), 250);
    for _ in 0..3 {
        fake.reply("cursor=at-100", expired());
    }
    let why = incomplete(by_cursor()).await;
    assert!(why.contains("too slow"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_user_is_skipped_and_told() {
    let fake = with_users(3);
    fake.change(|service| {
        service.users[0].as_object_mut().unwrap().remove("userName");
        service.users[1].as_object_mut().unwrap().remove("id");
        service.users[2]["active"] = json!(false);
    });
    let pulled = pull(&source(settings(&fake))).await.unwrap();
    assert_eq!(pulled.skipped.iter().filter(|skipped| skipped.external_id.is_none()).count(), 1);
    assert_eq!(pulled.skipped.len(), 2, "{:?}", pulled.skipped);
    assert!(pulled.users[0].disabled.is_some());
    let few = Settings { max_entries: 2, ..settings(&fake) };
    assert!(incomplete(few).await.contains("max_entries"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_for_users_goes_to_the_service() {
    let fake = with_users(30);
    let filter = "userName eq \"u0007\" or userName eq \"u0008\"";
    let source = source(Settings { user_filter: Some(filter.to_owned()), ..settings(&fake) });
    assert_eq!(pull(&source).await.unwrap().usernames(), ["u0007", "u0008"]);
    let look_up = async |id: &str| {
        let id = ExternalId::parse(id).unwrap();
        source.look_up(&id).await.unwrap().map(|user| user.username)
    };
    assert_eq!(look_up("ID-7").await.as_deref(), Some("u0007"));
    assert_eq!((look_up("ID-9").await, look_up("ID-99").await), (None, None));
}
