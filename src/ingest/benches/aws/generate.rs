//! The log that all engines read: from a seed, the same every time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Addresses that are known, each with an interface and a label.
pub const ADDRESSES: u32 = 100_000;
/// Labels: addresses of one application and role.
pub const LABELS: u32 = 2_000;
/// Label pairs that talk, each on one port.
const TALKING: u64 = 255_000;
/// When the file begins, Unix seconds, and how long it is: a log is a file every five minutes.
pub const BEGIN: u64 = 1_790_000_000;
const SECONDS: u64 = 300;
/// Bytes of the packets of one flow, on average.
const SIZES: [u64; 8] = [40, 52, 60, 84, 120, 576, 1040, 1500];
const PORTS: [u16; 8] = [22, 53, 80, 443, 5432, 6379, 8080, 9092];
const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// Files of one size.
pub struct Files {
    /// `address label interface`, one a line, with a header.
    pub labels: PathBuf,
    pub plain: PathBuf,
    pub gzip: PathBuf,
}

/// The address with a number: 10.0.0.0/8, scattered as in subnets.
pub fn address(number: u32) -> u32 {
    10 << 24 | (number / 200) << 8 | (number % 200 + 4)
}

/// The interface of an address, by its number.
pub fn interface(number: u32) -> String {
    format!("eni-{:017x}", mix(u64::from(number), 5))
}

/// The label of an address, by its number.
pub fn label(number: u32) -> u32 {
    (mix(u64::from(number), 1) % u64::from(LABELS)) as u32
}

fn mix(value: u64, seed: u64) -> u64 {
    let value = (value ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 32
}

/// Writes the files, unless they are there.
pub fn files(folder: &Path, records: u64) -> std::io::Result<Files> {
    let named = |name: String| folder.join(name);
    let files = Files {
        labels: named("labels.txt".into()),
        plain: named(format!("{records}.log")),
        gzip: named(format!("{records}.log.gz")),
    };
    if !files.gzip.exists() {
        write_labels(&files.labels)?;
        write_log(&files, records)?;
    }
    Ok(files)
}

fn write_labels(path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "address label interface")?;
    for number in 0..ADDRESSES {
        let (address, label) = (std::net::Ipv4Addr::from_bits(address(number)), label(number));
        writeln!(file, "{address} {label} {}", interface(number))?;
    }
    file.flush()
}

fn write_log(files: &Files, records: u64) -> std::io::Result<()> {
    let by_label = members();
    let mut plain = BufWriter::new(File::create(&files.plain)?);
    // As AWS packs them, near enough.
    let mut gzip = GzEncoder::new(BufWriter::new(File::create(&files.gzip)?), Compression::new(6));
    let mut rng = fastrand::Rng::with_seed(7);
    let mut line = Vec::with_capacity(200);
    writeln!(line, "{HEADER}")?;
    for number in 0..=records {
        plain.write_all(&line)?;
        gzip.write_all(&line)?;
        line.clear();
        if number < records {
            write_line(&mut line, &mut rng, number, records, &by_label)?;
        }
    }
    gzip.finish()?.flush()?;
    plain.flush()
}

/// The addresses of each label.
fn members() -> Vec<Vec<u32>> {
    let mut by_label = vec![Vec::new(); LABELS as usize];
    (0..ADDRESSES).for_each(|number| by_label[label(number) as usize].push(number));
    by_label
}

/// One flow of a pair of labels that talk; nine in ten are let pass. One end of each pair
/// logs, so that the product, which keeps what both ends see apart, has the groups of the others; the port of the service is the destination's, so that all engines group by it.
fn write_line(
    line: &mut Vec<u8>,
    rng: &mut fastrand::Rng,
    number: u64,
    records: u64,
    by_label: &[Vec<u32>],
) -> std::io::Result<()> {
    let pair = mix(rng.u64(..TALKING), 3);
    let [from, to] = [pair % u64::from(LABELS), (pair >> 20) % u64::from(LABELS)].map(|label| {
        let of_label = &by_label[label as usize];
        of_label[rng.usize(..of_label.len())]
    });
    let port = PORTS[(pair >> 50) as usize % PORTS.len()];
    let action = if (pair >> 40).is_multiple_of(10) || rng.u8(..16) == 0 { "REJECT" } else { "ACCEPT" };
    let client = rng.u16(32_768..60_999);
    let own = if pair >> 60 & 1 == 0 { from } else { to };
    let packets = 1 + rng.u64(..9).pow(rng.u32(1..5));
    let bytes = packets * SIZES[rng.usize(..SIZES.len())];
    // In order of time, as files are.
    let start = BEGIN + number * SECONDS / records.max(1);
    let [source, destination] = [from, to].map(|number| std::net::Ipv4Addr::from_bits(address(number)));
    writeln!(
        line,
        "2 111122223333 {} {source} {destination} {client} {port} 6 {packets} {bytes} {start} {} {action} OK",
        interface(own),
        start + rng.u64(1..60),
    )
}
