//! How fast a full outbox is handed to a mail server on this machine, beside bare lettre with its pool and the same mails;
//! and how long a code takes that is asked for meanwhile.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use musterd::base::clock::{Clock, plus};
use musterd::base::rng::Rng;
use musterd::directory::message::{Body, Message, OneTimeCode, Via};
use musterd::notify::dispatch::Outbox;
use musterd::notify::mail::Mail;
use musterd::notify::settings::{MailTls, Settings};
use musterd::store::tx::Tx;
use musterd::store::{Store, StoreError, outbox};

use crate::Figure;

const MAILS: usize = 3_000;
const ROUNDS: usize = 3;
/// Messages of one commit.
const CHUNK: usize = 500;
const CODE: &str = "code@example.org";

pub(crate) fn figures() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut ours, mut bare, mut code) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let sink = Sink::start();
        let (took, code_took) = runtime.block_on(by_outbox(&sink));
        let mails = sink.mails();
        let addresses: BTreeSet<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
        assert_eq!((mails.len(), addresses.len()), (MAILS + 1, MAILS + 1), "none is lost, none comes twice");
        ours.push(took);
        code.push(code_took);
        let other = Sink::start();
        bare.push(runtime.block_on(by_lettre(&other, mails)));
        assert_eq!(other.mails().len(), MAILS + 1);
    }
    let (ours, bare, code) = (median(ours), median(bare), median(code));
    let rate = |took: Duration| MAILS as f64 / took.as_secs_f64();
    vec![
        Figure {
            what: format!("{MAILS} mails of the outbox handed to a loopback SMTP server, store on disk"),
            ours: format!("{:.0}/s", rate(ours)),
            other: format!("{:.0}/s bare lettre, the same mails ready made", rate(bare)),
            ratio: rate(ours) / rate(bare),
            goal: "at least 300/s, none lost, none doubled".to_owned(),
            met: rate(ours) >= 300.0,
        },
        Figure {
            what: "a code that is asked for while they leave: from its commit to the server".to_owned(),
            ours: format!("{:.0} ms", code.as_secs_f64() * 1e3),
            other: format!("{:.0} ms the whole outbox", ours.as_secs_f64() * 1e3),
            ratio: code.as_secs_f64() / ours.as_secs_f64(),
            goal: "under 250 ms".to_owned(),
            met: code < Duration::from_millis(250),
        },
    ]
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn message(to: &str, body: Body, now: Timestamp) -> Message {
    let message = Message::to_address(to, body, now, plus(now, Duration::from_secs(3_600)));
    Message { name: "Ada Lovelace".to_owned(), ..message }
}

/// How long the whole outbox takes, and a code that is put into it meanwhile.
async fn by_outbox(sink: &Sink) -> (Duration, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        musterd::store::Settings { folder: folder.path().join("data"), ..musterd::store::Settings::default() };
    let store = Arc::new(Store::open(&settings, Clock::system(), Rng::system()).unwrap());
    for first in (0..MAILS).step_by(CHUNK) {
        let fill = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let to = |n: usize| format!("ada{n}@example.org");
            let now = tx.now();
            (first..first + CHUNK)
                .try_for_each(|n| outbox::push(tx, &message(&to(n), Body::PasswordChanged, now)).map(drop))
        };
        store.write(fill).await.unwrap();
    }
    let mail = Settings {
        host: "127.0.0.1".to_owned(),
        port: sink.port,
        tls: MailTls::None,
        from: "directory@example.org".to_owned(),
        ..Settings::default()
    };
    let way = Arc::new(Mail::new(&mail).unwrap());
    let dispatcher = Outbox::new(store.clone()).with(Via::Mail, Some(way), mail.connections);
    let start = Instant::now();
    let ask = async {
        while sink.count() < MAILS / 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let code = Body::Code { via: Via::Mail, code: OneTimeCode::new("918273"), minutes: 5 };
        let push = move |tx: &mut Tx<'_>| outbox::push(tx, &message(CODE, code.clone(), tx.now()));
        store.write(push).await.unwrap();
        Instant::now()
    };
    let send = async { while dispatcher.dispatch().await.unwrap().waiting > 0 {} };
    let (asked, ()) = tokio::join!(ask, send);
    let took = start.elapsed();
    let arrived = sink.mails().into_iter().find(|mail| mail.to == CODE).unwrap().at;
    (took, arrived.saturating_duration_since(asked))
}

/// How long bare lettre takes for the same, with as many connections.
async fn by_lettre(sink: &Sink, mails: Vec<Taken>) -> Duration {
    let connections = Settings::default().connections;
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.port)
        .pool_config(PoolConfig::new().max_size(u32::try_from(connections).unwrap()))
        .build::<Tokio1Executor>();
    let start = Instant::now();
    let queue = Arc::new(Mutex::new(mails));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (transport, queue) = (transport.clone(), queue.clone());
        senders.spawn(async move {
            loop {
                let next = queue.lock().unwrap().pop();
                let Some(mail) = next else { return };
                let from = Some("directory@example.org".parse().unwrap());
                let envelope = Envelope::new(from, vec![mail.to.parse().unwrap()]).unwrap();
                transport.send_raw(&envelope, &mail.bytes).await.unwrap();
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    start.elapsed()
}

/// A mail as the server took it.
#[derive(Clone)]
struct Taken {
    to: String,
    bytes: Vec<u8>,
    at: Instant,
}

/// A mail server that takes everything; a thread for each connection.
struct Sink {
    port: u16,
    mails: Arc<Mutex<Vec<Taken>>>,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Arc::<Mutex<Vec<Taken>>>::default();
        let kept = mails.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || talk(&stream.unwrap(), &kept));
            }
        });
        Self { port, mails }
    }

    fn count(&self) -> usize {
        self.mails.lock().unwrap().len()
    }

    fn mails(&self) -> Vec<Taken> {
        self.mails.lock().unwrap().clone()
    }
}

fn talk(stream: &TcpStream, kept: &Mutex<Vec<Taken>>) {
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut say = |text: &str| writer.write_all(text.as_bytes()).is_ok();
    let (mut line, mut to) = (String::new(), String::new());
    say("220 sink\r\n");
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        if verb == "RCPT" {
            line.split_once('<').unwrap().1.split_once('>').unwrap().0.clone_into(&mut to);
        }
        if verb == "DATA" {
            say("354 go on\r\n");
            let bytes = read_text(&mut reader);
            kept.lock().unwrap().push(Taken { to: to.clone(), bytes, at: Instant::now() });
        }
        let answer = match verb.as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 OK\r\n",
        };
        if !say(answer) || verb == "QUIT" {
            return;
        }
    }
}

/// The lines of a text up to the one that is a dot.
fn read_text(reader: &mut impl BufRead) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let begin = bytes.len();
        reader.read_until(b'\n', &mut bytes).unwrap();
        if bytes[begin..] == *b".\r\n" {
            bytes.truncate(begin);
            return bytes;
        }
        if bytes[begin..].starts_with(b"..") {
            bytes.remove(begin);
        }
    }
}
