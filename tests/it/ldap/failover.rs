//! Of several servers, one that fails is left alone for a while, and people can see which.

use std::time::Duration;

use musterd::sources::Source;
use musterd::sources::ldap::{LdapSource, Settings};

use super::{Pull, over_tls, source, verdict};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::slapd::Slapd;

fn up(source: &LdapSource) -> Vec<bool> {
    source.health().iter().map(|server| server.down.is_none()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_goes_on_from_a_server_that_takes_connections_and_never_answers() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.port).await;
    proxy.set(Fault::Stall);
    let urls = vec![format!("ldap://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls, operation_timeout: Duration::from_millis(700), ..over_tls(&slapd) });
    for _ in 0..2 {
        assert_eq!(source.pull().await.unwrap().users.len(), 1);
        assert_eq!(up(&source), [false, true]);
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_each_server_is_known() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    proxy.set(Fault::Stall);
    let good = over_tls(&slapd);
    let urls = vec![format!("ldaps://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls: urls.clone(), connect_timeout: Duration::from_millis(700), ..good });
    assert!(source.health().iter().all(|server| server.down.is_none()));
    for _ in 0..3 {
        assert_eq!(source.pull().await.unwrap().users.len(), 1);
    }
    assert_eq!(proxy.accepted(), 1, "only the first reading waits for a dead server");
    let health = source.health();
    assert_eq!(health.iter().map(|server| server.url.clone()).collect::<Vec<_>>(), urls);
    assert_eq!(up(&source), [false, true]);
    assert!(health[0].down.as_ref().unwrap().0.contains("connect_timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_connections_and_never_answers_costs_no_login() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.port).await;
    proxy.set(Fault::Stall);
    let urls = vec![format!("ldap://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls, login_timeout: Duration::from_millis(1200), ..over_tls(&slapd) });
    for _ in 0..3 {
        assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_servers_failed_all_are_tried_and_the_first_that_is_back_is_used() {
    let mut slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let urls = vec![format!("ldaps://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls, ..over_tls(&slapd) });
    slapd.stop();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    assert!(source.health().iter().all(|server| server.down.is_some()));
    slapd.restart();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    assert_eq!(up(&source), [true, false]);
}
