//! The help is a contract too: what it says is looked at when it changes.

use super::*;

/// The help of a command and of all below it.
fn help(command: &mut clap::Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    text.push_str(&format!("### {name}\n\n{}\n", command.render_help()));
    for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        help(command, text);
    }
}

/// To write it: `MUSTERD_BLESS=1 cargo nextest run --lib golden`.
#[test]
fn the_help_of_every_command_is_as_its_golden_file() {
    let mut command = Arguments::command();
    command.build();
    let mut text = String::new();
    help(&mut command, &mut text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = lines.join("\n") + "\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/golden/help.txt");
    if std::env::var_os("MUSTERD_BLESS").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    let differing = text.lines().zip(expected.lines()).find(|(is, was)| is != was);
    assert!(text == expected, "the help is another: {differing:?}; look at it, and write it with MUSTERD_BLESS=1");
}

#[test]
fn the_arguments_of_every_command_hold_together() {
    Arguments::command().debug_assert();
}
