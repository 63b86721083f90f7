//! A client that writes, and knows from the answers alone what must be true.
//!
//! A write that was cut off before its answer may have happened or not: the client looks once which it was, and from
//! then on that must stay so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::daemon::{Answer, Caller};
use crate::harness::dice::Dice;

/// Users of one client; from then on it changes those it has.
const MOST_USERS: usize = 120;
const MOST_GROUPS: usize = 20;
const MOST_TOKENS: usize = 20;
const MOST_SESSIONS: usize = 60;
const PASSWORD: &str = "correct horse battery";

/// One change.
#[derive(Clone, Debug)]
enum Write {
    CreateUser { username: String, with_password: bool },
    Rename { user: String, name: String },
    Disable { user: String },
    Enable { user: String },
    Remove { user: String },
    Restore { user: String },
    CreateGroup { name: String },
    Join { user: String, group: String },
    Leave { user: String, group: String },
    CreateToken { name: String },
    LogIn { user: String },
}

/// A user as the answers say it is.
#[derive(Clone, Debug, PartialEq)]
struct User {
    username: String,
    name: String,
    state: &'static str,
    groups: BTreeSet<String>,
    has_password: bool,
}

/// A session that was given, and whether it must open something still.
struct Session {
    user: String,
    token: String,
    is_valid: bool,
}

pub(super) struct Client {
    number: u64,
    dice: Dice,
    token: String,
    users: BTreeMap<String, User>,
    /// Names of groups by id.
    groups: BTreeMap<String, String>,
    tokens: Vec<String>,
    sessions: Vec<Session>,
    in_flight: Option<Write>,
    made: u64,
    pub(super) acknowledged: u64,
}

impl Client {
    /// A client that may do everything. Each has another number.
    pub(super) fn new(number: u64, seed: u64, token: &str) -> Self {
        Self {
            number,
            dice: Dice::new(seed.wrapping_mul(1_000).wrapping_add(number)),
            token: token.to_owned(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            tokens: Vec::new(),
            sessions: Vec::new(),
            in_flight: None,
            made: 0,
            acknowledged: 0,
        }
    }

    /// Writes until the daemon does not answer any more.
    pub(super) fn write_until_cut_off(&mut self, base: &str) {
        while self.write_one(base).is_some_and(|refused| refused.is_none()) {}
    }

    /// Writes so often.
    pub(super) fn write(&mut self, base: &str, times: u64) {
        for _ in 0..times {
            let refused = self.write_one(base).expect("the daemon answers");
            assert!(refused.is_none(), "{refused:?}");
        }
    }

    /// Writes until the daemon refuses, or so often. Gives the refusal.
    pub(super) fn write_until_refused(&mut self, base: &str, times: u64) -> Option<Answer> {
        (0..times).find_map(|_| self.write_one(base).expect("the daemon answers"))
    }

    /// Makes one write. `None`: no answer came; `Some(Some(_))`: the daemon refused, and nothing may have happened.
    pub(super) fn write_one(&mut self, base: &str) -> Option<Option<Answer>> {
        let write = self.choose();
        self.in_flight = Some(write.clone());
        let answer = self.send(base, &write)?;
        self.in_flight = None;
        match answer.status {
            200..300 => {
                self.acknowledged += 1;
                self.note(&write, &answer.json);
                Some(None)
            }
            503 => Some(Some(answer)),
            _ => panic!("{write:?} is answered by {answer:?}"),
        }
    }

    fn choose(&mut self) -> Write {
        let wish = self.dice.number(0..20);
        self.wish(wish).unwrap_or_else(|| self.new_user_or_name())
    }

    fn wish(&mut self, wish: u64) -> Option<Write> {
        let active = |user: &User| user.state == "active";
        Some(match wish {
            0..6 => return None,
            6..8 => Write::Disable { user: self.pick(active)? },
            8 => Write::Enable { user: self.pick(|user| user.state == "disabled")? },
            9 => Write::Remove { user: self.pick(|user| user.state != "removed")? },
            10 => Write::Restore { user: self.pick(|user| user.state == "removed")? },
            11 if self.groups.len() < MOST_GROUPS => Write::CreateGroup { name: self.new_name("group") },
            12..15 => {
                let group = self.dice.pick(&self.groups.keys().cloned().collect::<Vec<_>>())?;
                Write::Join { user: self.pick(|user| active(user) && !user.groups.contains(&group))?, group }
            }
            15 => {
                let user = self.pick(|user| active(user) && !user.groups.is_empty())?;
                let group = self.dice.pick(&self.users[&user].groups.iter().cloned().collect::<Vec<_>>())?;
                Write::Leave { user, group }
            }
            16 if self.tokens.len() < MOST_TOKENS => Write::CreateToken { name: self.new_name("token") },
            17..19 if self.sessions.len() < MOST_SESSIONS => {
                Write::LogIn { user: self.pick(|user| active(user) && user.has_password)? }
            }
            _ => Write::Rename { name: self.new_name("Name"), user: self.pick(active)? },
        })
    }

    fn new_user_or_name(&mut self) -> Write {
        let user = self.pick(|user| user.state == "active");
        match user.filter(|_| self.users.len() >= MOST_USERS) {
            Some(user) => Write::Rename { user, name: self.new_name("Name") },
            None => Write::CreateUser { username: self.new_name("user"), with_password: self.dice.number(0..3) == 0 },
        }
    }

    fn new_name(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}-{}", self.number, self.made)
    }

