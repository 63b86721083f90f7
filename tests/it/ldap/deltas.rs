//! Whatever a server says of changes, only what it says in so many words is taken; else everything is read.

use std::collections::VecDeque;

use ldap3_proto::LdapResultCode;
use musterd::sources::PullError;
use musterd::sources::ldap::{Settings, Strategy};
use uuid::Uuid;

use super::changes::{changes, complete, told};
use super::{Pull, Pulled, settings, source};
use crate::harness::fake_ldap::{
    Bind, DirSyncAnswer, Entry, Failure, FakeDirectory, FakeLdap, SyncAnswer, SyncMessage,
};
use crate::harness::slapd::{READER, READER_PASSWORD};

const PEOPLE: &str = "ou=people,dc=example,dc=org";

fn uuid(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

/// A person with the identifiers of OpenLDAP and of 389.
fn person(number: u8) -> Entry {
    let (name, id) = (format!("u{number}"), uuid(number));
    let hex = id.simple().to_string();
    let unique = [&hex[..8], &hex[8..16], &hex[16..24], &hex[24..]].join("-");
    let id = id.to_string();
    let texts = [("objectClass", "inetOrgPerson"), ("uid", &name), ("cn", &name), ("entryUUID", &id)];
    let mut entry = Entry::new(&format!("uid={name},{PEOPLE}"), &texts);
    entry.set("nsUniqueId", &[&unique]);
    entry
}

/// Three people, at a server that answers so to requests for synchronisation.
async fn synchronizing(mut directory: FakeDirectory, answers: Vec<SyncAnswer>) -> FakeLdap {
    directory.entries.extend((1..=3).map(person));
    directory.sync = answers.into();
    directory.binds.insert(READER.to_owned(), Bind::Password(READER_PASSWORD.to_owned()));
    FakeLdap::start(directory).await
}

fn openldap() -> FakeDirectory {
    let mut directory = FakeDirectory::default();
    directory.root.set("objectClass", &["top", "OpenLDAProotDSE"]);
    directory.root.set("supportedControl", &["1.2.840.113556.1.4.319", "1.3.6.1.4.1.4203.1.9.1.1"]);
    directory
}

/// What 389 answers before a complete reading: everybody, and the cookie.
fn ds389_reading() -> Vec<SyncAnswer> {
    let everybody = (1..=3).map(|number| SyncMessage::add(uuid(number), person(number))).collect();
    vec![SyncAnswer::new(everybody, Some("c1"), false)]
}

fn cookie(text: &str) -> SyncAnswer {
    SyncAnswer::new(vec![], Some(text), true)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_389_an_end_that_deletes_everybody_deletes_nobody() {
    let deltas = vec![
        SyncAnswer::new(vec![], Some("c2"), false),
        SyncAnswer::new(vec![], None, false),
        SyncAnswer::new(vec![SyncMessage::add(uuid(2), person(2))], Some("c3"), false),
        // One who is said to be deleted and is there, and one who is not.
        SyncAnswer::new(vec![SyncMessage::ids(vec![uuid(1), uuid(9)], true)], Some("c4"), false),
    ];
    let fake = synchronizing(FakeDirectory::ds389(), [ds389_reading(), deltas].concat()).await;
    let source = source(settings(&fake.url(), None));
    let mut last = source.pull().await.unwrap();
    assert_eq!(last.users.len(), 3, "{last:?}");
    for (users, gone) in [(vec![], 0), (vec![], 0), (vec!["u2"], 0), (vec!["u1"], 1)] {
        last = changes(&source, &last).await;
        assert_eq!(told(&last), (users, gone));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_present_is_no_word_on_who_is_not() {
    let present = || SyncMessage::ids(vec![uuid(1)], false);
    let of_openldap = [
        SyncAnswer::new(vec![present()], Some("c2"), false),
        // Everybody left has changed, so nobody is said to be present.
        SyncAnswer::new(vec![SyncMessage::add(uuid(1), person(1))], Some("c2"), false),
        SyncAnswer::new(vec![], Some("c2"), false),
        // It knows no such cookie.
        SyncAnswer::new(vec![SyncMessage::add(uuid(1), person(1))], Some(""), true),
        SyncAnswer::failing(LdapResultCode::UnwillingToPerform),
        SyncAnswer::failing(LdapResultCode::UnavailableCriticalExtension),
        SyncAnswer::failing(LdapResultCode::EsyncRefreshRequired),
    ];
    for answer in of_openldap {
        let fake = synchronizing(openldap(), vec![cookie("c1"), answer.clone(), cookie("c3"), cookie("c3")]).await;
        let source = source(settings(&fake.url(), None));
        let before = source.pull().await.unwrap();
        let after = complete(&source, &before).await;
        assert_eq!(after.users.len(), 3, "{answer:?}");
        assert_eq!(told(&changes(&source, &after).await), (vec![], 0));
    }
    for answer in
        [SyncAnswer::new(vec![present()], Some("c2"), false), SyncAnswer::failing(LdapResultCode::EsyncRefreshRequired)]
    {
        let fake =
            synchronizing(FakeDirectory::ds389(), [ds389_reading(), vec![answer], ds389_reading()].concat()).await;
        let source = source(settings(&fake.url(), None));
        let before = source.pull().await.unwrap();
        assert_eq!(complete(&source, &before).await.users.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_the_administrators_does_not_hide_a_present_phase() {
    let changed = SyncAnswer::new(vec![SyncMessage::add(uuid(1), person(1))], Some("c2"), false);
    let fake = synchronizing(openldap(), vec![cookie("c1"), changed, cookie("c3")]).await;
    let disabled_when = Some("(uid=u2)".to_owned());
    let source = source(Settings { disabled_when, ..settings(&fake.url(), None) });
    let before = source.pull().await.unwrap();
    assert_eq!(complete(&source, &before).await.users.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_not_read_by_an_identifier_that_deletions_do_not_name() {
    let fake = synchronizing(openldap(), vec![cookie("c1")]).await;
    let by_name = Settings {
        id_attribute: Some("uid".to_owned()),
        strategy: Some(Strategy::Syncrepl),
        ..settings(&fake.url(), None)
    };
    let pulled = source(by_name).pull().await.unwrap();
    assert!(pulled.read.how.contains("not identified by entryUUID"), "{}", pulled.read.how);
    assert!(pulled.read.next.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_cookie_is_never_kept() {
    let fake = synchronizing(openldap(), vec![cookie("")]).await;
    let pulled = source(settings(&fake.url(), None)).pull().await.unwrap();
    assert!(pulled.read.how.contains("refused: syncrepl: the server gives no cookie"), "{}", pulled.read.how);
    assert!(pulled.read.next.is_none_or(|next| !next.0.contains("syncrepl")));
    let everybody = SyncAnswer::new(vec![SyncMessage::add(uuid(1), person(1))], Some(""), false);
    let fake = synchronizing(FakeDirectory::ds389(), vec![everybody]).await;
    let pulled = source(settings(&fake.url(), None)).pull().await.unwrap();
    assert!(pulled.read.how.contains("refused: syncrepl: the server gives no cookie"), "{}", pulled.read.how);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_cut_is_an_error_and_gives_no_bookmark() {
    for (code, word) in [(LdapResultCode::Busy, "busy"), (LdapResultCode::SizeLimitExceeded, "size limit")] {
        let failure = |after| Failure { after, code: code.clone(), message: String::new() };
        // Of the changes.
        let fake = synchronizing(openldap(), vec![cookie("c1"), cookie("c2")]).await;
        let source = source(settings(&fake.url(), None));
        let before = source.pull().await.unwrap();
        let asked = fake.take_searches().len();
        fake.change(|directory| directory.failures.insert(asked + 1, failure(0)));
        match source.since(&before).await {
            Err(PullError::Incomplete { why, .. }) => assert!(why.contains(word), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(told(&changes(&source, &before).await), (vec![], 0), "the next one goes on from the same place");
        // Of everything.
        let fake = synchronizing(FakeDirectory::ds389(), ds389_reading()).await;
        // Before it come the questions whether it is FreeIPA and whether it synchronizes.
        fake.change(|directory| directory.failures.insert(3, failure(2)));
        match super::source(settings(&fake.url(), None)).pull().await {
            Err(PullError::Incomplete { why, .. }) => assert!(why.contains(word), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

/// A user of Active Directory.
fn account(number: u8) -> Entry {
    let (name, usn) = (format!("u{number}"), (100 + u32::from(number)).to_string());
    let texts = [
        ("objectClass", "user"),
        ("objectCategory", "person"),
        ("sAMAccountName", &name),
        ("displayName", &name),
        ("uSNChanged", &usn),
        ("userAccountControl", "512"),
    ];
    Entry::new(&format!("CN={name},OU=People,DC=example,DC=test"), &texts)
        .with("objectGUID", vec![vec![0xf0 | number; 16]])
}

async fn active_directory(dirsync: Vec<DirSyncAnswer>) -> (FakeLdap, Settings) {
    let mut directory = FakeDirectory::active_directory();
    directory.entries.extend((1..=3).map(account));
    directory.dirsync = VecDeque::from(dirsync);
    directory.binds.insert(READER.to_owned(), Bind::Password(READER_PASSWORD.to_owned()));
    let fake = FakeLdap::start(directory).await;
    let settings = Settings { base_dn: "OU=People,DC=example,DC=test".to_owned(), ..settings(&fake.url(), None) };
    (fake, settings)
}

fn round(entries: Vec<Entry>, cookie: &str, more: bool) -> DirSyncAnswer {
    DirSyncAnswer { more, ..DirSyncAnswer::last(entries, cookie) }
}

#[tokio::test(flavor = "multi_thread")]
async fn dirsync_goes_on_until_there_is_no_more() {
    let marked = vec![round(vec![], "m1", true), round(vec![], "m2", false)];
    let only_changed = |number: u8| {
        let entry = account(number);
        Entry::new(&entry.dn, &[]).with("objectGUID", vec![vec![0xf0 | number; 16]])
    };
    let told_in_rounds =
        vec![round(vec![only_changed(1)], "d1", true), round(vec![only_changed(3), only_changed(9)], "d2", false)];
    let (_fake, settings) = active_directory([marked, told_in_rounds].concat()).await;
    let source = source(settings);
    let before = source.pull().await.unwrap();
    assert!(before.read.how.contains("changes by dirsync"), "{}", before.read.how);
    let after = changes(&source, &before).await;
    assert_eq!(told(&after), (vec!["u1", "u3"], 1));
    assert_ne!(after.read.next, before.read.next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_cookie_of_dirsync_and_an_empty_one_make_the_reading_a_complete_one() {
    let refused = [
        DirSyncAnswer::failing(LdapResultCode::UnavailableCriticalExtension),
        DirSyncAnswer::failing(LdapResultCode::InsufficentAccessRights),
        round(vec![], "", false),
    ];
    for answer in refused {
        let (_fake, settings) =
            active_directory(vec![round(vec![], "m", false), answer, round(vec![], "n", false)]).await;
        let source = source(settings);
        let before = source.pull().await.unwrap();
        let after = complete(&source, &before).await;
        assert_eq!(after.users.len(), 3);
        assert!(after.read.next.is_some() && after.read.next != before.read.next);
    }
    // Without DirSync the numbers of changes are left.
    let (_fake, settings) = active_directory(vec![]).await;
    let pulled = source(settings).pull().await.unwrap();
    assert!(
        pulled.read.how.contains("changes by usn") && pulled.read.how.contains("refused: dirsync"),
        "{}",
        pulled.read.how
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_another_controller_or_of_another_life_of_it_are_worth_nothing() {
    let settings_of = |settings: Settings| Settings { strategy: Some(Strategy::Usn), ..settings };
    let (fake, settings) = active_directory(vec![]).await;
    let source = source(settings_of(settings));
    let before = source.pull().await.unwrap();
    assert_eq!(told(&changes(&source, &before).await), (vec![], 0));
    let usn = |number: &'static str| {
        move |directory: &mut FakeDirectory| {
            directory.entry("CN=u2,OU=People,DC=example,DC=test").set("uSNChanged", &[number])
        }
    };
    fake.change(usn("1001"));
    assert_eq!(told(&changes(&source, &before).await), (vec!["u2"], 0));
    let service = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default,CN=Sites,CN=Configuration,DC=example,DC=test";
    fake.change(|directory| {
        *directory.entry(service) = Entry::new(service, &[]).with("invocationId", vec![vec![0xd2; 16]])
    });
    let after: Pulled = complete(&source, &before).await;
    assert!(after.read.how.contains("restored"), "{}", after.read.how);
    assert_eq!(told(&changes(&source, &after).await).1, 0);
}

async fn with_group(members: usize) -> (FakeLdap, Settings) {
    let (fake, settings) = active_directory(vec![]).await;
    let names = (0..members).map(|number| format!("CN=m{number},DC=example,DC=test").into_bytes()).collect();
    let texts = [("objectClass", "group"), ("objectCategory", "group"), ("cn", "big")];
    let group = Entry::new("CN=big,OU=Groups,DC=example,DC=test", &texts);
    let group = group.with("objectGUID", vec![vec![0xe1; 16]]).with("member", names);
    fake.change(|directory| directory.entries.push(group));
    let group_base_dn = Some("OU=Groups,DC=example,DC=test".to_owned());
    (fake, Settings { groups: true, group_base_dn, ..settings })
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_read_range_by_range_and_a_range_without_an_end_is_an_error() {
    for count in [1500, 1501, 4000] {
        let (_fake, settings) = with_group(count).await;
        let pulled = source(settings).pull().await.unwrap();
        let mut members: Vec<_> = pulled.group("big").members.iter().map(|member| format!("{member:?}")).collect();
        members.sort_unstable();
        members.dedup();
        assert_eq!(members.len(), count);
    }
    let (fake, settings) = with_group(4000).await;
    fake.change(|directory| directory.stuck_ranges = true);
    match source(settings).pull().await {
        Err(PullError::Incomplete { why, .. }) => assert!(why.contains("do not come to an end"), "{why}"),
        other => panic!("{other:?}"),
    }
}
