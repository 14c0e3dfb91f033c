//! A sink that writes down what it is told, and can be merged.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use flow::{Fault, FlowRecord, Gap, Point, PointId, Sink};
use ingest::pipeline::Pipeline;

/// What was told; the order of threads is none, so it is compared sorted.
#[derive(Default)]
pub struct Seen {
    pub lines: Vec<String>,
    points: Vec<String>,
}

impl Seen {
    /// What all threads of a pipeline were told.
    pub fn all(pipeline: Pipeline<Self>) -> Self {
        let mut all = Self::default();
        pipeline.into_sinks().for_each(|sink| all.lines.extend(sink.lines));
        all
    }

    /// What was told, sorted.
    pub fn sorted(mut self) -> Vec<String> {
        self.lines.sort();
        self.lines
    }

    fn name(&self, point: PointId) -> &str {
        &self.points[point.0 as usize]
    }
}

impl Sink for Seen {
    fn point(&mut self, point: Point<'_>) -> PointId {
        let name = point.interface.unwrap_or("-").to_owned();
        let at = self.points.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.points.push(name);
            self.points.len() - 1
        });
        PointId(at as u32)
    }

    fn record(&mut self, record: &FlowRecord) {
        let FlowRecord { point, destination, destination_port, forward, end, .. } = record;
        let line = format!("{} {destination} {destination_port} {} {end}", self.name(*point), forward.bytes);
        self.lines.push(line);
    }

    fn gap(&mut self, gap: Gap) {
        let line = format!("{} {:?} {}..{}", self.name(gap.point), gap.kind, gap.start, gap.end);
        self.lines.push(line);
    }

    fn fault(&mut self, fault: Fault) {
        self.lines.push(format!("fault at {}: {}", fault.offset, fault.reason));
    }
}

/// One gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
