//! Every route for every kind of caller, against a golden file (ASVS 8.2.1, 8.2.2). To write it anew:
//! `MUSTERD_BLESS=1 cargo test --test it matrix`.

use std::fmt::Write;
use std::path::PathBuf;

use musterd::http::middleware::access::Access;
use musterd::http::routes::{self, Route};
use serde_json::json;

use crate::harness::daemon::{Caller, TestDaemon};

const PASSWORD: &str = "correct horse battery";

/// The callers, in the order of their columns.
const COLUMNS: [&str; 9] =
    ["anonymous", "user", "org-user", "org-auditor", "org-admin", "auditor", "system-admin", "application", "scim"];

/// A directory with something behind each place of a path: inside the organisation `Acme`, or outside of it.
struct World {
    daemon: TestDaemon,
    inside: [String; 3],
    outside: [String; 3],
}

impl World {
    fn make() -> Self {
        let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
        let admin = daemon.admin();
        let organization = |name: &str| admin.post("/api/v1/organizations", &json!({"name": name})).text("/id");
        let (acme, other) = (organization("Acme"), organization("Other"));
        let group = |organization: &str| {
            admin.post("/api/v1/groups", &json!({"name": "devs", "organization": organization})).text("/id")
        };
        let user = |name: &str, roles: &[&str], places: serde_json::Value, home: Option<&str>| {
            let wish = json!({
                "username": name, "name": name, "email": format!("{name}@example.org"), "password": PASSWORD,
                "must_change_password": false, "roles": roles, "organizations": places, "managed_by": home,
            });
            let made = admin.post("/api/v1/users", &wish);
            assert_eq!(made.status, 201, "{made:?}");
            made.text("/id")
        };
        let place = |id: &str, role: &str| json!([{"id": id, "roles": [role]}]);
        user("user", &[], json!([]), None);
        user("auditor", &["system-auditor"], json!([]), None);
        user("system-admin", &["system-admin"], json!([]), None);
        for name in ["org-user", "org-auditor", "org-admin"] {
            user(name, &[], place(&acme, &name.replace("org", "organization")), None);
        }
        let member = user("member", &[], place(&acme, "organization-user"), Some(&acme));
        let stranger = user("stranger", &[], place(&other, "organization-user"), Some(&other));
        let groups = [group(&acme), group(&other)];
        let [within, without] = groups;
        Self { daemon, inside: [member, within, acme], outside: [stranger, without, other] }
    }

    fn caller(&self, column: &str) -> Caller {
        match column {
            "anonymous" => self.daemon.anonymous(),
            "application" => {
                let scopes = ["--scope", "login.authenticate", "--scope", "login.introspect"];
                self.daemon.with_token(&self.daemon.token(&scopes))
            }
            "scim" => self.daemon.with_token(&self.daemon.token(&["--source", "okta"])),
            user => self.daemon.with_token(&self.daemon.session(user, PASSWORD)),
        }
    }
}

/// What comes of a call: `-` who is it, `no` not this one, `hid` there is no such thing for this one, `in`.
fn outcome(caller: &Caller, route: &Route, path: &str, hides: bool) -> &'static str {
    // No revision is that high: whatever looks at it changes nothing.
    let headers = [("if-match", "W/\"999999\"")];
    // A backup is no text: whoever gets one is in.
    let body = if path.ends_with("/password") { json!({"password": "x"}) } else { json!({}) };
    let answer = caller.try_call(route.method.as_str(), path, Some(body.to_string()), &headers);
    let Ok(answer) = answer else { return "in" };
    match answer.status {
        401 => "-",
        403 => "no",
        404 if hides => "hid",
        500 => panic!("{} {path}: {answer:?}", route.method),
        _ => "in",
    }
}

/// The lines of a route: one, or where rights inside organisations count, one for each side.
fn cases(world: &World, route: &Route) -> Vec<(&'static str, String)> {
    let concrete = |[user, group, organization]: &[String; 3]| {
        let place = |part: &str| match part {
            "{user}" => user.clone(),
            "{group}" => group.clone(),
            "{organization}" => organization.clone(),
            "{role}" => "user".to_owned(),
            part if part.starts_with('{') => "01900000-0000-7000-8000-000000000000".to_owned(),
            part => part.to_owned(),
        };
        route.path.split('/').map(place).collect::<Vec<_>>().join("/")
    };
    let (inside, outside) = (concrete(&world.inside), concrete(&world.outside));
    match route.access {
        Access::Within(_) if inside != outside => vec![("inside", inside), ("outside", outside)],
        _ => vec![("", inside)],
    }
}

#[test]
fn every_route_is_open_to_whom_the_golden_matrix_says() {
    let world = World::make();
    let mut callers: Vec<Caller> = COLUMNS.iter().map(|column| world.caller(column)).collect();
    let mut matrix = format!("{:<88}", "");
    COLUMNS.iter().for_each(|column| write!(matrix, " {column:<12}").unwrap());
    matrix = matrix.trim_end().to_owned() + "\n";
    for route in routes::table() {
        for (side, path) in cases(&world, &route) {
            let name = format!("{} {} {side}", route.method, route.path);
            let mut line = format!("{name:<88}");
            for (column, caller) in COLUMNS.iter().zip(&mut callers) {
                let outcome = outcome(caller, &route, &path, !side.is_empty());
                write!(line, " {outcome:<12}").unwrap();
                // What ends the caller's own session ends the column otherwise.
                if route.method == "DELETE" && route.path == "/api/v1/session" {
                    *caller = world.caller(column);
                }
            }
            matrix += line.trim_end();
            matrix.push('\n');
        }
    }
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/matrix.txt");
    if std::env::var_os("MUSTERD_BLESS").is_some() {
        std::fs::write(&golden, &matrix).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    for (found, expected) in matrix.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(matrix.lines().count(), expected.lines().count());
}
