//! The points that a reader met, so that a sink is asked once for each.

use rustc_hash::FxHashMap;

use crate::sink::{Cloud, Point, PointId, Sink};

/// How many points are remembered; after that the table starts anew, and the sink is asked again.
const POINTS_MAX: usize = 1 << 16;

/// Points by name.
#[derive(Debug, Default)]
pub(super) struct Points {
    known: FxHashMap<Box<str>, PointId>,
    /// The name that is looked up; kept for its memory.
    name: String,
}

impl Points {
    /// The number of a point.
    pub(super) fn number(
        &mut self,
        cloud: Cloud,
        interface: Option<&str>,
        network: Option<&str>,
        sink: &mut impl Sink,
    ) -> PointId {
        self.name.clear();
        for part in [interface, network] {
            self.name.push_str(part.map_or("-", |_| "+"));
            self.name.push_str(part.unwrap_or_default());
            self.name.push('\0');
        }
        // A name that holds the mark could be taken for another one. No cloud has such names.
        if self.name.matches('\0').count() > 2 {
            return sink.point(Point { cloud, interface, network });
        }
        if let Some(&number) = self.known.get(self.name.as_str()) {
            return number;
        }
        if self.known.len() >= POINTS_MAX {
            self.known.clear();
        }
        let number = sink.point(Point { cloud, interface, network });
        self.known.insert(self.name.as_str().into(), number);
        number
    }
}
