//! The house as DESIGN 2 draws it: which crate may depend on which, what keeps the proof independent of the
//! lowering, and what keeps the pure crates pure. Read from the manifests and sources that are really built.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate → the crates of ours that it may depend on, outside its tests. A crate that is missing here fails.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("policy", &[]),
    ("plan", &["policy"]),
    ("flow", &["policy"]),
    ("provider", &["policy", "plan", "flow"]),
    ("ingest", &["policy", "flow", "provider"]),
    ("reconcile", &["policy", "plan", "provider"]),
    ("provider-aws", &["policy", "plan", "flow", "provider"]),
    ("provider-azure", &["policy", "plan", "flow", "provider"]),
    ("provider-gcp", &["policy", "plan", "flow", "provider"]),
    ("mock-cloud", &[]),
    ("mock-aws", &["mock-cloud"]),
    ("mock-azure", &["mock-cloud"]),
    ("mock-gcp", &["mock-cloud"]),
    (
        "cli",
        &[
            "policy",
            "plan",
            "flow",
            "ingest",
            "provider",
            "reconcile",
            "provider-aws",
            "provider-azure",
            "provider-gcp",
            "mock-cloud",
            "mock-aws",
            "mock-azure",
            "mock-gcp",
        ],
    ),
    ("bulkhead-tests", &[]),
];

/// Crates without clock, files, sockets and randomness.
const PURE: [&str; 3] = ["src/policy", "src/plan", "src/flow"];

/// What a pure crate's `clippy.toml` must forbid, at least.
const FORBIDDEN: [&str; 10] = [
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "std::env::var",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::thread::sleep",
    "std::fs::File",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
];

/// Crates that would bring clock, files, sockets or randomness into a pure crate.
const IMPURE: [&str; 10] =
    ["tokio", "rand", "fastrand", "getrandom", "axum", "hyper", "tower", "jiff", "tempfile", "aws-sdk-ec2"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every crate of the workspace with the names of its normal and build dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let listed = package["dependencies"].as_array().unwrap().iter();
            let outside_tests = listed.filter(|dependency| dependency["kind"] != "dev");
            (text(&package["name"]), outside_tests.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

/// The edges that the table does not allow.
fn wrong_edges(dependencies: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut wrong = Vec::new();
    for (name, needed) in dependencies {
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let ours = needed.iter().filter(|other| dependencies.contains_key(*other));
        let others = ours.filter(|other| !may.contains(&other.as_str()));
        wrong.extend(others.map(|other| format!("{name} -> {other}")));
    }
    wrong
}

#[test]
fn crates_depend_only_on_what_the_design_allows() {
    let dependencies = dependencies();
    let wrong = wrong_edges(&dependencies);
    assert!(wrong.is_empty(), "change DESIGN 2 and this table first: {wrong:?}");
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let built: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    assert_eq!(listed, built, "the table names crates that are not there");
}

#[test]
fn an_edge_outside_the_table_is_found() {
    let mut dependencies = dependencies();
    dependencies.get_mut("plan").unwrap().insert("provider-aws".to_owned());
    dependencies.insert("common".to_owned(), BTreeSet::new());
    assert_eq!(wrong_edges(&dependencies), ["common is not in the table", "plan -> provider-aws"]);
}

#[test]
fn semantics_and_proof_use_nothing_of_the_lowering() {
    let clouds = ["aws", "azure", "gcp"].map(|cloud| format!("providers/{cloud}/src/semantics.rs"));
    let plan = ["ordered", "prove"].map(|part| format!("src/plan/src/{part}.rs"));
    let mut files: Vec<PathBuf> = clouds.iter().chain(&plan).map(|file| root().join(file)).collect();
    for folder in ["src/plan/src/ordered", "src/plan/src/prove"] {
        let parts = std::fs::read_dir(root().join(folder)).unwrap();
        files.extend(parts.map(|entry| entry.unwrap().path()));
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let named = code.iter().find(|line| line.contains("lower") || line.contains("marks::"));
        assert_eq!(named, None, "{file:?} leans on what it is to judge");
    }
}

#[test]
fn pure_crates_cannot_reach_clock_files_sockets_or_randomness() {
    let dependencies = dependencies();
    for folder in PURE {
        let name = folder.rsplit('/').next().unwrap();
        let impure = dependencies[name].iter().find(|needed| IMPURE.contains(&needed.as_str()));
        assert_eq!(impure, None, "{name} is pure");
        let path = root().join(folder).join("clippy.toml");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{folder}/clippy.toml: {error}"));
        for forbidden in FORBIDDEN {
            assert!(text.contains(&format!("\"{forbidden}\"")), "{folder}/clippy.toml allows {forbidden}");
        }
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder} does not take the lints");
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let mut silent = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                if !text.trim_start().starts_with("//!") {
                    silent.push(path);
                }
            }
        }
    }
    assert!(silent.is_empty(), "without `//!`: {silent:?}");
}
