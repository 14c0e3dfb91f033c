//! Two processes, one store.

use std::sync::Arc;

use flow::{End, Key, Outcome, Side, Summaries, Tally};
use ingest::place::{Place, Settings};
use ingest::store::{Commit, Reader, StoreError, Writer};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use policy::ServicePoint;
use provider::ErrorKind;

use crate::world::{Hands, START};

fn one_row() -> Summaries {
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    let key = Key {
        window: START / 3600 * 3600,
        source: summaries.ends.intern(End::address("10.0.0.1".parse().unwrap())),
        destination: summaries.ends.intern(End::address("10.0.0.2".parse().unwrap())),
        service: ServicePoint::port(6, 443),
        outcome: Outcome::Accepted,
        side: Side::Destination,
    };
    summaries.rows.push((key, Tally { connections: 1, ..Tally::default() }));
    summaries
}

fn commit() -> Commit {
    Commit { summaries: vec![one_row()], ..Commit::default() }
}

fn bucket() -> (Place, Arc<dyn ObjectStore>) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    (Place::on(store.clone(), Path::from("a/b"), "memory"), store)
}

fn folder(path: &std::path::Path) -> Place {
    Place::create(path.to_str().unwrap(), &Settings::default()).unwrap()
}

#[tokio::test]
async fn a_second_process_is_told_who_writes() {
    let (hands, directory) = (Hands::new(), tempfile::tempdir().unwrap());
    for place in [bucket().0, folder(directory.path())] {
        let first = Writer::open(place.clone(), hands.now()).await.unwrap();
        let second = Writer::open(place.clone(), hands.now()).await.err().unwrap();
        assert!(matches!(&second, StoreError::Locked { .. }), "{second}");
        let own = format!("process {}", std::process::id());
        assert!(second.to_string().starts_with(&own), "{second}");
        first.close().await;
        Writer::open(place, hands.now()).await.unwrap().close().await;
    }
}

/// Its lock expired while it slept; it must not overwrite what the next one wrote.
#[tokio::test]
async fn who_slept_over_the_lock_writes_nothing() {
    let hands = Hands::new();
    let (place, _) = bucket();
    let mut sleeper = Writer::open(place.clone(), hands.now()).await.unwrap();
    sleeper.commit(commit()).await.unwrap();
    hands.pass(121);
    let mut next = Writer::open(place.clone(), hands.now()).await.unwrap();
    next.commit(commit()).await.unwrap();
    let error = sleeper.commit(commit()).await.unwrap_err();
    assert!(matches!(error, StoreError::TakenOver { .. }), "{error}");
    next.commit(commit()).await.unwrap();
    let manifest = Reader::open(place).await.unwrap().manifest().await.unwrap();
    assert_eq!(manifest.parts.len(), 3);
}

/// It had renewed its lock just before, and does not look at it again: the manifest itself refuses.
#[tokio::test]
async fn the_manifest_refuses_who_does_not_look_at_the_lock() {
    let hands = Hands::new();
    let (place, store) = bucket();
    let mut sleeper = Writer::open(place.clone(), hands.now()).await.unwrap();
    sleeper.commit(commit()).await.unwrap();
    // Somebody removes the lock by hand.
    store.delete(&Path::from("a/b/lock.json")).await.unwrap();
    let mut next = Writer::open(place.clone(), hands.now()).await.unwrap();
    let error = sleeper.commit(commit()).await.unwrap_err();
    assert!(matches!(error, StoreError::TakenOver { .. }), "{error}");
    next.commit(commit()).await.unwrap();
    let manifest = next.manifest();
    assert_eq!(manifest.parts.len(), 2);
}

#[tokio::test]
async fn a_later_format_is_refused_and_left_alone() {
    let hands = Hands::new();
    let (place, store) = bucket();
    let later = r#"{"format_version": 2, "shape": "of the future"}"#;
    store.put(&Path::from("a/b/manifest.json"), later.into()).await.unwrap();
    let error = Writer::open(place.clone(), hands.now()).await.err().unwrap();
    assert_eq!(error.to_string(), "`memory` is in format 2, and this program knows up to 1");
    let error = Reader::open(place).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    let left = store.get(&Path::from("a/b/manifest.json")).await.unwrap().bytes().await.unwrap();
    assert_eq!(left, later.as_bytes());
    assert!(store.head(&Path::from("a/b/lock.json")).await.is_err(), "a lock is left");
}

