//! Every kind of mail in every language and form, as golden files; what people typed stays what they typed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::facts::samples;
use super::shipped::KINDS;
use super::*;
use crate::directory::language::Language;
use crate::directory::message::{Body, Message, Via};

fn templates() -> Templates {
    Templates::load(None).unwrap_or_else(|faults| panic!("{}", faults.join("\n")))
}

fn message(name: &str, body: Body) -> Message {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    Message { name: name.to_owned(), ..Message::to_address("ada@example.org", body, at, at) }
}

fn words(message: &Message) -> Words {
    templates().words(message, &Voice::default()).unwrap()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/templates/golden")
}

/// To write them: `MUSTERD_BLESS=1 cargo nextest run --lib golden`.
#[test]
fn every_mail_is_as_its_golden_file_and_every_golden_file_is_of_a_mail() {
    let (templates, bless) = (templates(), std::env::var_os("MUSTERD_BLESS").is_some());
    let mut seen = BTreeSet::new();
    let mut differing = Vec::new();
    for language in Language::ALL {
        for kind in KINDS {
            // The last sample without a name, and the first with one: both greetings stand in the golden files.
            let of_kind: Vec<_> = samples().into_iter().filter(|sample| sample.body.kind() == *kind).collect();
            for (form, sample) in
                [("txt", of_kind.first()), ("html", of_kind.first()), ("nameless.txt", of_kind.last())]
            {
                let sample = Message { language: Some(*language), ..sample.unwrap().clone() };
                let words = templates.words(&sample, &Voice::default()).unwrap();
                let said = match form {
                    "html" => words.html,
                    _ => format!("Subject: {}\n\n{}", words.subject, words.text),
                };
                let name = format!("{}.{kind}.{form}", language.tag());
                let path = golden().join(&name);
                if bless {
                    std::fs::write(&path, &said).unwrap();
                }
                if std::fs::read_to_string(&path).ok().as_ref() != Some(&said) {
                    differing.push(format!("{name}:\n{said}"));
                }
                seen.insert(name);
            }
        }
    }
    assert!(differing.is_empty(), "not as the golden files:\n{}", differing.join("\n"));
    let there: BTreeSet<_> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(there, seen, "golden files that nothing looks at");
}

