//! A SCIM service inside the test, for what no honest one does: lists that lie or move, pages that come again, answers
//! that are late, huge, deep or cut, redirects, refusals in the middle; and an OAuth server beside it.
//!
//! Plain HTTP on 127.0.0.1. What it holds can be changed while it runs, and it keeps every request.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use musterd::scim::{evaluate, filter, schemas};
use serde_json::{Value, json};

/// What the service lets in by, unless it gives tokens out itself.
pub(crate) const TOKEN: &str = "token-of-the-fake";
/// Who gets tokens, and by what.
pub(crate) const CLIENT: (&str, &str) = ("musterd", "secret-of-the-client");

/// What filters come to.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Filters {
    Work,
    AreIgnored,
    /// Refused with `invalidFilter`.
    AreRefused,
    FindNothing,
}

/// What the service holds and how it behaves.
pub(crate) struct Service {
    pub(crate) users: Vec<Value>,
    pub(crate) groups: Vec<Value>,
    /// What it says of itself; null: it says nothing.
    pub(crate) config: Value,
    /// The most resources of a page.
    pub(crate) page_max: usize,
    pub(crate) filters: Filters,
    /// `totalResults` in place of the truth; null: it is left out.
    pub(crate) total: Option<Value>,
    pub(crate) ignores_start: bool,
    pub(crate) leaves_out_members: bool,
    pub(crate) has_etags: bool,
    /// Answers that come instead, each to the next request whose target holds the text.
    pub(crate) script: VecDeque<(&'static str, Reply)>,
    /// What happens to the service before the next list is answered.
    pub(crate) before_list: VecDeque<Change>,
    /// Tokens that let in; the OAuth server adds to them.
    pub(crate) tokens: Vec<String>,
    pub(crate) expires_in: u64,
    /// The OAuth server wants name and secret in the body.
    pub(crate) secret_in_body: bool,
}

pub(crate) type Change = Box<dyn FnOnce(&mut Service) + Send>;

/// An answer as it is written.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) delay: Duration,
    /// Only the first half of the body comes, and then the end.
    pub(crate) cut: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl ToString) -> Self {
        Self { status, body: body.to_string(), ..Self::default() }
    }

    /// A refusal in SCIM's form.
    pub(crate) fn error(status: u16, kind: &str, detail: &str) -> Self {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
        let body = json!({"schemas": schemas, "status": status.to_string(), "scimType": kind, "detail": detail});
        Self::new(status, body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) authorization: String,
    pub(crate) if_none_match: String,
    pub(crate) body: String,
}

/// A running service; takes no more connections when dropped.
pub(crate) struct FakeScim {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    service: Mutex<Service>,
    asked: Mutex<Vec<Asked>>,
    ended: Mutex<bool>,
}

/// A user who changed last on some day of 2026.
pub(crate) fn user(number: usize) -> Value {
    let name = format!("u{number:04}");
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": format!("ID-{number}"), "userName": name, "displayName": format!("User {name}"), "active": true,
        "emails": [{"value": format!("{name}@example.org"), "primary": true}],
        "meta": {"resourceType": "User", "lastModified": "2026-11-01T00:00:00Z"},
    })
}

/// A group with members of whom is not said what they are.
pub(crate) fn group(id: &str, name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "id": id, "displayName": name, "members": members,
        "meta": {"resourceType": "Group", "lastModified": "2026-11-01T00:00:00Z"},
    })
}

/// The resource, changed and dated at this time.
pub(crate) fn touch(resource: &mut Value, at: &str, attribute: &str, value: Value) {
    resource[attribute] = value;
    resource["meta"]["lastModified"] = at.into();
}

impl Service {
    /// So many users, and nothing unusual.
    pub(crate) fn with_users(count: usize) -> Self {
        Self {
            users: (1..=count).map(user).collect(),
            groups: Vec::new(),
            config: json!({"filter": {"supported": true, "maxResults": 1000}}),
            page_max: 1000,
            filters: Filters::Work,
            total: None,
            ignores_start: false,
            leaves_out_members: false,
            has_etags: false,
            script: VecDeque::new(),
            before_list: VecDeque::new(),
            tokens: vec![TOKEN.to_owned()],
            expires_in: 3600,
            secret_in_body: false,
        }
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        if let Some(at) = self.script.iter().position(|(text, _)| asked.target.contains(text)) {
            return self.script.remove(at).unwrap().1;
        }
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        if path == "/token" {
            return self.give_token(asked);
        }
        let token = asked.authorization.strip_prefix("Bearer ").unwrap_or_default();
        if !self.tokens.iter().any(|known| known == token) {
            return Reply::error(401, "", &format!("{token} is no token"));
        }
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match path {
            "/v2/ServiceProviderConfig" if self.config.is_null() => Reply::error(404, "", "no"),
            "/v2/ServiceProviderConfig" => Reply::new(200, &self.config),
            "/v2/Users" | "/v2/Groups" => self.list(path.ends_with("Users"), &parameters, asked),
            _ => {
                let (kind, id) = path.trim_start_matches("/v2/").split_once('/').unwrap_or_default();
                let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
                let all = if kind == "Users" { &self.users } else { &self.groups };
                match all.iter().find(|one| one["id"] == *id) {
                    Some(found) => Reply::new(200, found),
                    None => Reply::error(404, "", "no"),
                }
            }
        }
    }

