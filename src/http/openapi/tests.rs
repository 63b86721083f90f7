//! The document is whole, and its wording is seen in reviews. To write it anew after a change:
//! `MUSTERD_BLESS=1 cargo nextest run --lib openapi`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::directory::plan::Along;
use crate::exchange::FileError;
use crate::http::problems;

fn described() -> BTreeSet<(String, &'static str)> {
    let operations = operations::areas().into_iter().flat_map(|area| area.operations);
    operations.map(|operation| (operation.method.to_string(), operation.path)).collect()
}

/// Compares a text with a file, or writes it.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("MUSTERD_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} is not what the code says: see the head of this file");
}

#[test]
fn every_route_of_the_api_is_described_and_nothing_else() {
    let table = routes::table();
    let of_the_api = table.iter().filter(|route| !route.access.is_scim() && !is_page(route.path));
    let routes: BTreeSet<_> = of_the_api.map(|route| (route.method.to_string(), route.path)).collect();
    let described = described();
    let missing: Vec<_> = routes.difference(&described).collect();
    let gone: Vec<_> = described.difference(&routes).collect();
    assert!(missing.is_empty(), "src/http/openapi/operations does not describe {missing:?}");
    assert!(gone.is_empty(), "src/http/openapi/operations describes what is no route: {gone:?}");
}

/// Pages for people stand outside of the API.
fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && !["/healthz", "/readyz", "/metrics", "/.well-known/jwks.json"].contains(&path)
}

#[test]
fn operation_ids_are_unique_and_codes_are_known() {
    let mut ids = BTreeSet::new();
    let document = document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
        }
    }
    for operation in operations::areas().into_iter().flat_map(|area| area.operations) {
        for code in operation.codes(crate::http::middleware::access::Access::Anonymous) {
            assert!(problems::find(code).is_some(), "{} {}: {code}", operation.method, operation.path);
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = document();
    let text = document.to_string();
    let names: BTreeSet<&str> =
        document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
    let referred: BTreeSet<&str> =
        text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(names, referred);
}

#[test]
fn all_that_is_done_together_with_a_step_is_described() {
    let id = "01931e3c-7d00-7000-8000-5f2c4a9b1e07".parse().unwrap();
    let along = Along { join: vec![id], leave: vec![id], password: Some(true), expires: true };
    let shown = json!(along);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let item = &document()["components"]["schemas"]["PlanItem"];
    assert_eq!(names(&shown), names(&item["properties"]["along"]["properties"]));
}

#[test]
fn golden_document() {
    golden("docs/openapi.json", &(serde_json::to_string_pretty(&document()).unwrap() + "\n"));
}

#[test]
fn golden_list_of_problems() {
    let mut text = "# Problem codes\n\nWhat a problem document (RFC 9457) may carry as its `code`. Made from `src/http/problems.rs`.\n\n\
                    | status | code | what is wrong | what to do |\n|---|---|---|---|\n"
        .to_owned();
    for known in problems::ALL {
        writeln!(text, "| {} | `{}` | {} | {} |", known.status.as_u16(), known.code, known.meaning, known.remedy)
            .unwrap();
    }
    golden("docs/problems.md", &text);
}

/// The sources of everything that answers with problems.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match path.is_dir() {
            true if name != "openapi" && name != "scim" => sources(&path, found),
            false if name.ends_with(".rs") && name != "problems.rs" => found.push(path),
            _ => {}
        }
    }
}

/// The codes that stand right behind a status, or where only a code can stand.
fn written(text: &str) -> impl Iterator<Item = &str> {
    let starts = ["Problem::bad_request(", "Self::bad_request(", " code: "];
    let plain = starts.into_iter().flat_map(move |start| text.split(start).skip(1));
    let of_status = text.split("StatusCode::").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(',')?;
        name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_').then_some(rest)
    });
    plain.chain(of_status).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

#[test]
fn every_code_that_is_used_is_listed_and_every_listed_one_is_used() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut files);
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/auth/login.rs"));
    let text: String = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let unlisted: BTreeSet<&str> = written(&text).filter(|code| problems::find(code).is_none()).collect();
    assert!(unlisted.is_empty(), "src/http/problems.rs does not list {unlisted:?}");
    // These stand where files are read.
    let of_files = FileError::CODES;
    let unlisted: Vec<_> = of_files.iter().filter(|code| problems::find(code).is_none()).collect();
    assert!(unlisted.is_empty(), "src/http/problems.rs does not list {unlisted:?}");
    let is_used = |code: &str| of_files.contains(&code) || text.contains(&format!("\"{code}\""));
    let unused: Vec<&str> = problems::ALL.iter().map(|known| known.code).filter(|code| !is_used(code)).collect();
    assert!(unused.is_empty(), "src/http/problems.rs lists what nothing answers: {unused:?}");
    let codes: BTreeSet<&str> = problems::ALL.iter().map(|known| known.code).collect();
    assert_eq!(codes.len(), problems::ALL.len(), "a code stands there twice");
}
