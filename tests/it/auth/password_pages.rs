//! The pages for passwords in a real browser: asking for a link, and using it.

use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery";
const NEW: &str = "another long password";
const MAIL: &str = "[mail]\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\nfrom = \"d@example.org\"\n";

/// Types into fields by their ids and presses the button; gives what the page says then.
fn submit(browser: &mut Browser, fields: &[(&str, &str)]) -> String {
    let typed: String = fields
        .iter()
        .map(|(id, value)| format!("document.getElementById({}).value = {};", json!(id), json!(value)))
        .collect();
    let script = format!(
        "(async () => {{ const said = document.getElementById('message'); said.textContent = ''; {typed} \
         document.querySelector('button').click(); \
         while (said.textContent === '') await new Promise(done => requestAnimationFrame(done)); \
         return said.textContent; }})()"
    );
    browser.run(&script).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn p_08_f_05_a_person_asks_for_a_link_looks_at_it_and_sets_a_password() {
    let daemon = TestDaemon::start_at_localhost(MAIL);
    let base = daemon.base.replace("127.0.0.1", "localhost");
    daemon.local_user("ada", PASSWORD);
    let mut browser = Browser::open(&format!("{base}/forgotten-password"));
    let field = |id: &str, name: &str| format!("document.getElementById('{id}').getAttribute('{name}')");
    assert_eq!(browser.run(&field("username", "autocomplete")).unwrap(), "username");
    let said = submit(&mut browser, &[("username", "ada")]);
    assert!(said.contains("a mail is on its way"), "{said}");
    let queued = musterd::store::outbox::list(&daemon.inside.store.view(), 9).unwrap();
    let musterd::directory::message::Body::ResetPassword { url } = &queued[0].1.body else { panic!("no link") };

    // Programs that look at mail follow the link, also with the page's scripts: nothing happens by that.
    for _ in 0..3 {
        browser.go("about:blank");
        browser.go(url);
        let account = "(async () => { const account = document.getElementById('account'); \
                       while (account.textContent === '') await new Promise(done => requestAnimationFrame(done)); \
                       return account.textContent + location.href; })()";
        let shown = browser.run(account).unwrap();
        assert!(shown.as_str().unwrap().contains("ada"), "{shown}");
        assert!(!shown.as_str().unwrap().contains("mst_l_"), "the token is out of sight and history: {shown}");
    }
    for (id, autocomplete) in [("password", "new-password"), ("again", "new-password"), ("username", "username")] {
        assert_eq!(browser.run(&field(id, "autocomplete")).unwrap(), autocomplete, "{id}");
    }
    assert_eq!(browser.run("document.getElementById('show').type").unwrap(), "checkbox", "a password can be shown");
    let pasted = browser.run("document.getElementById('password').onpaste").unwrap();
    assert!(pasted.is_null(), "nothing keeps anybody from pasting");
    let set = |browser: &mut Browser, password: &str, again: &str| {
        submit(browser, &[("password", password), ("again", again)])
    };
    assert!(set(&mut browser, NEW, "something else").contains("differ"));
    assert!(set(&mut browser, "short", "short").contains("at least 15 characters"));
    assert!(set(&mut browser, NEW, NEW).contains("Your password is set"));
    assert_eq!((daemon.login("ada", PASSWORD).status, daemon.login("ada", NEW).status), (401, 200));

    browser.go("about:blank");
    browser.go(url);
    let gone = "(async () => { const said = document.getElementById('message'); \
                while (said.textContent === '') await new Promise(done => requestAnimationFrame(done)); \
                return said.textContent; })()";
    assert!(browser.run(gone).unwrap().as_str().unwrap().contains("used already or is too old"));
}
