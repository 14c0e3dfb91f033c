//! What a reader of a format hands its findings to.
//!
//! Readers are generic over the sink, so that a record never lies in a queue between reading and summing.

use crate::record::FlowRecord;

/// A point where flows are seen, by the number that the sink gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PointId(pub u32);

/// Whose log it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// A point as the log names it; what is not in the log is `None`. Compared without letter case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Point<'a> {
    /// Whose log it is.
    pub cloud: Cloud,
    /// The interface: AWS `eni-…`; Azure the MAC address, twelve hexadecimal digits; Google Cloud the instance,
    /// `projects/P/zones/Z/instances/I`.
    pub interface: Option<&'a str>,
    /// The network: AWS `vpc-…`; Azure the resource id of the VNet or, in NSG flow logs, of the NSG; Google Cloud
    /// `projects/P/global/networks/N`.
    pub network: Option<&'a str>,
}

/// What a log says that it does not have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// There was no traffic (AWS NODATA): no gap, but evidence that the point was watched.
    NoData,
    /// Records were lost (AWS SKIPDATA).
    Skipped,
}

/// A stretch of time of which a log has no records, and says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Where.
    pub point: PointId,
    /// From, Unix seconds.
    pub start: i64,
    /// To, Unix seconds.
    pub end: i64,
    /// Why.
    pub kind: GapKind,
}

/// One record, line or element that could not be read. The rest goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Byte offset in the (decompressed) text at which it begins.
    pub offset: u64,
    /// Why: one line, lower case, user input in backticks.
    pub reason: String,
}

/// Takes what a reader finds, in the order of the text.
pub trait Sink {
    /// The number of a point. Readers ask once for each name that they meet and keep the answer; a sink gives the same answer to the same name.
    fn point(&mut self, point: Point<'_>) -> PointId;
    /// A record.
    fn record(&mut self, record: &FlowRecord);
    /// Records that follow each other. Fast readers give many at once: looking up many at a time, a sink waits for memory once.
    fn records(&mut self, records: &[FlowRecord]) {
        records.iter().for_each(|record| self.record(record));
    }
    /// A gap that the log tells of.
    fn gap(&mut self, gap: Gap);
    /// Something that could not be read.
    fn fault(&mut self, fault: Fault);
}