    fn pick(&self, fits: impl Fn(&User) -> bool) -> Option<String> {
        let fitting = self.users.iter().filter(|(_, user)| fits(user)).map(|(id, _)| id.clone());
        self.dice.pick(&fitting.collect::<Vec<_>>())
    }

    /// Sends a write. `None`: the daemon went away.
    fn send(&self, base: &str, write: &Write) -> Option<Answer> {
        let user_path = |user: &str, rest: &str| format!("/api/v1/users/{user}{rest}");
        let group_path = |group: &str| format!("/api/v1/groups/{group}/members");
        let (method, path, body) = match write {
            Write::CreateUser { username, with_password } => {
                let email = format!("{username}@example.org");
                let mut wish = json!({"username": username, "name": username, "email": email});
                if *with_password {
                    wish["password"] = PASSWORD.into();
                }
                ("POST", "/api/v1/users".to_owned(), wish)
            }
            Write::Rename { user, name } => ("PATCH", user_path(user, ""), json!({"name": name})),
            Write::Disable { user } => ("POST", user_path(user, "/disable"), json!({})),
            Write::Enable { user } => ("POST", user_path(user, "/enable"), json!({})),
            Write::Remove { user } => ("DELETE", user_path(user, ""), Value::Null),
            Write::Restore { user } => ("POST", user_path(user, "/restore"), json!({})),
            Write::CreateGroup { name } => ("POST", "/api/v1/groups".to_owned(), json!({"name": name})),
            Write::Join { user, group } => ("POST", group_path(group), json!({"add_users": [user]})),
            Write::Leave { user, group } => ("POST", group_path(group), json!({"remove_users": [user]})),
            Write::CreateToken { name } => {
                ("POST", "/api/v1/tokens".to_owned(), json!({"name": name, "scopes": ["users.view"]}))
            }
            Write::LogIn { user } => {
                let credentials = json!({"username": self.users[user].username, "password": PASSWORD});
                ("POST", "/api/v1/authenticate".to_owned(), credentials)
            }
        };
        let body = (!body.is_null()).then(|| body.to_string());
        Caller::new(base.to_owned(), Some(&self.token)).try_call(method, &path, body, &[]).ok()
    }

    /// Takes a write that happened into what must be true.
    fn note(&mut self, write: &Write, answer: &Value) {
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match write.clone() {
            Write::CreateUser { username, with_password } => {
                let id = text("/id").unwrap();
                let (name, groups) = (username.clone(), BTreeSet::new());
                let user = User { username, name, state: "active", groups, has_password: with_password };
                self.users.insert(id, user);
            }
            Write::Rename { user, name } => self.user(&user).name = name,
            Write::Disable { user } => self.falls_out(&user, "disabled"),
            Write::Enable { user } => self.user(&user).state = "active",
            Write::Remove { user } => self.falls_out(&user, "removed"),
            // What it was removed from is in the answer.
            Write::Restore { user } => {
                self.user(&user).state = if text("/state").unwrap() == "active" { "active" } else { "disabled" };
            }
            Write::CreateGroup { name } => drop(self.groups.insert(text("/id").unwrap(), name)),
            Write::Join { user, group } => drop(self.user(&user).groups.insert(group)),
            Write::Leave { user, group } => drop(self.user(&user).groups.remove(&group)),
            Write::CreateToken { .. } => self.tokens.extend(text("/token")),
            Write::LogIn { user } => {
                let given = text("/session/token").map(|token| Session { user, token, is_valid: true });
                self.sessions.extend(given);
            }
        }
    }

