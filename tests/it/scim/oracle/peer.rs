//! The other implementation: a child process that answers each line with a line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub(super) struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    pub(super) fn start() -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut child = Command::new("node")
            .arg(tests.join("oracle/oracle.mjs"))
            .arg(tests.join(".cache/oracle"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there; tests/run installs it");
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, questions, answers }
    }

    /// The resource after the operation, or why it is refused.
    pub(super) fn patch(&mut self, resource: &Value, operation: &Value) -> Result<Value, String> {
        let said = self.ask(&json!({"patch": {"resource": resource, "operations": [operation]}}));
        said.map(|mut said| said["resource"].take())
    }

    /// Which of the resources the filter accepts.
    pub(super) fn filter(&mut self, filter: &str, resources: &[Value]) -> Result<Vec<bool>, String> {
        let said = self.ask(&json!({"filter": filter, "resources": resources}))?;
        Ok(said["matches"].as_array().unwrap().iter().map(|accepted| accepted.as_bool().unwrap()).collect())
    }

    fn ask(&mut self, question: &Value) -> Result<Value, String> {
        self.questions.write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the oracle ended; tests/run installs its packages");
        let said: Value = serde_json::from_str(&line).unwrap();
        match said["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(said),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
