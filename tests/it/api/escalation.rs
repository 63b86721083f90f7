//! Administrators who try everything, at random: none ends up with more than was granted, and one who may do everything
//! stays. `MUSTERD_STEPS` sets how many steps are tried, `MUSTERD_SEED` repeats a run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::import::import;
use crate::harness::daemon::{Answer, Caller, TestDaemon};
use crate::harness::dice::Dice;

const PASSWORD: &str = "correct horse battery";
const NAMES: [&str; 6] = ["root", "vice", "ada", "bob", "eve", "kim"];
/// What custom roles are made of: some that hold inside organisations too, and some that give rights.
const PERMISSIONS: [&str; 13] = [
    "users.view",
    "users.create",
    "users.update",
    "users.state",
    "users.delete",
    "users.password",
    "plans.approve",
    "users.roles",
    "users.reset_mfa",
    "groups.manage",
    "roles.manage",
    "organizations.members",
    "tokens.manage",
];

/// What somebody may do: pairs of where (empty: everywhere) and what.
type Rights = BTreeSet<(String, String)>;

struct World {
    daemon: TestDaemon,
    dice: Dice,
    organizations: Vec<String>,
    /// A token that nobody owns, and that opens little.
    token: String,
    sessions: BTreeMap<String, String>,
}

/// The directory as its auditor sees it.
struct Seen {
    rights: BTreeMap<String, Rights>,
    users: BTreeMap<String, Value>,
    roles: Vec<String>,
    /// The plans that wait.
    plans: Vec<String>,
    /// What the token that nobody owns opens.
    scopes: Value,
}

impl World {
    fn make(seed: u64) -> Self {
        let daemon = TestDaemon::start("");
        let admin = daemon.admin();
        let make = |name: &str| admin.post("/api/v1/organizations", &json!({"name": name})).text("/id");
        let organizations = vec![make("Acme"), make("Other")];
        for name in NAMES {
            daemon.local_user(name, PASSWORD);
        }
        for name in ["root", "vice"] {
            admin.patch(&format!("/api/v1/users/{name}"), &json!({"roles": ["system-admin"]}));
        }
        let place = json!({"organizations": [{"id": organizations[0], "roles": ["organization-admin"]}]});
        admin.patch("/api/v1/users/ada", &place);
        admin.post("/api/v1/roles", &json!({"name": "Seed", "permissions": PERMISSIONS}));
        admin.patch("/api/v1/users/bob", &json!({"roles": ["seed"]}));
        // Else the test would watch one that is always there.
        assert_eq!(admin.delete("/api/v1/users/admin").status, 204);
        let token = admin.post("/api/v1/tokens", &json!({"name": "app", "scopes": ["users.view"]})).text("/id");
        Self { daemon, dice: Dice::new(seed), organizations, token, sessions: BTreeMap::new() }
    }

    fn look(&self) -> Seen {
        let admin = self.daemon.admin();
        let roles = admin.get("/api/v1/roles").json["items"].as_array().unwrap().clone();
        let held = |id: &str, scope: &str| -> Vec<String> {
            let role = roles.iter().find(|role| role["id"] == id && role["scope"] == scope);
            let names = role.map(|role| role["permissions"].as_array().unwrap().clone()).unwrap_or_default();
            names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let plans = admin.get("/api/v1/plans").json["items"].as_array().unwrap().clone();
        let waits = plans.iter().filter(|plan| plan["status"]["is"] == "held");
        let mut seen = Seen {
            plans: waits.map(|plan| plan["id"].as_str().unwrap().to_owned()).collect(),
            scopes: admin.get(&format!("/api/v1/tokens/{}", self.token)).json["scopes"].clone(),
            rights: BTreeMap::new(),
            users: BTreeMap::new(),
            roles: roles.iter().map(|role| role["id"].as_str().unwrap().to_owned()).collect(),
        };
        for list in ["/api/v1/users?limit=1000", "/api/v1/users?limit=1000&removed=true"] {
            for user in admin.get(list).json["items"].as_array().unwrap() {
                let id = user["id"].as_str().unwrap().to_owned();
                let mut rights = Rights::new();
                let is_there = |role: &Value| roles.iter().any(|known| known["id"] == *role);
                let own = user["roles"].as_array().unwrap();
                let are_there = !own.is_empty() && own.iter().all(is_there);
                assert!(
                    are_there || user["state"] == "removed",
                    "everybody holds a role, and none that is gone: {user}"
                );
                for role in user["roles"].as_array().unwrap() {
                    let names = held(role.as_str().unwrap(), "system");
                    rights.extend(names.into_iter().map(|name| (String::new(), name)));
                }
                for place in user["organizations"].as_array().unwrap() {
                    for role in place["roles"].as_array().unwrap() {
                        let names = held(role.as_str().unwrap(), "organization");
                        let at = place["id"].as_str().unwrap();
                        rights.extend(names.into_iter().map(|name| (at.to_owned(), name)));
                    }
                }
                seen.rights.insert(id.clone(), rights);
                seen.users.insert(id, user.clone());
            }
        }
        seen
    }

    /// The session of somebody who may come in; made anew where the last one has ended.
    fn session(&mut self, name: &str) -> Option<Caller> {
        let known = self.sessions.get(name).cloned().filter(|session| self.daemon.is_in(session));
        let session = match known {
            Some(session) => session,
            None => {
                let answer = self.daemon.login(name, PASSWORD);
                answer.json.pointer("/session/token")?.as_str()?.to_owned()
            }
        };
        self.sessions.insert(name.to_owned(), session.clone());
        Some(self.daemon.with_token(&session))
    }

    fn some<T: Clone>(&self, among: &[T]) -> T {
        self.dice.pick(among).unwrap()
    }

    fn some_permissions(&self) -> Vec<&'static str> {
        let count = self.dice.number(0..4);
        (0..count).map(|_| self.some(&PERMISSIONS)).collect()
    }

