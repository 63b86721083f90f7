//! An LDAP server inside the test, for what no honest server does: scripted answers, results out of place, limits of
//! Active Directory that Samba does not have, the semantics of 389.
//!
//! Plain LDAP on 127.0.0.1. What it holds can be changed while it runs, and it keeps every request. It speaks simple
//! bind, search (filters, paging, ranges of values), content synchronisation and DirSync; the answers of the last two
//! are scripted, one for each request. The crate that codes the messages writes the `newcookie` of a SyncInfo, which
//! only the persist stage has, otherwise than RFC 4533 says: do not script that one. It reads numbers without a sign: the
//! negative flag of DirSync that asks for changed values only is seen as `0x8000_0000`.

mod codec;
mod search;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedResponse, LdapIntermediateResponse, LdapMsg, LdapOp,
    LdapResult, LdapSearchRequest, SyncStateValue,
};
use ldap3_proto::{LdapPartialAttribute, LdapResultCode, LdapSearchResultEntry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};
use uuid::Uuid;

use codec::{Codec, Received};

/// What the server holds and how it behaves.
pub(crate) struct FakeDirectory {
    /// Attributes of the root entry (rootDSE).
    pub(crate) root: Entry,
    pub(crate) entries: Vec<Entry>,
    /// What a bind by this name gives. The name of nobody else is known, but for the anonymous one.
    pub(crate) binds: BTreeMap<String, Bind>,
    /// The most entries of one answer: a page is never larger, and a search without paging ends with code 4.
    pub(crate) size_limit: Option<usize>,
    /// The most values of an attribute in one answer; the rest is had by asking for ranges.
    pub(crate) value_limit: Option<usize>,
    /// Every range of values is said to be the first one, with more to come.
    pub(crate) stuck_ranges: bool,
    /// What searches with a synchronisation control get, in order; without one left, code 12.
    pub(crate) sync: VecDeque<SyncAnswer>,
    /// What searches with a DirSync control get, in order; without one left, code 12.
    pub(crate) dirsync: VecDeque<DirSyncAnswer>,
    /// Searches that go wrong, by their number: the first below anything but the root entry is 1.
    pub(crate) failures: BTreeMap<usize, Failure>,
    /// What happens when a connection comes, in order, such as a change of the server's identity.
    pub(crate) on_connect: VecDeque<Change>,
    /// Before the answer to each search.
    pub(crate) delay: Duration,
}

/// A change of a directory.
pub(crate) type Change = Box<dyn FnOnce(&mut FakeDirectory) + Send>;

/// An entry; the names of attributes are as they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// What a bind gives.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    /// Yes for this password, `data 52e` for another one.
    Password(String),
    /// This, whatever the password.
    Result(LdapResultCode, String),
}

/// What a search with a synchronisation control gets.
#[derive(Clone, Debug)]
pub(crate) struct SyncAnswer {
    pub(crate) messages: Vec<SyncMessage>,
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) refresh_deletes: bool,
    /// With anything but success no control comes along.
    pub(crate) code: LdapResultCode,
}

/// One message before the end of such an answer.
#[derive(Clone, Debug)]
pub(crate) enum SyncMessage {
    Entry(SyncStateValue, Uuid, Entry),
    Info(LdapIntermediateResponse),
}

/// What a search with a DirSync control gets.
#[derive(Clone, Debug)]
pub(crate) struct DirSyncAnswer {
    pub(crate) entries: Vec<Entry>,
    pub(crate) cookie: Vec<u8>,
    /// Is there more to be had?
    pub(crate) more: bool,
    /// With anything but success no control comes along.
    pub(crate) code: LdapResultCode,
}

/// A search that goes wrong after so many entries.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) after: usize,
    pub(crate) code: LdapResultCode,
    pub(crate) message: String,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The first connection is 1.
    pub(crate) connection: usize,
    pub(crate) operation: LdapOp,
    pub(crate) controls: Vec<LdapControl>,
}

