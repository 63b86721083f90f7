//! The fake server answers as servers do, and as no server should.

use ldap3::controls::{Control, ControlType, MakeCritical, RawControl, RefreshMode, SyncDone, SyncRequest, SyncState};
use ldap3::{LdapConnAsync, Scope, SearchEntry};
use ldap3_proto::LdapResultCode;
use ldap3_proto::control::LdapControl;
use musterd::sources::PullError;
use musterd::sources::ldap::{Settings, Strategy};
use uuid::Uuid;

use super::{Pull, settings, source, verdict};
use crate::harness::fake_ldap::{
    Bind, DirSyncAnswer, Entry, Failure, FakeDirectory, FakeLdap, SyncAnswer, SyncMessage,
};
use crate::harness::slapd::{READER, READER_PASSWORD};

const PEOPLE: &str = "ou=people,dc=example,dc=org";

fn person(number: usize) -> Entry {
    let name = format!("u{number:07}");
    let id = Uuid::from_u128(u128::try_from(number).unwrap()).to_string();
    let texts = [("objectClass", "inetOrgPerson"), ("uid", &name), ("cn", &name), ("entryUUID", &id)];
    Entry::new(&format!("uid={name},{PEOPLE}"), &texts)
}

/// A server of no kind with users, one of whom has a password.
async fn with_users(count: usize) -> FakeLdap {
    let mut directory = FakeDirectory { entries: (1..=count).map(person).collect(), ..FakeDirectory::default() };
    directory.binds.insert(READER.to_owned(), Bind::Password(READER_PASSWORD.to_owned()));
    directory.binds.insert(format!("uid=u0000001,{PEOPLE}"), Bind::Password("pw-1".to_owned()));
    FakeLdap::start(directory).await
}