    /// One try of something that an administrator might do.
    fn attempt(&self, caller: &Caller, seen: &Seen) -> (String, Answer) {
        let ids: Vec<String> = seen.users.keys().cloned().collect();
        let user = format!("/api/v1/users/{}", self.some(&ids));
        let roles: Vec<String> = (0..self.dice.number(0..3)).map(|_| self.some(&seen.roles)).collect();
        let organization = self.some(&self.organizations);
        let place = json!([{"id": organization, "roles": roles}]);
        let name = format!("n{}", self.dice.number(0..1_000_000));
        let new = json!({
            "username": name, "name": name, "email": format!("{name}@example.org"),
            "roles": if self.dice.number(0..2) == 0 { json!(roles) } else { json!([]) },
            "organizations": if self.dice.number(0..2) == 0 { place.clone() } else { json!([]) },
        });
        let role = format!("/api/v1/roles/{}", self.some(&seen.roles));
        let soon = json!({"expires_at": "2026-11-24T12:00:00Z"});
        let (method, path, body) = match self.dice.number(0..20) {
            0 | 1 => ("PATCH", user, json!({"roles": roles})),
            2 => ("PATCH", user, json!({"organizations": place})),
            3 => ("PATCH", user, json!({"managed_by": organization})),
            4 => ("PATCH", user, soon),
            5 => ("POST", "/api/v1/users".to_owned(), new),
            6 => ("POST", format!("{user}/duplicate"), new),
            7 => ("POST", format!("{user}/disable"), json!({})),
            8 => ("POST", format!("{user}/enable"), json!({})),
            9 => ("DELETE", user, json!({})),
            10 => ("POST", format!("{user}/restore"), json!({})),
            11 => {
                let wish = json!({
                    "name": name, "permissions": self.some_permissions(),
                    "scope": self.some(&["system", "organization"]),
                });
                ("POST", "/api/v1/roles".to_owned(), wish)
            }
            12 => ("PATCH", role, json!({"permissions": self.some_permissions()})),
            13 => ("DELETE", role, json!({})),
            14 | 15 => {
                let some: Vec<String> = (0..self.dice.number(1..4)).map(|_| self.some(&ids)).collect();
                let change = self.some(&[
                    json!({"roles": {"add": roles}}),
                    json!({"roles": {"set": roles}}),
                    json!({"organizations": {"add": place}}),
                    soon,
                ]);
                let wish = match self.some(&["change", "change", "enable", "disable", "delete"]) {
                    "change" => json!({"users": some, "action": "change", "change": change}),
                    action => json!({"users": some, "action": action}),
                };
                ("POST", "/api/v1/users/bulk".to_owned(), wish)
            }
            16 => {
                let rows = format!("username,roles,expires_at\r\n{},{},\r\n", self.some(&NAMES), roles.join("; "));
                let answer = import(caller, &format!("mode={}", self.some(&["all", "good"])), &rows);
                return (format!("import {rows}"), answer);
            }
            17 => {
                let wish =
                    self.some(&[json!({"scopes": ["admin"]}), json!({"expires_at": null}), json!({"name": name})]);
                ("PATCH", format!("/api/v1/tokens/{}", self.token), wish)
            }
            18 if !seen.plans.is_empty() => {
                ("POST", format!("/api/v1/plans/{}/approve", self.some(&seen.plans)), json!({}))
            }
            _ => {
                let member = json!({"user": self.some(&ids), "roles": roles});
                let wish = match self.dice.number(0..2) {
                    0 => json!({"add": [member]}),
                    _ => json!({"remove": [member["user"]]}),
                };
                ("POST", format!("/api/v1/organizations/{organization}/members"), wish)
            }
        };
        let answer = caller.call(method, &path, Some(body.to_string()), &[]);
        (format!("{method} {path} {body}"), answer)
    }
}

