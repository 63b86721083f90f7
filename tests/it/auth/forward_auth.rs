//! What the forward-auth endpoint says to a reverse proxy, and to whoever pretends to be one.

use jiff::SignedDuration;
use serde_json::json;

use crate::harness::daemon::{Answer, TestDaemon};

const PASSWORD: &str = "correct horse battery";
const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\"]\n";
const LOGIN: &str = "[forward_auth]\nlogin_url = \"https://id.example.org/login?theme=x\"\n\
                     allowed_hosts = [\"app.example.org\", \"*.apps.example.org\"]\n";

/// Asks as nginx does.
fn nginx(daemon: &TestDaemon, url: &str, more: &[(&str, &str)]) -> Answer {
    let headers = [&[("x-original-url", url), ("x-original-method", "GET")], more].concat();
    daemon.anonymous().call("GET", "/api/v1/forward-auth", None, &headers)
}

/// Asks as Traefik and Caddy do.
fn parts(daemon: &TestDaemon, host: &str, uri: &str, method: &str, more: &[(&str, &str)]) -> Answer {
    let own = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", host),
        ("x-forwarded-uri", uri),
        ("x-forwarded-method", method),
    ];
    daemon.anonymous().call("GET", "/api/v1/forward-auth", None, &[&own, more].concat())
}

fn bearer(session: &str) -> String {
    format!("Bearer {session}")
}

#[test]
fn a_proxy_is_told_who_it_is_in_headers() {
    let daemon = TestDaemon::start_with_server(TRUSTED, "");
    daemon.admin().post("/api/v1/groups", &json!({"name": "crème, brûlée"}));
    let id = daemon.local_user("ada", PASSWORD).text("/id");
    daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["crème, brûlée"], "name": "Ada\u{e9} 100%"}));
    let token = bearer(&daemon.session("ada", PASSWORD));
    let header = [("authorization", token.as_str())];
    for answer in [
        nginx(&daemon, "https://app.example.org/x?y", &header),
        parts(&daemon, "app.example.org", "/x?y", "POST", &header),
    ] {
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        assert_eq!((answer.header("remote-user"), answer.header("remote-id")), ("ada", id.as_str()));
        assert_eq!(answer.header("remote-name"), "Ada%C3%A9 100%25");
        assert_eq!(answer.header("remote-email"), "ada@example.org");
        assert_eq!(answer.header("remote-groups"), "cr%C3%A8me%2C br%C3%BBl%C3%A9e");
    }
}

#[test]
fn groups_beyond_what_a_header_holds_are_left_out_whole() {
    let daemon = TestDaemon::start_with_server(TRUSTED, "");
    let (admin, name) = (daemon.admin(), |n: usize| format!("group-{n:03}-{}", "x".repeat(90)));
    for n in 0..40 {
        assert_eq!(admin.post("/api/v1/groups", &json!({"name": name(n)})).status, 201);
    }
    daemon.local_user("ada", PASSWORD);
    let all: Vec<String> = (0..40).map(name).collect();
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"groups": all})).status, 200);
    let token = bearer(&daemon.session("ada", PASSWORD));
    let answer = nginx(&daemon, "https://app.example.org/", &[("authorization", &token)]);
    let told: Vec<&str> = answer.header("remote-groups").split(',').collect();
    assert!(answer.status == 200 && (20..40).contains(&told.len()), "{told:?}");
    assert!(told.iter().all(|name| all.iter().any(|known| known == name)));
}

#[test]
fn without_one_clear_original_request_nobody_is_let_through() {
    let daemon = TestDaemon::start_with_server(TRUSTED, LOGIN);
    daemon.local_user("ada", PASSWORD);
    let token = bearer(&daemon.session("ada", PASSWORD));
    let session = [("authorization", token.as_str())];
    for credentials in [&session[..], &[]] {
        let ask = |headers: &[(&str, &str)]| {
            let headers = [headers, credentials].concat();
            daemon.anonymous().call("GET", "/api/v1/forward-auth", None, &headers)
        };
        for headers in [
            &[][..],
            &[("x-original-url", "https://app.example.org/")],
            &[("x-original-method", "GET")],
            &[("x-original-url", "/"), ("x-original-method", "GET")],
            &[("x-original-url", "https://app.example.org/"), ("x-original-method", "G T")],
            &[
                ("x-original-url", "https://app.example.org/"),
                ("x-original-url", "https://app.example.org/"),
                ("x-original-method", "GET"),
            ],
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "app.example.org"), ("x-forwarded-uri", "/")],
            &[("x-original-uri", "/public"), ("x-forwarded-for", "192.0.2.1")],
        ] {
            let answer = ask(headers);
            assert_eq!((answer.status, answer.code()), (400, "no_original_request"), "{headers:?}");
        }
    }
    // What a client slips in beside what the proxy says makes it unclear, and helps nobody.
    let slipped = [&session[..], &[("x-original-url", "https://app.example.org/public")]].concat();
    assert_eq!(parts(&daemon, "app.example.org", "/", "GET", &slipped).status, 400);
}

