//! What goes in comes out, whatever it is; what is not ours is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use policy::{LabelKey, LabelSet, LabelValue, ServicePoint};

use super::{COLUMNS, FORMAT_VERSION_KEY, Seconds, StoredError, TIME_MAX, TIME_MIN, decode, encode};
use crate::record::Outcome;
use crate::summary::{End, Key, Side, Summaries, Tally};

const SIDES: [Side; 4] = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];
const OUTCOMES: [Outcome; 3] = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown];
/// Texts that a careless writer of `key=value,key=value` would mix up.
const TEXTS: [&str; 9] = ["a", "shop", "a=b", "x,y", "\\", "\\,", "ü=,", " ", "="];

fn random_end(random: &mut fastrand::Rng) -> End {
    if random.bool() {
        let blocks =
            ["10.0.0.1/32", "10.0.0.0/24", "10.0.0.1/24", "::/0", "2001:db8::1/128", "::ffff:1.2.3.4/128"];
        return End::Address(random.choice(blocks).unwrap().parse().unwrap());
    }
    let mut labels = LabelSet::default();
    for _ in 0..random.usize(..4) {
        let mut text = || *random.choice(&TEXTS).unwrap();
        labels.insert(LabelKey::from(text()), LabelValue::from(text()));
    }
    let network = random.bool().then(|| (*random.choice(&TEXTS).unwrap()).into());
    End::Workload { labels, network }
}

fn random_summaries(random: &mut fastrand::Rng, rows: usize) -> Summaries {
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    for _ in 0..rows {
        let key = Key {
            window: 1_790_000_000 / 3600 * 3600 + random.i64(-5..5) * 3600,
            source: summaries.ends.intern(random_end(random)),
            destination: summaries.ends.intern(random_end(random)),
            service: ServicePoint { protocol: random.u8(..), detail: random.u16(..) },
            outcome: *random.choice(&OUTCOMES).unwrap(),
            side: *random.choice(&SIDES).unwrap(),
        };
        let mut count = || random.u64(..) >> random.u32(1..64);
        let tally = Tally {
            connections: count(),
            packets: count(),
            bytes: count(),
            reply_packets: count(),
            reply_bytes: count(),
            guessed: count(),
            rejected_replies: count(),
            first: key.window,
            last: key.window + 59,
        };
        summaries.rows.push((key, tally));
    }
    sort(&mut summaries);
    summaries
}

fn sort(summaries: &mut Summaries) {
    summaries.rows.sort_by_key(|(key, _)| *key);
    summaries.rows.dedup_by_key(|(key, _)| *key);
}

/// Rows with their ends in place of numbers, in one order.
fn plain(summaries: &Summaries) -> Vec<(i64, End, End, ServicePoint, Outcome, Side, Tally)> {
    let end = |id| summaries.ends.get(id).clone();
    let row = |(key, tally): &(Key, Tally)| {
        (key.window, end(key.source), end(key.destination), key.service, key.outcome, key.side, *tally)
    };
    let mut rows: Vec<_> = summaries.rows.iter().map(row).collect();
    rows.sort_by(|a, b| (a.0, &a.1, &a.2, a.3, a.4, a.5).cmp(&(b.0, &b.1, &b.2, b.3, b.4, b.5)));
    rows
}

#[test]
fn what_goes_in_comes_out() {
    let (mut rows, mut ends) = (0, 0);
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let many = random.usize(..300);
        let summaries = random_summaries(&mut random, many);
        let read = decode(Bytes::from(encode(&summaries).unwrap()), Seconds::ALL).unwrap();
        assert_eq!(plain(&read), plain(&summaries), "seed {seed}");
        assert!(read.rows.is_sorted_by(|a, b| a.0 < b.0), "seed {seed}: keys are not sorted");
        assert!(read.rows.is_empty() || read.window_s == 3600, "seed {seed}");
        (rows, ends) = (rows + read.rows.len(), ends + read.ends.len());
    }
    println!("{rows} rows with {ends} ends");
    assert!(rows > 10_000);
}