/// Is every right of these among the others, or held everywhere there?
fn lacks(rights: &Rights, held: &Rights) -> Vec<(String, String)> {
    let covered = |(place, name): &(String, String)| {
        held.contains(&(place.clone(), name.clone())) || held.contains(&(String::new(), name.clone()))
    };
    rights.iter().filter(|right| !covered(right)).cloned().collect()
}

fn check(before: &Seen, after: &Seen, actor: &str, what: &str) {
    let held = &before.rights[actor];
    assert_eq!(held, &after.rights[actor], "{what}: changed what they may do themselves");
    for (id, rights) in &after.rights {
        let had = before.rights.get(id).cloned().unwrap_or_default();
        let gained: Rights = rights.difference(&had).cloned().collect();
        assert_eq!(lacks(&gained, held), [], "{what}: gave {id} what they do not hold");
        let lost: Rights = had.difference(rights).cloned().collect();
        assert_eq!(lacks(&lost, held), [], "{what}: took from {id} what they do not hold");
        let state = |seen: &Seen| seen.users.get(id).map(|user| (user["state"].clone(), user["expires_at"].clone()));
        if before.users.contains_key(id) && state(before) != state(after) {
            assert_eq!(lacks(&had, held), [], "{what}: moved {id}, who holds more");
        }
    }
    assert_eq!(after.scopes, before.scopes, "{what}: widened a token that outlasts them");
    let stays = |user: &&Value| {
        let roles = user["roles"].as_array().unwrap();
        roles.contains(&json!("system-admin")) && user["active"] == true && user["expires_at"].is_null()
    };
    assert!(after.users.values().any(|user| stays(&user)), "{what}: nobody is left to administer the directory");
}

#[test]
fn random_administrators_never_give_what_they_do_not_hold_nor_lose_the_last_system_admin() {
    let number = |name: &str, preset: u64| std::env::var(name).map_or(preset, |text| text.parse().unwrap());
    let (seed, steps) = (number("MUSTERD_SEED", 8), number("MUSTERD_STEPS", 400));
    let mut world = World::make(seed);
    let mut done: BTreeMap<u16, u64> = BTreeMap::new();
    let mut before = world.look();
    for step in 0..steps {
        let name = world.some(&NAMES);
        let id = before.users.values().find(|user| user["username"] == name).map(|user| user["id"].as_str().unwrap());
        let Some(actor) = id.map(str::to_owned) else { continue };
        // Whoever was shut out comes back by the word of somebody on the machine, so that the play goes on.
        if before.users[&actor]["state"] != "active" && world.dice.number(0..4) == 0 {
            let path = format!("/api/v1/users/{actor}");
            let admin = world.daemon.admin();
            admin.post(&format!("{path}/restore"), &json!({}));
            admin.post(&format!("{path}/enable"), &json!({}));
            before = world.look();
        }
        let Some(caller) = world.session(name) else { continue };
        // Half of the tries are by a token that they have made: it may do no more.
        let caller = match world.dice.number(0..2) {
            0 => caller,
            _ => {
                let made = caller.post("/api/v1/tokens", &json!({"name": "t", "scopes": ["admin"]}));
                made.json["token"].as_str().map_or(caller, |token| world.daemon.with_token(token))
            }
        };
        let (what, answer) = world.attempt(&caller, &before);
        assert!(answer.status < 500, "seed {seed}, step {step}, {name}: {what}: {answer:?}");
        *done.entry(answer.status).or_default() += 1;
        let after = world.look();
        check(&before, &after, &actor, &format!("seed {seed}, step {step}, {name}: {what}"));
        before = after;
    }
    let worked: u64 = done.iter().filter(|(status, _)| **status < 300).map(|(_, count)| count).sum();
    assert!(worked * 10 > steps, "most of it must not have been refused: {done:?}");
    println!("seed {seed}: {done:?}");
}
