//! The SCIM endpoint: what each kind of request costs the server in processor time, durable writes and all, against
//! another server (scim2-server, which keeps everything in memory) where that has it; the same with many users; a large
//! group; and how long requests take while a directory is read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;

mod mixed;
mod other;

use other::Other;

const USERS: usize = 10_000;
const CLIENTS: usize = 16;
/// Requests of one figure; of another server, which is slower, fewer.
const REQUESTS: usize = 20_000;
const OTHERS: usize = 400;
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Everybody may be disabled here.
const SETTINGS: &str = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\nbudget_floor = 10000000\n";

pub(crate) fn figures(users: usize) -> Vec<Figure> {
    let (daemon, token) = start(SETTINGS);
    fill(&daemon, &token, 0..USERS);
    let other = Other::start();
    other.fill(USERS / 10);
    let ids = ids(&daemon, &token);
    let mut figures = Vec::new();
    let read = |what: &str, goal: f64, path: &(dyn Fn(usize) -> String + Sync), others: &dyn Fn(usize) -> String| {
        let ours = cost(&daemon, CLIENTS, REQUESTS, |n| (request("GET", &path(n), &token, ""), 200));
        figure(what, ours, goal, Some(other.cost("GET", OTHERS, |n| (others(n), Value::Null))))
    };
    figures.push(read("GET /Users/{id}", 25.0, &|n| format!("/scim/v2/Users/{}", ids[(n * 7919) % USERS]), &|n| {
        format!("/Users/{}", other.ids()[(n * 7919) % other.ids().len()])
    }));
    let lookup = |n: usize| format!("/Users?filter=userName%20eq%20%22User{}%22", (n * 7919) % (USERS / 10));
    figures.push(read("filter userName eq, of 10,000", 35.0, &|n| format!("/scim/v2{}", lookup(n)), &lookup));
    figures.push(read(
        "list of 100",
        450.0,
        &|n| format!("/scim/v2/Users?startIndex={}&count=100", 1 + (n * 100) % USERS),
        &|_| "/Users?startIndex=1&count=100".to_owned(),
    ));
    let made = cost(&daemon, CLIENTS, USERS, |n| (request("POST", "/scim/v2/Users", &token, &user(USERS + n)), 201));
    let others = other.cost("POST", OTHERS, |n| ("/Users".to_owned(), serde_json::from_str(&user(USERS + n)).unwrap()));
    figures.push(figure("POST /Users, on disk, 16 clients", made, 180.0, Some(others)));
    let patched = cost(&daemon, CLIENTS, REQUESTS, |n| {
        let body = active((n / USERS) % 2 == 1).to_string();
        (request("PATCH", &format!("/scim/v2/Users/{}", ids[n % USERS]), &token, &body), 200)
    });
    let others = other.cost("PATCH", OTHERS, |n| {
        (format!("/Users/{}", other.ids()[n % other.ids().len()]), active((n / other.ids().len()) % 2 == 1))
    });
    figures.push(figure("PATCH active, on disk, 16 clients", patched, 150.0, Some(others)));
    let few =
        cost(&daemon, CLIENTS, REQUESTS, |n| (request("GET", &format!("/scim/v2{}", lookup(n)), &token, ""), 200));
    drop(daemon);
    drop(other);
    figures.extend(many(users, few));
    figures.push(mixed::figure());
    figures
}

/// The figures that want many users.
fn many(users: usize, few: f64) -> Vec<Figure> {
    let (daemon, token) = start(SETTINGS);
    let start = Instant::now();
    fill(&daemon, &token, 0..users);
    println!("{users} users pushed, on disk: {:.0}/s", users as f64 / start.elapsed().as_secs_f64());
    let lookup = cost(&daemon, CLIENTS, REQUESTS, |n| {
        let path = format!("/scim/v2/Users?filter=userName%20eq%20%22User{}%22", (n * 7919) % users);
        (request("GET", &path, &token, ""), 200)
    });
    let mut figures = vec![Figure {
        what: format!("filter userName eq, of {users}"),
        ours: format!("{lookup:.1} µs"),
        other: format!("{few:.1} µs of {USERS}"),
        ratio: lookup / few,
        goal: "at most 1.5".to_owned(),
        met: lookup / few <= 1.5,
    }];
    let ids = ids(&daemon, &token);
    let members = users.min(100_000);
    let mut client = Client::connect(&daemon.address);
    let body = json!({"schemas": [GROUP], "displayName": "everybody"}).to_string();
    let group = id(&client.send(&request("POST", "/scim/v2/Groups", &token, &body)).1);
    for some in ids[..members].chunks(1_000) {
        let some: Vec<_> = some.iter().map(|id| json!({"value": id})).collect();
        let path = format!("/scim/v2/Groups/{group}?excludedAttributes=members");
        let body = patch(json!([{"op": "add", "path": "members", "value": some}])).to_string();
        assert_eq!(client.send(&request("PATCH", &path, &token, &body)).0, 200);
    }
    let path = format!("/scim/v2/Groups/{group}?excludedAttributes=members");
    let small = json!({"schemas": [GROUP], "displayName": "some", "members": [{"value": ids[0]}]}).to_string();
    let small = id(&client.send(&request("POST", "/scim/v2/Groups", &token, &small)).1);
    let small = format!("/scim/v2/Groups/{small}?excludedAttributes=members");
    let change = |n: usize| {
        let (op, member) = (if n.is_multiple_of(2) { "remove" } else { "add" }, &ids[n / 2 % members]);
        match op {
            "add" => patch(json!([{"op": op, "path": "members", "value": [{"value": member}]}])).to_string(),
            _ => patch(json!([{"op": op, "path": format!("members[value eq \"{member}\"]")}])).to_string(),
        }
    };
    let mut times = |method: &str, path: &str, body: &dyn Fn(usize) -> String| {
        times(&mut client, 500, |n| request(method, path, &token, &body(n)))
    };
    let (large, few) = (times("PATCH", &path, &change), times("PATCH", &small, &change));
    figures.push(took(format!("PATCH one member of a group of {members}"), large, few, 5.0));
    let (large, few) = (times("GET", &path, &|_| String::new()), times("GET", &small, &|_| String::new()));
    figures.push(took(format!("GET a group of {members} without its members"), large, few, 1.0));
    figures
}