/// A running server; ends when dropped.
pub(crate) struct FakeLdap {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    directory: Mutex<FakeDirectory>,
    requests: Mutex<Vec<Request>>,
    searches: Mutex<usize>,
}

impl Default for FakeDirectory {
    /// An empty server of no kind: it knows paging, and everybody may read.
    fn default() -> Self {
        let paging = ("supportedControl", "1.2.840.113556.1.4.319");
        Self {
            root: Entry::new("", &[("objectClass", "top"), paging]),
            entries: Vec::new(),
            binds: BTreeMap::new(),
            size_limit: None,
            value_limit: None,
            stuck_ranges: false,
            sync: VecDeque::new(),
            dirsync: VecDeque::new(),
            failures: BTreeMap::new(),
            on_connect: VecDeque::new(),
            delay: Duration::ZERO,
        }
    }
}

impl FakeDirectory {
    /// An empty Active Directory of the domain `DC=example,DC=test`, with its limits.
    pub(crate) fn active_directory() -> Self {
        let mut directory = Self { size_limit: Some(1000), value_limit: Some(1500), ..Self::default() };
        let server = "CN=DC1,CN=Servers,CN=Default,CN=Sites,CN=Configuration,DC=example,DC=test";
        let settings = format!("CN=NTDS Settings,{server}");
        directory.root = Entry::new(
            "",
            &[
                ("supportedCapabilities", "1.2.840.113556.1.4.800"),
                ("supportedControl", "1.2.840.113556.1.4.319"),
                ("supportedControl", "1.2.840.113556.1.4.417"),
                ("supportedControl", "1.2.840.113556.1.4.841"),
                ("defaultNamingContext", "DC=example,DC=test"),
                ("rootDomainNamingContext", "DC=example,DC=test"),
                ("configurationNamingContext", "CN=Configuration,DC=example,DC=test"),
                ("dnsHostName", "dc1.example.test"),
                ("serverName", server),
                ("dsServiceName", &settings),
                ("highestCommittedUSN", "1000"),
            ],
        );
        directory.entries = vec![
            Entry::new("DC=example,DC=test", &[("objectClass", "domainDNS")]),
            Entry::new(&settings, &[("objectClass", "nTDSDSA")]).with("invocationId", vec![vec![0xd1; 16]]),
        ];
        directory
    }

    /// An empty 389 Directory Server.
    pub(crate) fn ds389() -> Self {
        let mut directory = Self::default();
        directory.root.set("vendorName", &["389 Project"]);
        directory.root.set("vendorVersion", &["389-Directory/2.3.1"]);
        directory.root.set("namingContexts", &["dc=example,dc=org"]);
        directory.root.set("supportedControl", &["1.2.840.113556.1.4.319", "1.3.6.1.4.1.4203.1.9.1.1"]);
        directory.entries = vec![Entry::new("dc=example,dc=org", &[("objectClass", "domain")])];
        directory
    }

    /// The entry with this DN.
    pub(crate) fn entry(&mut self, dn: &str) -> &mut Entry {
        let wanted = search::normal(dn);
        self.entries.iter_mut().find(|entry| search::normal(&entry.dn) == wanted).expect("the entry is there")
    }
}

impl Entry {
    /// An entry with these texts; a name may come several times.
    pub(crate) fn new(dn: &str, attributes: &[(&str, &str)]) -> Self {
        let mut entry = Self { dn: dn.to_owned(), attributes: Vec::new() };
        for (name, value) in attributes {
            let value = value.as_bytes().to_vec();
            match entry.attributes.iter_mut().find(|(there, _)| there == name) {
                Some((_, values)) => values.push(value),
                None => entry.attributes.push(((*name).to_owned(), vec![value])),
            }
        }
        entry
    }

    /// The same with an attribute of these bytes.
    pub(crate) fn with(mut self, name: &str, values: Vec<Vec<u8>>) -> Self {
        self.attributes.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self.attributes.push((name.to_owned(), values));
        self
    }

