//! Roles, organisations and groups, as they are typed; the lines of the README among them.

use std::process::Output;

use crate::harness::daemon::TestDaemon;

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_lines_of_the_readme_on_who_may_do_what_are_run_as_they_stand() {
    let daemon = TestDaemon::start("");
    for name in ["ada", "mel"] {
        daemon.local_user(name, "correct horse battery");
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Who may do what\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let lines: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("musterd ")).collect();
    assert!(lines.len() >= 7, "{lines:?}");
    for line in lines {
        let parts = line.split('"').enumerate();
        let words = parts.flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        stdout(&daemon.musterd(&words.collect::<Vec<_>>()));
    }
    let shown = daemon.admin().get("/api/v1/users/ada").json;
    assert_eq!(shown["roles"], serde_json::json!(["help-desk", "user"]));
    let table = stdout(&daemon.musterd(&["organization", "members", "acme"]));
    assert!(table.contains("ada") && table.contains("organization-admin") && table.contains("mel"), "{table}");
}

#[test]
fn what_is_made_is_shown_changed_and_removed() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", "correct horse battery");
    let run = |line: &str| stdout(&daemon.musterd(&line.split_whitespace().collect::<Vec<_>>()));
    assert_eq!(run("role create Desk --permission users.view --scope organization"), "desk is made\n");
    assert!(run("role list --scope organization").contains("desk"));
    assert!(run("role permissions").contains("organizations.members"));
    run("role set desk --permission groups.view");
    assert!(run("role show desk").contains("groups.view"));
    run("organization create Acme");
    run("organization set acme --name Initech");
    assert!(run("organization list").contains("Initech"));
    assert!(run("organization add initech ada --role desk").contains("added"));
    assert_eq!(daemon.musterd(&["role", "delete", "desk"]).status.code(), Some(4), "somebody holds it");
    run("group create devs --organization initech");
    let id = daemon.admin().get("/api/v1/groups?organization=initech").json["items"][0]["id"].clone();
    let id = id.as_str().unwrap();
    assert_eq!(run(&format!("group add {id} ada")), format!("1 joined {id}\n"));
    assert!(run(&format!("group members {id}")).contains("ada"));
    run("group create all");
    assert_eq!(run(&format!("group add all --group {id}")), "1 joined all\n");
    assert!(run("organization remove initech ada").contains("removed"));
    assert!(!run(&format!("group members {id}")).contains("ada"), "who leaves the organisation leaves its groups");
    run(&format!("group delete {id}"));
    run("organization delete initech");
    assert_eq!(run("role delete desk"), "desk is removed\n");
    assert_eq!(daemon.musterd(&["role", "show", "desk"]).status.code(), Some(3));
}