#[tokio::test]
async fn parts_without_a_manifest_are_not_removed() {
    let hands = Hands::new();
    let (place, store) = bucket();
    let mut writer = Writer::open(place.clone(), hands.now()).await.unwrap();
    writer.commit(commit()).await.unwrap();
    let part = format!("a/b/{}", writer.manifest().parts[0].path);
    writer.close().await;
    store.delete(&Path::from("a/b/manifest.json")).await.unwrap();
    let error = Writer::open(place.clone(), hands.now()).await.err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    store.head(&Path::from(part)).await.unwrap();
}

#[tokio::test]
async fn what_does_not_count_is_removed_and_what_is_not_ours_stays() {
    let hands = Hands::new();
    let (place, store) = bucket();
    Writer::open(place.clone(), hands.now()).await.unwrap().close().await;
    let left = ["incoming/part-1.parquet", "flows/day=2026-11-02/part-2.parquet", "coverage/3.jsonl"];
    let foreign = "flows/notes.txt";
    for path in left.iter().chain([&foreign]) {
        store.put(&Path::from(format!("a/b/{path}")), "x".into()).await.unwrap();
    }
    Writer::open(place, hands.now()).await.unwrap().close().await;
    for path in left {
        assert!(store.head(&Path::from(format!("a/b/{path}"))).await.is_err(), "{path} is left");
    }
    store.head(&Path::from(format!("a/b/{foreign}"))).await.unwrap();
}

/// Torn files of a folder have names that no listing shows.
#[tokio::test]
async fn torn_files_of_a_folder_are_removed() {
    let (hands, directory) = (Hands::new(), tempfile::tempdir().unwrap());
    let place = folder(directory.path());
    let mut writer = Writer::open(place.clone(), hands.now()).await.unwrap();
    writer.commit(commit()).await.unwrap();
    writer.close().await;
    let torn = ["manifest.json#1", "incoming/part-1.parquet#12"].map(|name| directory.path().join(name));
    let foreign = directory.path().join("notes#1");
    for path in torn.iter().chain([&foreign]) {
        std::fs::write(path, "x").unwrap();
    }
    Writer::open(place, hands.now()).await.unwrap().close().await;
    assert!(torn.iter().all(|path| !path.exists()) && foreign.exists());
}

/// Bytes that are others than those that were written, and parts that are gone, are said and not skipped.
#[tokio::test]
async fn damage_is_said() {
    let hands = Hands::new();
    let (place, store) = bucket();
    let mut writer = Writer::open(place.clone(), hands.now()).await.unwrap();
    writer.commit(commit()).await.unwrap();
    let path = Path::from(format!("a/b/{}", writer.manifest().parts[0].path));
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    let read = async || {
        writer.reader().fold(flow::stored::Seconds::ALL, || 0, |n, rows| *n += rows.rows.len()).await
    };
    assert_eq!(read().await.unwrap(), 1);
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 4;
        store.put(&path, changed.into()).await.unwrap();
        let error = read().await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
    store.delete(&path).await.unwrap();
    let error = read().await.unwrap_err();
    assert!(error.to_string().contains("the manifest lists it, but it is not there"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_a_clear_error() {
    let error = Place::create("/proc/flows", &Settings::default()).unwrap_err();
    assert!(error.message.starts_with("`/proc/flows`: "), "{error}");
}

/// The system lets no file be written: what a full disk does too.
#[test]
fn no_room_is_a_clear_error_and_nothing_is_lost() {
    let (source, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(source.path().join("a"), "1790000000 10.0.0.1 10.0.0.2 443 5\n").unwrap();
    let run = |limit: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", &script])
            .arg(crate::killed::program())
            .args([source.path(), store.path()])
            .arg("once");
        command.output().unwrap()
    };
    let output = run("0");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("there is no space left"), "{text}");
    let output = run("unlimited");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "connections=1 bytes=5 records=1 cases=0\n");
}

/// What the system says, and what becomes of it.
#[test]
fn errors_of_the_system_have_their_kinds() {
    use std::io::ErrorKind as Io;
    let kinds = [
        (Io::StorageFull, ErrorKind::OverQuota),
        (Io::PermissionDenied, ErrorKind::Denied),
        (Io::ReadOnlyFilesystem, ErrorKind::Denied),
        (Io::TimedOut, ErrorKind::Transient),
    ];
    for (io, expected) in kinds {
        let source = std::io::Error::from(io).into();
        let error = object_store::Error::Generic { store: "LocalFileSystem", source };
        assert_eq!(ingest::failure::of_place("write", error).kind, expected, "{io:?}");
    }
}
