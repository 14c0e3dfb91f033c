//! What must hold for any bytes.

use flow::format::{FormatError, Reader, aws_parquet};
use flow::{Fault, FlowRecord, Format, Gap, Point, PointId, Sink};

use crate::mutate::Random;

/// Something a reader found.
#[derive(Clone, PartialEq, Debug)]
pub enum Finding {
    Record(FlowRecord),
    Gap(Gap),
    Fault(Fault),
}

/// Findings in order. Points are numbered as they are met.
#[derive(Default)]
pub struct Findings {
    pub found: Vec<Finding>,
    points: Vec<String>,
}

impl Sink for Findings {
    fn point(&mut self, point: Point<'_>) -> PointId {
        let name = format!("{point:?}");
        let known = self.points.iter().position(|known| *known == name);
        PointId(known.unwrap_or_else(|| {
            self.points.push(name);
            self.points.len() - 1
        }) as u32)
    }
    fn record(&mut self, record: &FlowRecord) {
        assert!((record.point.0 as usize) < self.points.len(), "a record of no point");
        self.found.push(Finding::Record(*record));
    }
    fn gap(&mut self, gap: Gap) {
        self.found.push(Finding::Gap(gap));
    }
    fn fault(&mut self, fault: Fault) {
        assert!(fault.reason.len() <= 310, "a reason of {} bytes", fault.reason.len());
        assert!(!fault.reason.contains(char::is_control), "a reason of more than a line: {:?}", fault.reason);
        self.found.push(Finding::Fault(fault));
    }
}

/// Checks an input and gives what was found.
pub type Check = Box<dyn Fn(&[u8], &mut Random) -> Vec<Finding> + Send + Sync + std::panic::RefUnwindSafe>;

fn read(reader: Result<Reader, FormatError>, bytes: &[u8], cuts: &[usize], sink: &mut Findings) -> u64 {
    let mut reader = reader.expect("the format is a stream");
    let mut begin = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        reader.feed(&bytes[begin..end], sink);
        begin = end;
    }
    reader.finish(sink)
}

/// Any cut finds the same. Gives the findings and where they finished.
fn any_cut(format: &Format, bytes: &[u8], random: &mut Random) -> (Findings, u64) {
    let mut whole = Findings::default();
    let done = read(Reader::new(format), bytes, &[], &mut whole);
    assert!(done <= bytes.len() as u64, "finished at {done} of {}", bytes.len());
    let mut cuts: Vec<usize> = (0..random.usize(..6)).map(|_| random.usize(..=bytes.len())).collect();
    cuts.sort_unstable();
    if random.u8(..8) == 0 {
        cuts = (0..bytes.len()).collect();
    }
    let mut cut = Findings::default();
    assert_eq!(
        read(Reader::new(format), bytes, &cuts, &mut cut),
        done,
        "finished elsewhere, cut at {cuts:?}"
    );
    assert!(cut.found == whole.found, "cut at {cuts:?}: {:?} and whole: {:?}", cut.found, whole.found);
    (whole, done)
}

fn is_told(finding: &Finding) -> bool {
    !matches!(finding, Finding::Fault(_))
}

/// A text that begins with its header.
pub fn text(format: Format) -> Check {
    Box::new(move |bytes, random| {
        let (whole, done) = any_cut(&format, bytes, random);
        assert_eq!(done, bytes.len() as u64);
        whole.found
    })
}

/// A format of one document that grows: read to any place and resumed, it has each record once.
pub fn document(format: Format) -> Check {
    Box::new(move |bytes, random| {
        let (whole, done) = any_cut(&format, bytes, random);
        let cut = random.usize(..=bytes.len());
        let mut parts = Findings::default();
        let first = read(Reader::new(&format), &bytes[..cut], &[], &mut parts) as usize;
        assert!(first <= cut);
        let reader = if first > 0 { Reader::resume(&format) } else { Reader::new(&format) };
        let second = read(reader, &bytes[first..], &[], &mut parts);
        assert!(
            second == 0 || first as u64 + second == done,
            "finished at {first} and {second}, whole at {done}"
        );
        let records =
            |findings: &Findings| findings.found.iter().filter(|f| is_told(f)).cloned().collect::<Vec<_>>();
        assert_eq!(records(&parts), records(&whole), "read to {cut}, resumed at {first}");
        whole.found
    })
}

/// A format of lines: two texts one after the other find what each of them does.
pub fn lines(format: Format) -> Check {
    Box::new(move |bytes, random| {
        let (whole, done) = any_cut(&format, bytes, random);
        assert_eq!(done, bytes.len() as u64);
        let cut = random.usize(..=bytes.len());
        let mut joined = bytes[..cut].to_vec();
        joined.push(b'\n');
        joined.extend(&bytes[cut..]);
        let mut parts = Findings::default();
        read(Reader::new(&format), &bytes[..cut], &[], &mut parts);
        let before = parts.found.len();
        read(Reader::new(&format), &bytes[cut..], &[], &mut parts);
        for finding in &mut parts.found[before..] {
            if let Finding::Fault(fault) = finding {
                fault.offset += cut as u64 + 1;
            }
        }
        let mut both = Findings::default();
        read(Reader::new(&format), &joined, &[], &mut both);
        assert_eq!(parts.found, both.found, "parted at {cut}");
        whole.found
    })
}

/// Parquet: the same from its row groups one by one.
pub fn parquet() -> Check {
    Box::new(|bytes, _| {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        let mut whole = Findings::default();
        aws_parquet::read(bytes.clone(), &mut whole);
        let mut parts = Findings::default();
        match aws_parquet::AwsParquet::open(bytes) {
            Err(fault) => parts.fault(fault),
            Ok(file) => (0..file.groups()).for_each(|group| file.read(group..group + 1, &mut parts)),
        }
        assert_eq!(parts.found, whole.found);
        whole.found
    })
}