#[test]
fn the_order_in_which_ends_were_met_does_not_show() {
    let mut random = fastrand::Rng::with_seed(7);
    let summaries = random_summaries(&mut random, 200);
    let mut order: Vec<_> = summaries.ends.iter().map(|(id, _)| id).collect();
    random.shuffle(&mut order);
    let mut other = Summaries { window_s: 3600, ..Summaries::default() };
    for id in &order {
        other.ends.intern(summaries.ends.get(*id).clone());
    }
    for (key, tally) in &summaries.rows {
        let mut key = *key;
        key.source = other.ends.intern(summaries.ends.get(key.source).clone());
        key.destination = other.ends.intern(summaries.ends.get(key.destination).clone());
        other.rows.push((key, *tally));
    }
    sort(&mut other);
    assert_eq!(encode(&summaries).unwrap(), encode(&other).unwrap());
}

#[test]
fn only_windows_that_touch_the_time_are_read() {
    let mut random = fastrand::Rng::with_seed(3);
    let summaries = random_summaries(&mut random, 400);
    let file = Bytes::from(encode(&summaries).unwrap());
    let middle = 1_790_000_000 / 3600 * 3600;
    for (from, to) in [(middle, middle + 3600), (middle + 1, middle + 2), (middle + 1, middle + 3601), (0, 5)]
    {
        let time = Seconds { from, to };
        let mut expected = summaries.clone();
        expected.rows.retain(|(key, _)| key.window < to && key.window + 3600 > from);
        assert_eq!(plain(&decode(file.clone(), time).unwrap()), plain(&expected), "{time:?}");
    }
}

#[test]
fn time_out_of_range_is_clamped_and_counts_too() {
    let mut summaries = random_summaries(&mut fastrand::Rng::with_seed(1), 1);
    summaries.rows[0].0.window = i64::MAX;
    summaries.rows[0].1.first = i64::MIN;
    summaries.rows[0].1.bytes = u64::MAX;
    let read = decode(Bytes::from(encode(&summaries).unwrap()), Seconds::ALL).unwrap();
    let (key, tally) = read.rows[0];
    assert_eq!((key.window, tally.first, tally.bytes), (TIME_MAX, TIME_MIN, i64::MAX as u64));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let mut random = fastrand::Rng::with_seed(1);
    let file = encode(&random_summaries(&mut random, 3)).unwrap();
    // The version is a text of one byte behind its key in the footer.
    let key = FORMAT_VERSION_KEY.as_bytes();
    let at = file.windows(key.len()).rposition(|bytes| bytes == key).unwrap() + key.len();
    let digit = at + file[at..].iter().position(|&byte| byte == b'1').unwrap();
    let mut newer = file.clone();
    newer[digit] = b'2';
    let error = decode(Bytes::from(newer), Seconds::ALL).unwrap_err();
    assert!(matches!(error, StoredError::Newer { found: 2, known: 1 }), "{error}");
    assert_eq!(error.to_string(), "the file is in format 2, and this program reads up to 1");
}

/// Changed bytes are not tried here: the Parquet crate panics at some of them. `ingest::store` compares a hash first.
#[test]
fn a_file_that_was_cut_is_refused() {
    let file = encode(&random_summaries(&mut fastrand::Rng::with_seed(11), 50)).unwrap();
    for at in 0..file.len() {
        assert!(decode(Bytes::copy_from_slice(&file[..at]), Seconds::ALL).is_err(), "cut at {at}");
    }
}

/// Whoever adds a column also says so in the documentation.
#[test]
fn the_documentation_names_every_column() {
    let text = include_str!("../../../../docs/flow-store.md");
    for (name, _) in COLUMNS {
        assert!(text.contains(&format!("| `{name}` |")), "`{name}` is not in docs/flow-store.md");
    }
}