/// How long requests take: the median in milliseconds, one after the other.
fn times(client: &mut Client, count: usize, make: impl Fn(usize) -> Vec<u8>) -> f64 {
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    for n in 0..count {
        let request = make(n);
        let start = Instant::now();
        let (status, body) = client.send(&request);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[count / 2].as_secs_f64() * 1e3
}

fn took(what: String, ours: f64, other: f64, goal: f64) -> Figure {
    Figure {
        what,
        ours: format!("{ours:.2} ms"),
        other: format!("{other:.2} ms of a group of 1"),
        ratio: ours / other,
        goal: format!("under {goal} ms"),
        met: ours < goal,
    }
}

/// Processor time of a request against another server's.
fn figure(what: &str, ours: f64, goal: f64, other: Option<f64>) -> Figure {
    Figure {
        what: what.to_owned(),
        ours: format!("{ours:.1} µs server CPU"),
        other: other.map_or_else(|| "-".to_owned(), |other| format!("{other:.0} µs scim2-server, in memory")),
        ratio: other.map_or(f64::NAN, |other| ours / other),
        goal: format!("under {goal:.0} µs"),
        met: ours < goal,
    }
}

fn start(settings: &str) -> (Daemon, String) {
    let daemon = Daemon::start(settings);
    let token = daemon.musterd(&["token", "create", "--source", "okta"])["token"].as_str().unwrap().to_owned();
    (daemon, token)
}

/// A user as a provider sends one.
fn user(n: usize) -> String {
    json!({
        "schemas": [USER],
        "userName": format!("user{n}"), "externalId": format!("id-{n}"), "displayName": format!("User {n}"),
        "name": {"givenName": "User", "familyName": format!("{n}")}, "active": true,
        "emails": [{"value": format!("user{n}@example.org"), "type": "work", "primary": true}],
    })
    .to_string()
}

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn active(active: bool) -> Value {
    patch(json!([{"op": "replace", "path": "active", "value": active}]))
}

fn id(answer: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn fill(daemon: &Daemon, token: &str, users: std::ops::Range<usize>) {
    let next = AtomicUsize::new(users.start);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::connect(&daemon.address);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= users.end {
                        return;
                    }
                    let (status, answer) = client.send(&request("POST", "/scim/v2/Users", token, &user(n)));
                    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
                }
            });
        }
    });
}

/// The ids of all users, by cursor.
fn ids(daemon: &Daemon, token: &str) -> Vec<String> {
    let (mut client, mut found, mut cursor) = (Client::connect(&daemon.address), Vec::new(), String::new());
    loop {
        let path = format!("/scim/v2/Users?count=1000&attributes=id&cursor={cursor}");
        let page: Value = serde_json::from_slice(&client.send(&request("GET", &path, token, "")).1).unwrap();
        let resources = page["Resources"].as_array().unwrap();
        found.extend(resources.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return found,
        }
    }
}

/// Microseconds of the daemon's processor time for one request.
fn cost(daemon: &Daemon, clients: usize, requests: usize, make: impl Fn(usize) -> (Vec<u8>, u16) + Sync) -> f64 {
    let before = daemon.cpu();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut connection = Client::connect(&daemon.address);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= requests {
                        return;
                    }
                    let (request, expected) = make(n);
                    let (status, answer) = connection.send(&request);
                    assert_eq!(status, expected, "{}", String::from_utf8_lossy(&answer));
                }
            });
        }
    });
    (daemon.cpu() - before).as_micros() as f64 / requests as f64
}
