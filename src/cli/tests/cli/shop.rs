//! The part of the demo's shop that is on AWS in a simulator of its own process, with a line between it and the binary.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::lab::{Running, binary};
use crate::line::{Line, Written};

/// The shop of the demo in a cloud of its own process, with a line to it.
pub struct Shop {
    pub line: Line,
    folder: tempfile::TempDir,
    _cloud: Running,
}

impl Shop {
    pub fn new() -> Self {
        let config = format!("{}/../../config/demo", env!("CARGO_MANIFEST_DIR"));
        let estate = format!("{config}/estate/aws.yaml");
        let mut cloud = Running::start(binary(&["simulate", "aws", "--unthrottled", "--estate", &estate]));
        let said = cloud.wait_for("EC2 simulator on ");
        let line = Line::to(said.rsplit('/').next().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(format!("{config}/bulkhead.yaml")).unwrap();
        let (before, clouds) = text.split_once("  - name: erp\n").unwrap();
        let (_, after) = clouds.split_once("\n\n").unwrap();
        let text = format!("{before}\n{after}")
            .replace("settle: 2s", "settle: 10ms")
            .replace("policy: policy/", &format!("policy: {config}/policy/"));
        std::fs::write(folder.path().join("bulkhead.yaml"), text).unwrap();
        Self { line, folder, _cloud: cloud }
    }

    pub fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = binary(arguments);
        command.env("AWS_ENDPOINT_URL_EC2", &self.line.endpoint).env("BULKHEAD_ACTOR", who);
        command.arg("--config").arg(self.folder.path().join("bulkhead.yaml"));
        command
    }

    /// Runs a command until it dies with so many calls made; those calls.
    pub fn killed(&self, arguments: &[&str], calls: usize) -> Vec<Written> {
        let mut command = self.command("the dead", arguments);
        command.env("BULKHEAD_LOG", "warn");
        let victim = Running::start(command);
        self.line.kill(victim.id(), calls);
        victim.killed();
        let written = self.line.writes();
        assert_eq!(written.len(), calls);
        written
    }

    pub fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join(".bulkhead").join(name)
    }

    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state("audit.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