    /// Gives an attribute these texts; none takes it away.
    pub(crate) fn set(&mut self, name: &str, values: &[&str]) {
        self.attributes.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        if !values.is_empty() {
            let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
            self.attributes.push((name.to_owned(), values));
        }
    }

    fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(there, _)| there.eq_ignore_ascii_case(name));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }
}

impl Bind {
    /// A refusal of Active Directory with one of its numbers, such as `52e` or `533`.
    pub(crate) fn refused(data: &str) -> Self {
        let text =
            format!("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563");
        Self::Result(LdapResultCode::InvalidCredentials, text)
    }
}

impl SyncAnswer {
    /// These messages and success.
    pub(crate) fn new(messages: Vec<SyncMessage>, cookie: Option<&str>, refresh_deletes: bool) -> Self {
        let cookie = cookie.map(|cookie| cookie.as_bytes().to_vec());
        Self { messages, cookie, refresh_deletes, code: LdapResultCode::Success }
    }

    /// Nothing but this code.
    pub(crate) fn failing(code: LdapResultCode) -> Self {
        Self { messages: Vec::new(), cookie: None, refresh_deletes: false, code }
    }
}

impl SyncMessage {
    pub(crate) fn add(id: Uuid, entry: Entry) -> Self {
        Self::Entry(SyncStateValue::Add, id, entry)
    }

    /// These are deleted, or, where `refresh_deletes` is false, these are still there.
    pub(crate) fn ids(syncuuids: Vec<Uuid>, refresh_deletes: bool) -> Self {
        Self::Info(LdapIntermediateResponse::SyncInfoIdSet { cookie: None, refresh_deletes, syncuuids })
    }
}

impl DirSyncAnswer {
    /// These entries, the last there are.
    pub(crate) fn last(entries: Vec<Entry>, cookie: &str) -> Self {
        Self { entries, cookie: cookie.as_bytes().to_vec(), more: false, code: LdapResultCode::Success }
    }

    /// Nothing but this code.
    pub(crate) fn failing(code: LdapResultCode) -> Self {
        Self { entries: Vec::new(), cookie: Vec::new(), more: false, code }
    }
}

impl FakeLdap {
    pub(crate) async fn start(directory: FakeDirectory) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            directory: Mutex::new(directory),
            requests: Mutex::default(),
            searches: Mutex::default(),
        });
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Ends its connections when it is dropped.
            let mut connections = JoinSet::new();
            for number in 1.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.spawn(connection(stream, Arc::clone(&of_task), number));
            }
        });
        Self { port, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// Changes what the server holds.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut FakeDirectory) -> T) -> T {
        change(&mut self.shared.directory.lock().unwrap())
    }

    /// Everything that was asked so far, or since this was called the last time.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    /// The searches among them that are not of the root entry.
    pub(crate) fn take_searches(&self) -> Vec<(LdapSearchRequest, Vec<LdapControl>)> {
        let searches = self.take_requests().into_iter().filter_map(|request| match request.operation {
            LdapOp::SearchRequest(search) if !search.base.is_empty() => Some((search, request.controls)),
            _ => None,
        });
        searches.collect()
    }
}

