//! The binary `musterd`: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    musterd::cli::run()
}