fn plain(fake: &FakeLdap) -> Settings {
    Settings { strategy: Some(Strategy::Full), ..settings(&fake.url(), None) }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_read_in_pages_and_bound() {
    let fake = with_users(1200).await;
    fake.change(|directory| directory.size_limit = Some(1000));
    let source = source(Settings { page_size: 500, ..plain(&fake) });
    assert_eq!(source.pull().await.unwrap().users.len(), 1200);
    let searches = fake.take_searches();
    assert_eq!(searches.len(), 3, "{searches:?}");
    assert!(matches!(searches[1].1[..], [LdapControl::SimplePagedResults { size: 500, .. }]), "{searches:?}");
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    assert_eq!(verdict(&source, "u0000001", "pw-2").await.0, "wrong");
    fake.change(|directory| {
        let refused = Bind::Result(LdapResultCode::UnwillingToPerform, "Account inactivated".to_owned());
        directory.binds.insert(format!("uid=u0000002,{PEOPLE}"), refused);
        directory.entry(&format!("uid=u0000003,{PEOPLE}")).set("cn", &["Ada"]);
    });
    assert_ne!(verdict(&source, "u0000002", "pw-2").await.0, "accepted");
    let pulled = source.pull().await.unwrap();
    assert!(pulled.users.iter().any(|user| user.name == "Ada"));
    assert!(fake.take_requests().iter().any(|request| request.connection > 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_wrong_where_it_is_told_to() {
    let fake = with_users(700).await;
    fake.change(|directory| {
        let failure =
            Failure { after: 3, code: LdapResultCode::AdminLimitExceeded, message: "look-through".to_owned() };
        directory.failures.insert(2, failure);
    });
    let settings = Settings { page_size: 500, ..plain(&fake) };
    match source(settings.clone()).pull().await {
        Err(PullError::Incomplete { read: 503, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(source(settings).pull().await.unwrap().users.len(), 700, "the next searches have other numbers");
    fake.change(|directory| directory.delay = std::time::Duration::from_secs(3));
    let hasty = source(Settings { login_timeout: std::time::Duration::from_millis(300), ..plain(&fake) });
    assert_eq!(verdict(&hasty, "u0000001", "pw-1").await.0, "unavailable");
}

/// An entry of Active Directory with bytes for a GUID.
fn account(number: u8) -> Entry {
    let (name, usn) = (format!("u{number}"), (1000 + u32::from(number)).to_string());
    let dn = format!("CN={name},OU=People,DC=example,DC=test");
    let texts =
        [("objectClass", "user"), ("sAMAccountName", &name), ("uSNChanged", &usn), ("userAccountControl", "514")];
    Entry::new(&dn, &texts).with("objectGUID", vec![vec![0xf0 | number; 16]])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_directory_has_guids_ranges_rules_and_a_limit() {
    let mut directory = FakeDirectory::active_directory();
    directory.entries.extend((1..=5).map(account));
    let members = (0..3200).map(|number| format!("CN=m{number},DC=example,DC=test").into_bytes()).collect();
    let group = Entry::new("CN=big,DC=example,DC=test", &[("objectClass", "group")]).with("member", members);
    directory.entries.push(group);
    directory.entries.extend((0..1100).map(|number| Entry::new(&format!("OU=x{number},DC=example,DC=test"), &[])));
    directory.on_connect.push_back(Box::new(|directory| directory.root.set("highestCommittedUSN", &["7"])));
    directory.binds.insert("a@example.test".to_owned(), Bind::refused("533"));
    let fake = FakeLdap::start(directory).await;
    let (connection, mut ldap) = LdapConnAsync::new(&fake.url()).await.unwrap();
    ldap3::drive!(connection);
    assert!(ldap.simple_bind("a@example.test", "x").await.unwrap().text.contains("data 533"));
    let mut count = async |base: &str, filter: &str| {
        ldap.search(base, Scope::Subtree, filter, vec!["1.1"]).await.unwrap().success().unwrap().0.len()
    };
    let base = "dc=example, dc=TEST";
    let guid = r"\f3".repeat(16);
    for (filter, expected) in [
        (format!("(objectGUID={guid})"), 1),
        ("(&(objectClass=user)(!(sAMAccountName=u3)))".to_owned(), 4),
        ("(uSNChanged>=1004)".to_owned(), 2),
        ("(|(sAMAccountName=U1)(sAMAccountName=*2))".to_owned(), 2),
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)".to_owned(), 5),
        ("(member:1.2.840.113556.1.4.1941:=cn=m3199,dc=example,dc=test)".to_owned(), 1),
        ("(mail=*)".to_owned(), 0),
    ] {
        assert_eq!(count(base, &filter).await, expected, "{filter}");
    }
    assert_eq!(count(&format!("<GUID={}>", "f3".repeat(16)), "(objectClass=*)").await, 1);
    let all = ldap.search(base, Scope::Subtree, "(objectClass=*)", vec!["1.1"]).await.unwrap();
    assert_eq!((all.0.len(), all.1.rc), (1000, 4));
    let root = ldap.search("", Scope::Base, "(objectClass=*)", vec!["highestCommittedUSN"]).await.unwrap().0;
    assert_eq!(SearchEntry::construct(root[0].clone()).attrs["highestCommittedUSN"], ["7"]);
    for (asked, given, values) in [
        ("member", "member;range=0-1499", 1500),
        ("member;range=1500-*", "member;range=1500-2999", 1500),
        ("member;range=3000-*", "member;range=3000-*", 200),
    ] {
        let found = ldap.search("CN=big,DC=example,DC=test", Scope::Base, "(objectClass=*)", vec![asked]).await;
        let entry = SearchEntry::construct(found.unwrap().0.remove(0));
        assert_eq!(entry.attrs.get(given).map(Vec::len), Some(values), "{asked}: {:?}", entry.attrs.keys());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn synchronisation_follows_its_script() {
    let mut directory = FakeDirectory::ds389();
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    directory.sync = [
        SyncAnswer::new(
            vec![SyncMessage::add(first, person(1)), SyncMessage::ids(vec![second], true)],
            Some("c"),
            false,
        ),
        SyncAnswer::failing(LdapResultCode::EsyncRefreshRequired),
    ]
    .into();
    directory.dirsync =
        [DirSyncAnswer::last(vec![account(1)], "d"), DirSyncAnswer::failing(LdapResultCode::UnwillingToPerform)].into();
    let fake = FakeLdap::start(directory).await;
    let (connection, mut ldap) = LdapConnAsync::new(&fake.url()).await.unwrap();
    ldap3::drive!(connection);
    let request = || SyncRequest { mode: RefreshMode::RefreshOnly, cookie: None, reload_hint: false }.critical();
    let mut found =
        ldap.with_controls(request()).streaming_search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["uid"]).await;
    let (mut states, mut infos) = (Vec::new(), 0);
    while let Some(entry) = found.as_mut().unwrap().next().await.unwrap() {
        infos += usize::from(entry.is_intermediate());
        let state = entry.1.iter().find(|Control(kind, _)| matches!(kind, Some(ControlType::SyncState)));
        states.extend(state.map(|Control(_, raw)| raw.parse::<SyncState>().entry_uuid));
    }
    let ended = found.unwrap().finish().await;
    let Some(Control(Some(ControlType::SyncDone), raw)) = ended.ctrls.first() else { panic!("{ended:?}") };
    let done: SyncDone = raw.parse();
    assert_eq!((done.cookie.as_deref(), done.refresh_deletes), (Some(b"c".as_slice()), false));
    assert_eq!((states, infos), (vec![first.as_bytes().to_vec()], 1));
    for expected in [4096, 12] {
        let ended = ldap.with_controls(request()).search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["uid"]).await;
        assert_eq!(ended.unwrap().1.rc, expected);
    }
    // 30 0b: flags of four bytes or, in the second, of five; no bytes at most; no cookie.
    let four = b"\x30\x0b\x02\x04\x80\x00\x00\x00\x02\x01\x00\x04\x00".to_vec();
    let five = b"\x30\x0c\x02\x05\x00\x80\x00\x00\x00\x02\x01\x00\x04\x00".to_vec();
    for (value, expected) in [(five, (0, 12)), (four.clone(), (1, 0)), (four.clone(), (0, 53)), (four, (0, 12))] {
        let control = RawControl { ctype: "1.2.840.113556.1.4.841".to_owned(), crit: true, val: Some(value) };
        let found =
            ldap.with_controls(control).search("DC=example,DC=test", Scope::Subtree, "(uid=*)", vec!["*"]).await;
        let found = found.unwrap();
        assert_eq!((found.0.len(), found.1.rc), expected);
    }
    let flags = fake.take_searches().into_iter().filter_map(|(_, controls)| match controls.first() {
        Some(LdapControl::AdDirsync { flags, .. }) => Some(*flags),
        _ => None,
    });
    assert_eq!(flags.collect::<Vec<_>>(), [0x8000_0000; 4]);
}