    fn give_token(&mut self, asked: &Asked) -> Reply {
        let basic = data_encoding::BASE64.encode(format!("{}:{}", CLIENT.0, CLIENT.1).as_bytes());
        let form: Vec<(String, String)> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
        let said = |name: &str| form.iter().any(|(key, value)| key == name && value == CLIENT.1);
        let right =
            if self.secret_in_body { said("client_secret") } else { asked.authorization == format!("Basic {basic}") };
        if !right || !asked.body.contains("grant_type=client_credentials") {
            let body = json!({"error": "invalid_client", "error_description": format!("not {}", CLIENT.1)});
            return Reply::new(401, body);
        }
        let token = format!("given-{}", self.tokens.len());
        self.tokens.push(token.clone());
        Reply::new(200, json!({"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}))
    }

    fn list(&mut self, users: bool, parameters: &[(String, String)], asked: &Asked) -> Reply {
        if let Some(change) = self.before_list.pop_front() {
            change(self);
        }
        let said = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (all, kind) = if users { (&self.users, schemas::user()) } else { (&self.groups, schemas::group()) };
        let found: Vec<Value> = match (said("filter"), self.filters) {
            (None, _) | (_, Filters::AreIgnored) => all.clone(),
            (Some(_), Filters::AreRefused) => return Reply::error(400, "invalidFilter", "not by that"),
            (Some(_), Filters::FindNothing) => Vec::new(),
            (Some(text), Filters::Work) => {
                let matcher = evaluate::Matcher::new(&filter::parse(text).unwrap(), kind).unwrap();
                all.iter().filter(|one| matcher.matches(one.as_object().unwrap())).cloned().collect()
            }
        };
        let count: usize = said("count").map_or(100, |count| count.parse().unwrap()).min(self.page_max);
        let (start, by_cursor) = match said("cursor") {
            Some("") => (0, true),
            Some(cursor) => (cursor.trim_start_matches("at-").parse().unwrap(), true),
            None => (said("startIndex").map_or(1, |start| start.parse::<usize>().unwrap()).max(1) - 1, false),
        };
        let start = if self.ignores_start { 0 } else { start };
        let mut page: Vec<Value> = found.iter().skip(start).take(count).cloned().collect();
        if self.leaves_out_members {
            page.iter_mut().for_each(|one| drop(one.as_object_mut().unwrap().remove("members")));
        }
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": self.total.clone().unwrap_or(json!(found.len())), "Resources": page,
        });
        if by_cursor && start + page.len() < found.len() {
            body["nextCursor"] = format!("at-{}", start + page.len()).into();
        }
        let etag = format!("W/\"{:08x}\"", crc32fast::hash(body.to_string().as_bytes()));
        if !self.has_etags {
            return Reply::new(200, body);
        }
        if asked.if_none_match == etag {
            return Reply::new(304, "");
        }
        Reply::new(200, body).with("etag", etag)
    }
}

impl FakeScim {
    pub(crate) fn start(service: Service) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/v2", listener.local_addr().unwrap());
        let shared = Shared { service: Mutex::new(service), asked: Mutex::default(), ended: Mutex::default() };
        let shared = Arc::new(shared);
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *of_thread.ended.lock().unwrap() {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, shared }
    }

    /// The URL of the OAuth server beside it.
    pub(crate) fn token_url(&self) -> String {
        self.url.replace("/v2", "/token")
    }

    /// Changes what the service holds.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Service) -> T) -> T {
        change(&mut self.shared.service.lock().unwrap())
    }

    /// The next request whose target holds the text gets this.
    pub(crate) fn reply(&self, text: &'static str, reply: Reply) {
        self.change(|service| service.script.push_back((text, reply)));
    }

    /// Everything that was asked so far, or since this was called the last time.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// The targets among them, decoded.
    pub(crate) fn take_targets(&self) -> Vec<String> {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.take().iter().map(|asked| decode(&asked.target)).collect()
    }
}

impl Drop for FakeScim {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap() = true;
        // Wakes up whoever waits for a connection.
        let address = self.url.trim_start_matches("http://").trim_end_matches("/v2").to_owned();
        drop(TcpStream::connect(address));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(asked) = next_request(&mut stream, &mut buffer) {
        shared.asked.lock().unwrap().push(asked.clone());
        let reply = shared.service.lock().unwrap().answer(&asked);
        std::thread::sleep(reply.delay);
        let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if reply.status != 304 {
            head.push_str(&format!("content-type: application/scim+json\r\ncontent-length: {}\r\n", reply.body.len()));
        }
        let body = if reply.cut { &reply.body[..reply.body.len() / 2] } else { &reply.body };
        if stream.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() || reply.cut {
            return;
        }
    }
}

/// The next request that comes, whatever it came by.
pub(crate) fn next_request(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Option<Asked> {
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
                line.map(|line| line[name.len() + 1..].trim().to_owned()).unwrap_or_default()
            };
            let length: usize = header("content-length").parse().unwrap_or_default();
            if rest.len() >= length {
                let mut words = head.split_whitespace();
                let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
                let asked = Asked {
                    method,
                    target,
                    authorization: header("authorization"),
                    if_none_match: header("if-none-match"),
                    body: rest[..length].to_owned(),
                };
                buffer.drain(..head.len() + 4 + length);
                return Some(asked);
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => buffer.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}
