//! A message centre of another make (smpp34), and one that falls silent.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use musterd::base::secret::Secret;
use musterd::notify::sms::Sent;
use musterd::notify::sms::settings::{Kind, Provider, Smpp};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::{CODE, code_to, provider, said, sms};
use musterd::notify::channel::Channel;

struct Centre {
    child: Child,
    port: u16,
    file: tempfile::NamedTempFile,
}

impl Centre {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(root.join("tests/.cache/venv/bin/python"))
            .arg(root.join("tests/it/harness/sms_peers.py"))
            .arg("smpp")
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests' own python runs; tests/run makes it");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().expect("sms_peers.py prints its port"), file }
    }

    /// The texts that it took, oldest first.
    fn texts(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn at(port: u16, ucs2: bool) -> Provider {
    let smpp = Smpp {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        system_id: "directory".to_owned(),
        password: Secret::new("hunter2"),
        system_type: String::new(),
        from: "Example".to_owned(),
        ucs2,
    };
    Provider { timeout: Duration::from_secs(3), ..provider("carrier", Kind::Smpp(smpp)) }
}

fn bytes(text: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text["bytes"].as_str().unwrap().as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_takes_a_code_in_one_part_or_in_several_that_belong_together() {
    let centre = Centre::start();
    for ucs2 in [false, true] {
        sms(vec![at(centre.port, ucs2)]).deliver(&code_to("+31612345600")).await.unwrap();
    }
    let texts = centre.texts();
    assert_eq!(texts.len(), 3, "one part, and two: {texts:?}");
    assert_eq!((&texts[0]["source_addr"], &texts[0]["source_addr_ton"]), (&"Example".into(), &5.into()));
    assert_eq!((&texts[0]["destination_addr"], &texts[0]["dest_addr_ton"]), (&"31612345600".into(), &1.into()));
    assert_eq!((&texts[0]["data_coding"], &texts[0]["esm_class"]), (&0.into(), &0.into()));
    // GSM 03.38 writes @ as 0.
    let gsm = String::from_utf8(bytes(&texts[0])).unwrap().replace('\0', "@");
    assert!(gsm.starts_with(CODE) && gsm.ends_with("\n\n@id.example.org #918273"), "{gsm:?}");
    let mut whole = Vec::new();
    for (part, text) in (1..).zip(&texts[1..]) {
        assert_eq!((&text["data_coding"], &text["esm_class"]), (&8.into(), &0x40.into()));
        let bytes = bytes(text);
        // 3GPP TS 23.040 §9.2.3.24.1: five more bytes, concatenation, three more: reference, parts, this part.
        assert_eq!((&bytes[..3], &bytes[4..6]), (&[5, 0, 3][..], &[2, part][..]));
        assert!(bytes.len() <= 140);
        whole.extend(bytes[6..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])));
    }
    assert_eq!(String::from_utf16(&whole).unwrap(), gsm);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_centre_refuses_was_not_sent() {
    let centre = Centre::start();
    for (number, retry, word) in [("+31612345698", false, "EsmeRinvdstadr"), ("+31612345699", true, "EsmeRmsgqful")] {
        let error = sms(vec![at(centre.port, false)]).deliver(&code_to(number)).await.unwrap_err();
        assert!(error.retry == retry && error.text.contains(word), "{error}");
        assert!(!error.text.contains(CODE) && !error.text.contains(&number[1..]), "{error}");
    }
    assert!(centre.texts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_text_has_left_a_failure_is_certain() {
    // Nobody; somebody who says nothing to the bind; somebody who speaks something else.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = said(at(gone, false)).await.unwrap_err();
    assert!(error.sent == Sent::No && error.retryable, "{error}");
    for noise in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0xff; 64], &[0, 0, 0, 4, 0, 0, 0, 0]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(tokio::io::AsyncWriteExt::write_all(&mut stream, noise).await);
            drop(stream.read_to_end(&mut Vec::new()).await);
        });
        let error = said(Provider { timeout: Duration::from_secs(1), ..at(port, false) }).await.unwrap_err();
        assert!(error.sent == Sent::No, "{noise:?}: {error}");
    }
}
