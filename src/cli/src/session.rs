//! What every command starts from: the configuration, the policy, the intent.

use std::path::Path;
use std::process::Command;

use anstyle::{AnsiColor, Style};
use plan::Scope;
use plan::guard::GuardSettings;
use policy::file::{FileError, SourceFile, load, policy_digest};
use reconcile::planning::Intent;

use crate::config::{Config, ConfigError};

/// Why a command cannot go on: one line, or mistakes in files each with its place; and what to do.
#[derive(Debug)]
pub struct Failure {
    message: String,
    mistakes: Vec<FileError>,
    hint: String,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

impl Failure {
    /// A failure with a hint; an empty hint is not printed.
    pub fn new(message: impl ToString, hint: impl Into<String>) -> Self {
        Self { message: message.to_string(), mistakes: Vec::new(), hint: hint.into() }
    }

    /// Files that cannot be read or hold mistakes; those say themselves what to do.
    fn of_files(error: ConfigError, hint: &str) -> Self {
        match error {
            ConfigError::Mistakes(mistakes) => mistakes.into(),
            other => {
                let source =
                    std::error::Error::source(&other).map(|source| format!(": {source}")).unwrap_or_default();
                Self::new(format!("{other}{source}"), hint)
            }
        }
    }

    /// Prints it to standard error; the stream takes colour off where nobody would see it.
    pub fn print(&self) {
        for mistake in &self.mistakes {
            anstream::eprintln!("{}", mistake.render(true));
        }
        if self.mistakes.is_empty() {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {}", self.message);
        }
        if !self.hint.is_empty() {
            anstream::eprintln!("{HINT}hint:{HINT:#} {}", self.hint);
        }
    }
}

impl From<Vec<FileError>> for Failure {
    fn from(mistakes: Vec<FileError>) -> Self {
        Self { message: format!("{} mistakes in the files", mistakes.len()), mistakes, hint: String::new() }
    }
}

/// Reads the configuration and the policy.
///
/// # Errors
/// Everything that is wrong with either.
pub fn open(path: &Path, allow: &[String]) -> Result<(Config, Intent), Failure> {
    let config = read_config(path)?;
    let files = read_policy(&config)?;
    let intent = intent(&config, &files, allow)?;
    Ok((config, intent))
}

/// Reads the configuration alone.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_config(path: &Path) -> Result<Config, Failure> {
    const HINT: &str = "name the configuration with --config; config/bulkhead.yaml shows every option";
    Config::read(path).map_err(|error| Failure::of_files(error, HINT))
}

/// Reads the policy folder of a configuration.
///
/// # Errors
/// What of it cannot be read.
pub fn read_policy(config: &Config) -> Result<Vec<SourceFile>, Failure> {
    config.read_policy().map_err(|error| Failure::of_files(error, "check `policy` of the configuration"))
}

/// The intent of a configuration and policy files.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn intent(config: &Config, files: &[SourceFile], allow: &[String]) -> Result<Intent, Failure> {
    let mut guards: GuardSettings = config.guards.clone();
    guards.allow.extend(allow.iter().cloned());
    Ok(Intent {
        installation: config.installation.clone(),
        files: load(files)?,
        policy_digest: policy_digest(&config.policy, files),
        policy_commit: commit(&config.policy),
        mapping: config.mapping.clone(),
        translations: config.translations.clone(),
        guards,
    })
}

/// The scopes of a configuration.
pub fn scopes(config: &Config) -> Vec<Scope> {
    config.scopes.iter().map(|entry| entry.scope.clone()).collect()
}

/// The commit of the policy folder, if it is in a git checkout.
fn commit(folder: &Path) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