    fn user(&mut self, id: &str) -> &mut User {
        self.users.get_mut(id).unwrap()
    }

    fn falls_out(&mut self, id: &str, state: &'static str) {
        self.user(id).state = state;
        for session in self.sessions.iter_mut().filter(|session| session.user == id) {
            session.is_valid = false;
        }
    }

    /// Everything that is not as it was acknowledged, in words.
    pub(super) fn lost(&mut self, base: &str) -> Vec<String> {
        let admin = Caller::new(base.to_owned(), Some(&self.token));
        if let Some(write) = self.in_flight.take() {
            self.settle(&admin, &write);
        }
        let users = self.users.iter().filter_map(|(id, user)| differs(&admin, id, user));
        let groups = self.groups.iter().filter_map(|(id, name)| self.group_differs(&admin, id, name));
        let opens = |token: &str, path: &str| Caller::new(base.to_owned(), Some(token)).get(path).status == 200;
        let tokens = self.tokens.iter().filter(|token| !opens(token, "/api/v1/users?limit=1"));
        let tokens = tokens.map(|_| format!("a token of client {} opens nothing", self.number));
        let sessions =
            self.sessions.iter().filter(|session| opens(&session.token, "/api/v1/session") != session.is_valid);
        let sessions = sessions.map(|session| format!("a session of {} is not {}", session.user, session.is_valid));
        users.chain(groups).chain(tokens).chain(sessions).collect()
    }

    /// Finds out whether a write without answer happened, and takes it as acknowledged if so.
    fn settle(&mut self, admin: &Caller, write: &Write) {
        let user = |user: &str| admin.get(&format!("/api/v1/users/{user}")).json;
        let found = match write {
            Write::CreateUser { username, .. } => Some(user(username)).filter(|found| found["id"].is_string()),
            Write::Rename { user: id, name } => Some(user(id)).filter(|found| found["name"] == name.as_str()),
            Write::Disable { user: id } => Some(user(id)).filter(|found| found["state"] == "disabled"),
            Write::Enable { user: id } => Some(user(id)).filter(|found| found["state"] == "active"),
            Write::Remove { user: id } => Some(user(id)).filter(|found| found["state"] == "removed"),
            Write::Restore { user: id } => Some(user(id)).filter(|found| found["state"] != "removed"),
            Write::CreateGroup { name } => {
                Some(admin.get(&format!("/api/v1/groups/{name}")).json).filter(|found| found["id"].is_string())
            }
            Write::Join { user: id, group } => Some(user(id)).filter(|found| groups_of(found).contains(group)),
            Write::Leave { user: id, group } => Some(user(id)).filter(|found| !groups_of(found).contains(group)),
            // What they gave was in the answer alone.
            Write::CreateToken { .. } | Write::LogIn { .. } => None,
        };
        if let Some(found) = found {
            self.note(write, &found);
        }
    }

    fn group_differs(&self, admin: &Caller, id: &str, name: &str) -> Option<String> {
        let found = admin.get(&format!("/api/v1/groups/{id}")).json;
        let listed = admin.get(&format!("/api/v1/groups/{id}/members?limit=1000")).json;
        let ids = |item: &Value| item["id"].as_str().map(str::to_owned);
        let members: BTreeSet<String> = listed["items"].as_array().into_iter().flatten().filter_map(ids).collect();
        let in_it = self.users.iter().filter(|(_, user)| user.groups.contains(id));
        let expected: BTreeSet<String> = in_it.map(|(id, _)| id.clone()).collect();
        (found["name"] != name || members != expected).then(|| format!("group {name}: {found} with {listed}"))
    }
}

fn groups_of(user: &Value) -> BTreeSet<String> {
    let groups = user["groups"].as_array().into_iter().flatten();
    groups.filter_map(|group| group["id"].as_str().map(str::to_owned)).collect()
}

/// Compares a user with what is found; who is not removed is looked for by name.
fn differs(admin: &Caller, id: &str, user: &User) -> Option<String> {
    let key = if user.state == "removed" { id } else { &user.username };
    let found = admin.get(&format!("/api/v1/users/{key}")).json;
    let is_same = found["id"] == id
        && found["username"] == user.username.as_str()
        && found["name"] == user.name.as_str()
        && found["state"] == user.state
        && found["has_password"] == user.has_password
        && groups_of(&found) == user.groups;
    (!is_same).then(|| format!("{user:?} is {found}"))
}
