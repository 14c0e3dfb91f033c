//! What a thread has of its own: a sink, what is kept for it from block to block, and what could not be read.

use flow::format::apart::Memory;
use flow::{Fault, FlowRecord, Gap, Point, PointId, Sink};

use super::account::Faults;
use super::blocks::Block;
use super::queue::Queue;

/// What a thread has of its own.
#[derive(Debug)]
pub(super) struct Worker<S> {
    pub(super) sink: S,
    /// Of the sink.
    pub(super) memory: Memory,
    /// Of the piece that is being read.
    pub(super) faults: Faults,
}

/// A sink whose faults are kept apart.
pub(super) struct Watched<'a, S> {
    sink: &'a mut S,
    faults: &'a mut Faults,
}

impl<S: Sink> Worker<S> {
    pub(super) fn new(sink: S) -> Self {
        Self { sink, memory: Memory::default(), faults: Faults::default() }
    }

    pub(super) fn watched(&mut self) -> Watched<'_, S> {
        Watched { sink: &mut self.sink, faults: &mut self.faults }
    }

    /// Reads a block.
    pub(super) fn read(&mut self, block: &Block) {
        let mut sink = Watched { sink: &mut self.sink, faults: &mut self.faults };
        for section in &block.sections {
            section.read(block.offset, &block.lines, &mut self.memory, &mut sink);
        }
    }

    /// Reads blocks until there will be none any more.
    pub(super) fn help(&mut self, queue: &Queue) {
        while let Some(block) = queue.pop() {
            self.read(&block);
            queue.give_back(block);
        }
    }
}

impl<S: Sink> Sink for Watched<'_, S> {
    #[inline]
    fn point(&mut self, point: Point<'_>) -> PointId {
        self.sink.point(point)
    }

    #[inline]
    fn record(&mut self, record: &FlowRecord) {
        self.sink.record(record);
    }

    #[inline]
    fn records(&mut self, records: &[FlowRecord]) {
        self.sink.records(records);
    }

    #[inline]
    fn gap(&mut self, gap: Gap) {
        self.sink.gap(gap);
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}