impl Drop for FakeLdap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>, number: usize) {
    let _ = stream.set_nodelay(true);
    {
        let mut directory = shared.directory.lock().unwrap();
        if let Some(change) = directory.on_connect.pop_front() {
            change(&mut directory);
        }
    }
    let (mut codec, mut buffer) = (Codec::default(), BytesMut::new());
    loop {
        match codec.decode(&mut buffer) {
            Ok(Some(received)) => {
                let Some((delay, answers)) = shared.answer(received, number) else { return };
                tokio::time::sleep(delay).await;
                let mut bytes = BytesMut::new();
                for answer in answers {
                    codec.encode(answer, &mut bytes).unwrap();
                }
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

impl Shared {
    /// The answer to a request and how long it takes; `None` ends the connection.
    fn answer(&self, received: Received, connection: usize) -> Option<(Duration, Vec<LdapMsg>)> {
        let Received { message: LdapMsg { msgid, op, ctrl }, has_long_flags } = received;
        self.requests.lock().unwrap().push(Request { connection, operation: op.clone(), controls: ctrl.clone() });
        let mut directory = self.directory.lock().unwrap();
        let (delay, answers) = match op {
            LdapOp::UnbindRequest => return None,
            LdapOp::AbandonRequest(_) => (Duration::ZERO, Vec::new()),
            LdapOp::BindRequest(request) => {
                let res = directory.bind(&request);
                (Duration::ZERO, vec![(LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }), Vec::new())])
            }
            LdapOp::SearchRequest(request) => {
                let failure = if request.base.is_empty() {
                    None
                } else {
                    let mut searches = self.searches.lock().unwrap();
                    *searches += 1;
                    directory.failures.get(&*searches).cloned()
                };
                let answers = if has_long_flags {
                    // Active Directory takes the flags of DirSync in four bytes only.
                    vec![done(LdapResultCode::UnavailableCriticalExtension, "the flags are longer than four bytes")]
                } else {
                    directory.search(&request, &ctrl, failure)
                };
                (directory.delay, answers)
            }
            _ => {
                let res = result(LdapResultCode::ProtocolError, "not known here");
                let refused = LdapExtendedResponse { res, name: None, value: None };
                (Duration::ZERO, vec![(LdapOp::ExtendedResponse(refused), Vec::new())])
            }
        };
        Some((delay, answers.into_iter().map(|(op, ctrl)| LdapMsg { msgid, op, ctrl }).collect()))
    }
}

/// An operation of an answer, with its controls.
type Answer = (LdapOp, Vec<LdapControl>);

impl FakeDirectory {
    fn bind(&self, request: &LdapBindRequest) -> LdapResult {
        let LdapBindCred::Simple(password) = &request.cred else {
            return result(LdapResultCode::AuthMethodNotSupported, "");
        };
        let known = self.binds.iter().find(|(name, _)| name.eq_ignore_ascii_case(&request.dn));
        let bind = match known {
            Some((_, bind)) => bind.clone(),
            None if request.dn.is_empty() => return result(LdapResultCode::Success, ""),
            None => Bind::refused("525"),
        };
        match bind {
            Bind::Password(right) if right == *password => result(LdapResultCode::Success, ""),
            Bind::Password(_) => match Bind::refused("52e") {
                Bind::Result(code, text) => result(code, &text),
                Bind::Password(_) => unreachable!("a refusal is a result"),
            },
            Bind::Result(code, text) => result(code, &text),
        }
    }

    fn search(
        &mut self,
        request: &LdapSearchRequest,
        controls: &[LdapControl],
        failure: Option<Failure>,
    ) -> Vec<Answer> {
        if let Some(failure) = failure {
            let found = self.found(request).unwrap_or_default();
            let some = found.iter().take(failure.after).map(|entry| self.sent(entry, &request.attrs));
            let mut answers: Vec<Answer> = some.collect();
            answers.push(done(failure.code, &failure.message));
            return answers;
        }
        for control in controls {
            match control {
                LdapControl::SyncRequest { .. } => return self.answer_sync(request),
                LdapControl::AdDirsync { .. } => return self.answer_dirsync(request),
                _ => {}
            }
        }
        let Some(found) = self.found(request) else { return vec![done(LdapResultCode::NoSuchObject, "")] };
        let page = controls.iter().find_map(|control| match control {
            LdapControl::SimplePagedResults { size, cookie } => Some((*size, cookie.as_slice())),
            _ => None,
        });
        let asked = usize::try_from(request.sizelimit).ok().filter(|limit| *limit > 0);
        match page {
            Some((size, cookie)) => self.page(&found, request, usize::try_from(size).unwrap(), cookie),
            None => {
                let limit = [asked, self.size_limit].into_iter().flatten().min().unwrap_or(usize::MAX);
                let mut answers: Vec<Answer> =
                    found.iter().take(limit).map(|entry| self.sent(entry, &request.attrs)).collect();
                let code =
                    if found.len() > limit { LdapResultCode::SizeLimitExceeded } else { LdapResultCode::Success };
                answers.push(done(code, ""));
                answers
            }
        }
    }

    /// The cookie is the place where the next page begins.
    fn page(&self, found: &[Entry], request: &LdapSearchRequest, size: usize, cookie: &[u8]) -> Vec<Answer> {
        let begin: usize = if cookie.is_empty() {
            0
        } else {
            match str::from_utf8(cookie).ok().and_then(|cookie| cookie.parse().ok()) {
                Some(begin) => begin,
                None => return vec![done(LdapResultCode::UnwillingToPerform, "this cookie is not one of ours")],
            }
        };
        let size = size.min(self.size_limit.unwrap_or(usize::MAX));
        let page = found.iter().skip(begin).take(size);
        let mut answers: Vec<Answer> = page.map(|entry| self.sent(entry, &request.attrs)).collect();
        let end = begin + answers.len();
        let cookie = if end < found.len() { end.to_string().into_bytes() } else { Vec::new() };
        let (done, _) = done(LdapResultCode::Success, "");
        answers.push((done, vec![LdapControl::SimplePagedResults { size: 0, cookie }]));
        answers
    }

    fn answer_sync(&mut self, request: &LdapSearchRequest) -> Vec<Answer> {
        let Some(scripted) = self.sync.pop_front() else {
            return vec![done(LdapResultCode::UnavailableCriticalExtension, "no synchronisation is scripted")];
        };
        let mut answers: Vec<Answer> = Vec::new();
        for message in scripted.messages {
            answers.push(match message {
                SyncMessage::Info(info) => (LdapOp::IntermediateResponse(info), Vec::new()),
                SyncMessage::Entry(state, entry_uuid, entry) => {
                    let (sent, _) = self.sent(&entry, &request.attrs);
                    (sent, vec![LdapControl::SyncState { state, entry_uuid, cookie: None }])
                }
            });
        }
        let control = LdapControl::SyncDone { cookie: scripted.cookie, refresh_deletes: scripted.refresh_deletes };
        answers.push(ended(scripted.code, control));
        answers
    }

    fn answer_dirsync(&mut self, request: &LdapSearchRequest) -> Vec<Answer> {
        let Some(scripted) = self.dirsync.pop_front() else {
            return vec![done(LdapResultCode::UnavailableCriticalExtension, "no DirSync is scripted")];
        };
        let mut answers: Vec<Answer> = scripted.entries.iter().map(|entry| self.sent(entry, &request.attrs)).collect();
        let (flags, cookie) = (i64::from(scripted.more), Some(scripted.cookie));
        answers.push(ended(scripted.code, LdapControl::AdDirsync { flags, max_bytes: 0, cookie }));
        answers
    }

    fn sent(&self, entry: &Entry, wanted: &[String]) -> Answer {
        let attributes = search::selected(entry, wanted, self.value_limit).into_iter().map(|(atype, vals)| match atype
            .split_once(";range=")
        {
            Some((name, _)) if self.stuck_ranges => {
                LdapPartialAttribute { atype: format!("{name};range=0-{}", vals.len() - 1), vals }
            }
            _ => LdapPartialAttribute { atype, vals },
        });
        let sent = LdapSearchResultEntry { dn: entry.dn.clone(), attributes: attributes.collect() };
        (LdapOp::SearchResultEntry(sent), Vec::new())
    }
}

fn result(code: LdapResultCode, text: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: text.to_owned(), referral: Vec::new() }
}

fn done(code: LdapResultCode, text: &str) -> Answer {
    (LdapOp::SearchResultDone(result(code, text)), Vec::new())
}

/// The end of a scripted answer; the control belongs to a success.
fn ended(code: LdapResultCode, control: LdapControl) -> Answer {
    let controls = if code == LdapResultCode::Success { vec![control] } else { Vec::new() };
    (LdapOp::SearchResultDone(result(code, "")), controls)
}
