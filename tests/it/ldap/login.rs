//! A verdict on a password is right, or it is none.

use std::time::Duration;

use musterd::base::clock::Stopwatch;
use musterd::base::id::ExternalId;
use musterd::base::secret::Secret;
use musterd::sources::ldap::Settings;
use musterd::sources::{Person, Source};

use super::{Pull, over_tls, settings, shown, source, verdict};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd};

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_is_accepted_and_every_other_is_wrong() {
    let slapd = Slapd::start(3);
    let source = source(over_tls(&slapd));
    let odd = "p(s)*\\ :w";
    slapd.add_user("odd-one", odd, "");
    assert_eq!(verdict(&source, "odd-one", odd).await.0, "accepted");
    for name in ["u0000002", "U0000002", "u0000002@example.org"] {
        assert_eq!(verdict(&source, name, "pw-2").await, ("accepted", "u0000002".to_owned()), "{name}");
    }
    for (name, password) in [
        ("u0000002", "pw-1"),
        ("u0000002", "PW-2"),
        ("nobody", "pw-2"),
        ("", "pw-2"),
        ("*", "pw-2"),
        ("u000000*", "pw-2"),
        ("*)(uid=*", "pw-2"),
        ("u0000002)(objectClass=*", "pw-2"),
        ("u0000002\0", "pw-2"),
        ("reader", READER_PASSWORD),
    ] {
        assert_eq!(verdict(&source, name, password).await.0, "wrong", "{name:?} {password:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_person_is_verified_by_identifier_only() {
    let slapd = Slapd::start(2);
    let source = source(over_tls(&slapd));
    let pulled = source.pull().await.unwrap();
    let id = &pulled.users.iter().find(|user| user.username == "u0000001").unwrap().external_id;
    for (id, password, expected) in [
        (id.clone(), "pw-1", "accepted"),
        (id.clone(), "pw-2", "wrong"),
        (ExternalId::parse("u0000001").unwrap(), "pw-1", "wrong"),
        (ExternalId::parse("*").unwrap(), "pw-1", "wrong"),
    ] {
        let verdict = shown(source.verify(Person::Known { id: &id, entry: None }, &Secret::new(password)).await);
        assert_eq!(verdict, (expected, String::new()), "{id} {password}");
    }
}

/// A verdict on somebody who is known, and whose entry had this name at the last reading.
async fn known(source: &musterd::sources::ldap::LdapSource, id: &ExternalId, entry: &str, password: &str) -> String {
    let person = Person::Known { id, entry: Some(entry) };
    shown(source.verify(person, &Secret::new(password)).await).0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_name_of_an_entry_finds_its_person_and_nobody_else() {
    let slapd = Slapd::start(3);
    let source = source(over_tls(&slapd));
    let pulled = source.pull().await.unwrap();
    let user = |name: &str| pulled.users.iter().find(|user| user.username == name).unwrap();
    let (first, second) = (user("u0000001"), user("u0000002"));
    assert_eq!(known(&source, &first.external_id, &first.label, "pw-1").await, "accepted");
    // Another's entry, none, nonsense, and entries that are no users.
    for entry in [
        second.label.as_str(),
        &format!("uid=nobody,ou=people,{BASE}"),
        &format!("nonsense,ou=people,{BASE}"),
        &format!("ou=people,{BASE}"),
        BASE,
        READER,
        "",
        "\0",
        "nonsense",
    ] {
        assert_eq!(known(&source, &first.external_id, entry, "pw-1").await, "accepted", "{entry:?}");
        for wrong in ["pw-2", READER_PASSWORD] {
            assert_eq!(known(&source, &first.external_id, entry, wrong).await, "wrong", "{entry:?}");
        }
    }
    let moved = |rdn: &str, above: &str| {
        format!("dn: {}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 0\n{above}", first.label)
    };
    slapd.change(&moved("cn=renamed", ""));
    assert_eq!(known(&source, &first.external_id, &first.label, "pw-1").await, "accepted", "renamed");
    // Somebody else has the name of the entry by now.
    slapd.add_user("u0000001", "pw-other", "");
    assert_eq!(known(&source, &first.external_id, &first.label, "pw-other").await, "wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_moved_is_found_and_one_that_left_the_base_is_not() {
    let slapd = Slapd::start(2);
    slapd.add(&format!("dn: ou=old,{BASE}\nobjectClass: organizationalUnit\nou: old\n"));
    let all = source(Settings { base_dn: BASE.to_owned(), ..over_tls(&slapd) });
    let people = source(over_tls(&slapd));
    let pulled = all.pull().await.unwrap();
    let user = pulled.users.iter().find(|user| user.username == "u0000001").unwrap();
    let (id, before) = (&user.external_id, user.label.as_str());
    let moved = format!("changetype: modrdn\nnewrdn: uid=u0000001\ndeleteoldrdn: 0\nnewsuperior: ou=old,{BASE}\n");
    slapd.change(&format!("dn: {before}\n{moved}"));
    let now = format!("uid=u0000001,ou=old,{BASE}");
    for entry in [before, &now] {
        assert_eq!(known(&all, id, entry, "pw-1").await, "accepted", "{entry}");
        assert_eq!(known(&people, id, entry, "pw-1").await, "wrong", "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_a_fresh_name_is_one_search_and_one_bind_and_the_disabled_stay_out() {
    let slapd = Slapd::start(2);
    slapd.modify("u0000002", "replace: title\ntitle: gone");
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let strict = source(Settings { disabled_when: Some("(title=gone)".to_owned()), ..settings.clone() });
    let source = source(settings);
    let pulled = source.pull().await.unwrap();
    let user = |name: &str| pulled.users.iter().find(|user| user.username == name).unwrap();
    let (first, second) = (user("u0000001"), user("u0000002"));
    assert_eq!(known(&strict, &second.external_id, &second.label, "pw-2").await, "refused");
    assert_eq!(known(&strict, &second.external_id, &second.label, "pw-1").await, "wrong");
    // A connection lasts a thousand operations: so the connections tell how many there were.
    let before = proxy.accepted();
    for _ in 0..1_005 {
        assert_eq!(known(&source, &first.external_id, &first.label, "pw-1").await, "accepted");
    }
    assert_eq!(proxy.accepted() - before, 4, "one for searches, one for binds, and one more each");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_password_is_wrong_and_never_leaves_the_process() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let source = source(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file())));
    for password in ["", " ", "\0", "\0pw-1"] {
        assert_eq!(verdict(&source, "u0000001", password).await.0, "wrong", "{password:?}");
    }
    assert_eq!(proxy.accepted(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_fits_two_entries_is_nobodys() {
    let slapd = Slapd::start(3);
    slapd.modify("u0000002", "replace: mail\nmail: u0000001@example.org");
    let source = source(over_tls(&slapd));
    assert_eq!(verdict(&source, "u0000001@example.org", "pw-1").await.0, "wrong");
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whom_the_source_disabled_is_refused() {
    let slapd = Slapd::start(2);
    slapd.modify("u0000001", "replace: title\ntitle: gone");
    let source = source(Settings { disabled_when: Some("(title=gone)".to_owned()), ..over_tls(&slapd) });
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "refused");
    assert_eq!(verdict(&source, "u0000001", "pw-2").await.0, "wrong");
    assert_eq!(verdict(&source, "u0000002", "pw-2").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_unavailable_not_wrong() {
    let mut slapd = Slapd::start(1);
    let source = source(over_tls(&slapd));
    slapd.stop();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    slapd.restart();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    slapd.stop();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    slapd.restart();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_in_the_pool_is_replaced_unseen() {
    let mut slapd = Slapd::start(1);
    let source = source(over_tls(&slapd));
    for _ in 0..3 {
        assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
        slapd.restart();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_without_a_word_are_replaced_within_the_login() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let source = source(Settings { login_timeout: Duration::from_secs(2), ..settings });
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    proxy.freeze();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await, ("accepted", "u0000001".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_is_unavailable_within_the_deadline_of_the_login() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let source = source(Settings { login_timeout: Duration::from_millis(700), ..settings });
    for warm in [false, true] {
        if warm {
            proxy.set(Fault::Pass);
            assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
        }
        proxy.set(Fault::Stall);
        let started = Stopwatch::start();
        let (word, why) = verdict(&source, "u0000001", "pw-1").await;
        assert_eq!(word, "unavailable", "{why}");
        assert!(started.elapsed() < Duration::from_millis(1200), "{:?}", started.elapsed());
    }
    proxy.set(Fault::Pass);
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_first_server_does_not_cost_logins_their_second() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    proxy.set(Fault::Stall);
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let urls = vec![settings.urls[0].clone(), slapd.ldaps_url()];
    let source = source(Settings { urls, login_timeout: Duration::from_secs(2), ..settings });
    for _ in 0..3 {
        assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    }
    assert!(proxy.accepted() <= 1, "{}", proxy.accepted());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_logins_at_once_share_the_few_connections() {
    let slapd = Slapd::start(20);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let source = std::sync::Arc::new(source(settings));
    let logins = (0..200_usize).map(|count| {
        let (source, user) = (std::sync::Arc::clone(&source), count % 20 + 1);
        tokio::spawn(async move {
            let right = count % 3 != 0;
            let password = if right { format!("pw-{user}") } else { "pw".to_owned() };
            let expected = if right { "accepted" } else { "wrong" };
            assert_eq!(verdict(&source, &format!("u{user:07}"), &password).await.0, expected);
        })
    });
    for login in logins.collect::<Vec<_>>() {
        login.await.unwrap();
    }
    assert!(proxy.accepted() <= 8, "{}", proxy.accepted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_given_up_leaves_no_connection_to_the_next() {
    let slapd = Slapd::start(4);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let source = source(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file())));
    for round in 0..60_u64 {
        let user = round % 4 + 1;
        let (name, password) = (format!("u{user:07}"), Secret::new(format!("pw-{user}")));
        let login = source.verify(Person::Named(&name), &password);
        // Anywhere between the first byte and the last.
        drop(tokio::time::timeout(Duration::from_micros(round * 150), login).await);
        let next = format!("u{:07}", (user % 4) + 1);
        assert_eq!(verdict(&source, &next, password.expose()).await.0, "wrong", "{round}");
        assert_eq!(verdict(&source, &next, &format!("pw-{}", (user % 4) + 1)).await, ("accepted", next), "{round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_replaced_after_a_thousand_operations() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let source = source(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file())));
    for count in 0..1_005 {
        let (word, why) = verdict(&source, "u0000001", "pw-1").await;
        assert_eq!(word, "accepted", "{count}: {why}");
    }
    assert_eq!(proxy.accepted(), 4, "one for searches, one for binds, and one more each");
}

/// Not a promise but a measurement.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn figures_of_logins() {
    let slapd = Slapd::start(1000);
    let source = std::sync::Arc::new(source(over_tls(&slapd)));
    for at_once in [1, 4, 16] {
        let started = Stopwatch::start();
        let runs = (0..at_once).map(|_| {
            let source = std::sync::Arc::clone(&source);
            tokio::spawn(async move {
                for user in 1..=500 {
                    let (word, why) = verdict(&source, &format!("u{user:07}"), &format!("pw-{user}")).await;
                    assert_eq!(word, "accepted", "{why}");
                }
            })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.unwrap();
        }
        println!("{at_once} at once: {:.0} logins/s", f64::from(at_once * 500) / started.elapsed().as_secs_f64());
    }
}