/// The kinds are read from where they are named: who adds one finds out here what it needs.
#[test]
fn every_kind_of_message_has_templates_but_those_that_no_person_reads() {
    let source = include_str!("../../directory/message.rs");
    let named = source.split("fn kind(&self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let named: BTreeSet<&str> = named.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let of_samples: BTreeSet<&str> = samples().iter().map(|sample| sample.body.kind()).collect();
    let shipped: BTreeSet<&str> = KINDS.iter().copied().collect();
    assert_eq!(of_samples, shipped);
    let others: Vec<_> = named.difference(&shipped).copied().collect();
    assert_eq!(others, ["event", "forget_face"], "they need templates, or are for no person");
}

#[test]
fn a_code_stands_first_and_in_no_subject() {
    let body = Body::Code { via: Via::Mail, code: OneTimeCode::new("918273"), minutes: 5 };
    let voice = Voice { product: Product::new("Example\nInc", None), ..Voice::default() };
    let words = templates().words(&message("Ada", body), &voice).unwrap();
    assert!(words.text.starts_with("918273 is your code for Example Inc.\n"), "{}", words.text);
    assert!(words.text.contains("never share") && !words.text.contains("http"), "{}", words.text);
    assert!(!words.subject.contains("918273"));
}

#[test]
fn a_text_to_a_phone_ends_with_the_line_that_binds_the_code_to_its_page() {
    let code = OneTimeCode::new("918273");
    let text = |host| text_message(&code, 5, &Product::new("Example", host)).expose().to_owned();
    let said = "918273 is your code for Example. It is good for 5 minutes. Never share it.";
    assert_eq!(text(Some("id.example.org")), format!("{said}\n\n@id.example.org #918273"));
    for none in [None, Some(""), Some("127.0.0.1"), Some("::1"), Some("a b")] {
        assert_eq!(text(none), said, "{none:?}");
    }
    assert!(text(Some("id.example.org")).len() <= 160);
}

/// What browsers show for the escapes that pages use.
fn unescaped(html: &str) -> String {
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&#x27;", "'"), ("&quot;", "\""), ("&#x2f;", "/"), ("&amp;", "&")];
    escapes.iter().fold(html.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

const TYPED: [&str; 10] =
    ["{{7*7}}", "{% if x %}", "${HOME}", "{name}", "{}", "%s%n", "$(id)", "<b>Ada</b>&amp;\"'", "\\n", "Zoë 王"];

#[test]
fn what_a_user_typed_stays_as_it_is() {
    let templates = templates();
    for typed in TYPED {
        for language in Language::ALL {
            let bodies = [
                Body::PasswordElsewhere { source: typed.to_owned() },
                Body::RunFailed { of: typed.to_owned(), why: typed.to_owned() },
                Body::Alarm { cause: "x".to_owned(), detail: typed.to_owned() },
            ];
            for body in bodies {
                let message = Message { language: Some(*language), ..message(typed, body) };
                let words = templates.words(&message, &Voice::default()).unwrap();
                let times = if message.body.kind() == "run_failed" { 3 } else { 2 };
                assert!(words.text.matches(typed).count() >= times, "{typed}: {}", words.text);
                assert!(unescaped(&words.html).matches(typed).count() >= times, "{typed}: {}", words.html);
                assert!(!words.html.contains("<b>") && !words.subject.contains(typed), "{typed}: {}", words.html);
            }
        }
    }
}

#[test]
fn a_link_stands_alone_on_its_line_and_in_a_page_as_what_it_leads_to() {
    let url = "https://id.example.org/{{7*7}}?a=${b}&c=%7B\"><script>";
    let words = words(&message("Ada", Body::SetPassword { url: url.to_owned() }));
    assert!(words.text.contains(&format!("\n\n    {url}\n\n")), "{}", words.text);
    let (leads_to, rest) = words.html.split_once("href=\"").unwrap().1.split_once('"').unwrap();
    let shown = rest.split_once('>').unwrap().1.split_once("</a>").unwrap().0;
    assert_eq!((leads_to, unescaped(leads_to)), (shown, url.to_owned()));
    assert!(!words.html.contains("<script"), "{}", words.html);
    let script = message("Ada", Body::SetPassword { url: "javascript:alert(1)".to_owned() });
    let refused = templates().words(&script, &Voice::default()).err().unwrap();
    assert!(refused.contains("http") && !refused.contains("alert"), "{refused}");
}

#[test]
fn a_name_cannot_begin_a_line_or_turn_the_text() {
    let evil = "Ada\r\n.\r\nBcc: eve@example.org\u{2028}x\u{202e}y\u{0}z\u{1b}[2J";
    let words = words(&message(evil, Body::PasswordChanged));
    assert!(words.text.starts_with("Hello Ada . Bcc: eve@example.org x y z [2J,\n\n"), "{:?}", words.text);
    for part in [&words.text, &words.html] {
        assert!(!part.contains(['\r', '\u{202e}', '\u{2028}', '\u{0}', '\u{1b}']), "{part:?}");
    }
}

#[test]
fn a_page_loads_nothing_and_says_its_language() {
    let templates = templates();
    for language in Language::ALL {
        for sample in samples() {
            let sample = Message { language: Some(*language), ..sample };
            let words = templates.words(&sample, &Voice::default()).unwrap();
            assert!(words.html.contains(&format!("<html lang=\"{}\">", language.tag())));
            for loading in ["src=", "url(", "<img", "<script", "<link", "@import"] {
                assert!(!words.html.contains(loading), "{loading} in {}", words.html);
            }
            assert!(!words.html.contains("{{") || words.html.contains("{{7*7}}"), "{}", words.html);
            assert!(words.text.lines().all(|line| line.chars().count() <= 120), "{}", words.text);
        }
    }
}

/// A folder with these templates of an operator.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn a_template_of_the_operator_wins_and_the_others_stay() {
    let own = "Subject: Hi\n{% extends \"layout.txt\" %}{% block said %}Ours: {{ url }}{% endblock %}";
    let folder = folder(&[("en/set_password.txt", own), ("en/.set_password.txt.swp", "x"), ("en/layout.html", "<p>")]);
    let templates = Templates::load(Some(folder.path())).unwrap_or_else(|faults| panic!("{faults:?}"));
    let body = || Body::SetPassword { url: "https://id.example.org/a".to_owned() };
    let words = |message: Message| templates.words(&message, &Voice::default()).unwrap();
    let english = words(message("Ada", body()));
    assert_eq!(english.subject, "Hi");
    assert!(english.text.starts_with("Hello Ada,\n\nOurs: https://id.example.org/a\n"), "{}", english.text);
    assert_eq!(english.html, "<p>");
    let chinese = words(Message { language: Some(Language::SimplifiedChinese), ..message("王", body()) });
    assert_eq!((chinese.language, chinese.subject.as_str()), (Language::SimplifiedChinese, "设置您的密码"));
    assert!(chinese.text.starts_with("王，您好：\n"), "{}", chinese.text);
}

#[test]
fn every_fault_of_a_template_is_named_with_its_file_and_line_and_nothing_is_applied() {
    let text = |body: &str| format!("Subject: Hi\n{body}");
    let cases: [(&str, String, &[&str]); 14] = [
        ("en/code.txt", text("one\n{{ code }\n"), &["en/code.txt:3:", "syntax error"]),
        ("en/code.txt", text("{% if minutes %}"), &["en/code.txt:", "syntax error"]),
        (
            "en/code.html",
            "<p>\n{{ coed }}".to_owned(),
            &["en/code.html:2:", "\"coed\"", "code, language, minutes, name"],
        ),
        ("en/code.html", "{% if minutes > 60 %}{{ hours }}{% endif %}".to_owned(), &["code.html:1:", "\"hours\""]),
        (
            "en/layout.html",
            "{{ code }}".to_owned(),
            &["layout.html:1:", "\"code\"", "language, name, product, subject"],
        ),
        (
            "zh-Hans/accounts_expire.txt",
            text("{% for a in accounts %}{{ a.age }}{% endfor %}"),
            &["accounts_expire.txt:2:"],
        ),
        ("en/code.txt", "{{ code }}".to_owned(), &["code.txt:1:", "Subject:"]),
        ("en/code.txt", "Subject: {{ code }}\nx".to_owned(), &["code.txt:1:", "Subject:"]),
        ("en/code.txt", text("{% include \"../../secret\" %}"), &["code.txt:2:"]),
        (
            "en/code.txt",
            text("{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}"),
            &["fuel"],
        ),
        ("en/coed.txt", text("x"), &["en/coed.txt: is no template", "code.txt"]),
        ("de/code.txt", text("x"), &["/de: is no folder of a language", "en, zh-Hans"]),
        ("en/code.txt", "x".repeat(70_000), &["code.txt: is larger than 64 KiB"]),
        ("en/code.txt", text("{{ name.__class__ }}{{ code.secret.deep }}"), &["code.txt:2:"]),
    ];
    for (name, text, parts) in cases {
        let folder = folder(&[(name, &text)]);
        let faults = Templates::load(Some(folder.path())).err().unwrap_or_else(|| panic!("{name}: {text}")).join("\n");
        for part in parts {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
    }
    let missing = Templates::load(Some(Path::new("/nowhere/templates"))).err().unwrap();
    assert!(missing.join("\n").contains("/nowhere/templates: cannot be read"), "{missing:?}");
}
