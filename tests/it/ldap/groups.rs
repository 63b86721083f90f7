//! Groups of an OpenLDAP are read with their members as the entries name them.

use musterd::sources::MemberName;
use musterd::sources::ldap::{GroupAttributes, Settings};

use super::{Pull, Pulled, over_tls, source};
use crate::harness::slapd::{BASE, Slapd, SlapdOptions};

fn with_groups() -> (Slapd, Settings) {
    let slapd = Slapd::with(SlapdOptions { users: 6, groups: true, ..SlapdOptions::default() });
    let settings = Settings { groups: true, base_dn: BASE.to_owned(), ..over_tls(&slapd) };
    (slapd, settings)
}

/// The members of a group, as its entry names them.
fn members(pulled: &Pulled, group: &str) -> Vec<String> {
    let name = |member: &MemberName| match member {
        MemberName::Entry(dn) => dn.strip_suffix(&format!(",{BASE}")).unwrap_or(dn).to_owned(),
        MemberName::Login(login) => format!("login {login}"),
    };
    let mut members: Vec<_> = pulled.group(group).members.iter().map(name).collect();
    members.sort_unstable();
    members
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_every_class_are_read_nested_in_a_circle_and_with_members_that_are_nobody() {
    let (slapd, settings) = with_groups();
    let pulled = source(settings).pull().await.unwrap();
    assert_eq!((pulled.users.len(), pulled.groups.len(), pulled.skipped.len()), (6, 8, 0), "{pulled:?}");
    let people = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().map(|number| format!("uid=u{number:07},ou=people")).collect()
    };
    assert_eq!(members(&pulled, "devs"), people(&[1, 2, 3]));
    assert_eq!(members(&pulled, "uniq"), people(&[1, 2]));
    assert_eq!(members(&pulled, "tech"), ["cn=devs,ou=groups", "cn=ops,ou=groups"]);
    assert_eq!(members(&pulled, "cyc"), ["cn=top,ou=groups"]);
    assert_eq!(members(&pulled, "top"), [&["cn=cyc,ou=groups".to_owned()][..], &people(&[5])].concat());
    assert!(members(&pulled, "ghosts").contains(&"uid=ghost,ou=people".to_owned()));
    assert_eq!(members(&pulled, "posix"), ["login u0000001", "login u0000002"]);
    assert_eq!(pulled.group("posix").primary_key.as_deref(), Some("5000"));
    assert_eq!(pulled.group("devs").label, format!("cn=devs,ou=groups,{BASE}"));
    assert_eq!(pulled.group("devs").external_id.as_str().len(), 36);
    drop(slapd);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_group_is_named_by_its_number_and_a_unique_member_may_carry_bits() {
    let (slapd, settings) = with_groups();
    let user = "uid=u0000004,ou=people";
    slapd.change(&format!(
        "dn: cn=uniq,ou=groups,{BASE}\nchangetype: modify\nadd: uniqueMember\nuniqueMember: {user},{BASE}#'0101'B\n"
    ));
    slapd.modify(
        "u0000005",
        "add: objectClass\nobjectClass: posixAccount\n-\nadd: uidNumber\nuidNumber: 7\n-\nadd: gidNumber\ngidNumber: 5000\n-\n\
         add: homeDirectory\nhomeDirectory: /srv/x",
    );
    let pulled = source(settings).pull().await.unwrap();
    assert!(members(&pulled, "uniq").contains(&user.to_owned()), "{:?}", members(&pulled, "uniq"));
    assert_eq!(pulled.user("u0000005").primary_group.as_deref(), Some("5000"));
    assert_eq!(pulled.user("u0000001").primary_group, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_read_where_the_settings_say_and_what_cannot_be_one_is_skipped() {
    let (slapd, settings) = with_groups();
    let apart = |more: &dyn Fn(Settings) -> Settings| {
        let place = Settings {
            base_dn: format!("ou=people,{BASE}"),
            group_base_dn: Some(format!("ou=groups,{BASE}")),
            ..settings.clone()
        };
        source(more(place))
    };
    let pulled = apart(&|settings| Settings { group_filter: Some("(cn=d*)".to_owned()), ..settings }).pull().await;
    let pulled = pulled.unwrap();
    assert_eq!((pulled.users.len(), pulled.groups.len(), pulled.groups[0].name.as_str()), (6, 1, "devs"));
    let none = apart(&|settings| Settings { groups: false, ..settings }).pull().await.unwrap();
    assert_eq!((none.users.len(), none.groups.len(), none.user("u0000001").primary_group.clone()), (6, 0, None));
    // Only one of them has a description, which is its name here.
    slapd.modify_group("devs", "add: description\ndescription: Developers");
    let named = GroupAttributes {
        name: Some("description".to_owned()),
        members: Some("member".to_owned()),
        member_logins: Some(String::new()),
        ..GroupAttributes::default()
    };
    let pulled = apart(&|settings| Settings { group_attributes: named.clone(), ..settings }).pull().await.unwrap();
    assert_eq!((pulled.groups.len(), pulled.skipped.len()), (1, 7));
    assert_eq!(members(&pulled, "Developers").len(), 3);
    let skipped = pulled.skipped.iter().find(|skipped| skipped.label.starts_with("cn=ops,")).unwrap();
    assert!(skipped.external_id.is_some() && skipped.problem.contains("group_attributes.name"), "{skipped:?}");
    let gone = apart(&|settings| Settings { group_base_dn: Some(format!("ou=gone,{BASE}")), ..settings }).pull().await;
    assert!(gone.unwrap_err().to_string().contains("base"), "a base of groups that is not there is no empty one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_many_thousand_members_is_read_whole() {
    let (slapd, settings) = with_groups();
    let count = 30_000;
    let names: String = (0..count).map(|number| format!("member: uid=member-{number:07},ou=people,{BASE}\n")).collect();
    slapd.add(&format!("dn: cn=big,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: big\n{names}"));
    assert_eq!(source(settings).pull().await.unwrap().group("big").members.len(), count);
}