#[test]
fn who_is_no_trusted_proxy_is_told_nothing() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let token = bearer(&daemon.session("ada", PASSWORD));
    let url = "https://app.example.org/";
    let answer = nginx(&daemon, url, &[("authorization", &token)]);
    assert_eq!((answer.status, answer.code()), (400, "not_a_trusted_proxy"));
    assert!(answer.header("remote-user").is_empty());
    assert_eq!(nginx(&daemon, url, &[("accept", "text/html")]).status, 401, "nor is anybody sent anywhere");
}

#[test]
fn a_browser_without_a_session_goes_to_the_login_and_a_program_gets_401() {
    let daemon = TestDaemon::start_with_server(TRUSTED, LOGIN);
    let html = [("accept", "text/html,application/xhtml+xml;q=0.9")];
    let sent = parts(&daemon, "wiki.apps.example.org", "/page?a=b&c=d", "GET", &html);
    let place =
        "https://id.example.org/login?theme=x&rd=https%3A%2F%2Fwiki%2Eapps%2Eexample%2Eorg%2Fpage%3Fa%3Db%26c%3Dd";
    assert_eq!((sent.status, sent.header("location")), (302, place));
    // nginx takes nothing but 401 from here: the address comes with it.
    let sent = nginx(&daemon, "https://wiki.apps.example.org/page?a=b&c=d", &html);
    assert_eq!((sent.status, sent.header("location")), (401, place));
    for (host, method, accept) in [
        ("app.example.org", "GET", "application/json"),
        ("app.example.org", "GET", "*/*"),
        ("app.example.org", "POST", "text/html"),
        ("apps.example.org", "GET", "text/html"),
        ("evil.org", "GET", "text/html"),
        ("app.example.org.evil.org", "GET", "text/html"),
        ("evilapp.example.org", "GET", "text/html"),
        ("xapps.example.org", "GET", "text/html"),
    ] {
        let answer = parts(&daemon, host, "/", method, &[("accept", accept)]);
        assert_eq!((answer.status, answer.header("location")), (401, ""), "{host} {method} {accept}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let nowhere = TestDaemon::start_with_server(TRUSTED, "");
    assert_eq!(parts(&nowhere, "app.example.org", "/", "GET", &html).status, 401);
}

#[test]
fn s_03_the_cookie_is_set_for_its_bearer_and_looked_at_here_alone() {
    let daemon = TestDaemon::start_with_server(TRUSTED, "");
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    daemon.advance(SignedDuration::from_secs(100));
    assert_eq!(daemon.anonymous().post("/api/v1/session/cookie", &json!({})).status, 401);
    let set = daemon.with_token(&session).post("/api/v1/session/cookie", &json!({}));
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=86300";
    assert_eq!((set.status, set.header("set-cookie")), (204, &*format!("__Host-musterd={session}; {attributes}")));
    let cookie = format!("a=b; __Host-musterd={session}");
    let with = |cookie: &str| nginx(&daemon, "https://app.example.org/", &[("cookie", cookie)]);
    assert_eq!((with(&cookie).status, with(&cookie).header("remote-user")), (200, "ada"));
    for bad in
        ["__Host-musterd=", "musterd=x", &format!("{cookie}; __Host-musterd=x"), &format!("__host-musterd={session}")]
    {
        assert_eq!(with(bad).status, 401, "{bad}");
    }
    // The header may be the application's own business.
    let both = [("cookie", cookie.as_str()), ("authorization", "Basic YTpi")];
    assert_eq!(nginx(&daemon, "https://app.example.org/", &both).status, 200);
    let api = daemon.anonymous().call("POST", "/api/v1/session/cookie", Some("{}".to_owned()), &[("cookie", &cookie)]);
    assert_eq!(api.status, 401, "the cookie makes no cookie");
    let cleared = daemon.anonymous().delete("/api/v1/session/cookie");
    assert!(
        cleared.header("set-cookie").starts_with("__Host-musterd=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
    );
    assert!(daemon.is_in(&session));
}

#[test]
fn a_host_may_ask_for_a_group_or_a_second_factor() {
    let rules = "[[forward_auth.rules]]\nhost = \"wiki.example.org\"\ngroups = [\"staff\", \"guests\"]\n\
                 [[forward_auth.rules]]\nhost = \"*.example.org\"\nmfa = true\n";
    let daemon = TestDaemon::start_with_server(TRUSTED, rules);
    daemon.admin().post("/api/v1/groups", &json!({"name": "staff"}));
    daemon.local_user("ada", PASSWORD);
    let token = bearer(&daemon.session("ada", PASSWORD));
    let ask = |url: &str| nginx(&daemon, url, &[("authorization", &token)]);
    assert_eq!(ask("https://wiki.example.org/").code(), "forbidden");
    assert_eq!(ask("https://WIKI.example.org:8443/public").code(), "forbidden");
    assert_eq!(ask("https://vault.example.org/").code(), "mfa_required");
    assert_eq!(ask("https://example.com/").status, 200);
    assert!(ask("https://wiki.example.org/").header("remote-user").is_empty());
    daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["staff"]}));
    assert_eq!(ask("https://wiki.example.org/").status, 200, "at once");
}
