//! One element of `records`: what one network interface saw in one minute.

use serde::Deserialize;

use super::tuple::{self, Layout};
use crate::PointId;
use crate::format::field::fault;
use crate::format::json::{Number, Text};
use crate::format::points::Points;
use crate::sink::{Cloud, Point, Sink};

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow, rename = "macAddress")]
    mac: Option<Text<'a>>,
    /// Of NSG flow logs: the NSG.
    #[serde(borrow, rename = "resourceId", alias = "resourceID", alias = "resourceid")]
    group: Option<Text<'a>>,
    #[serde(borrow)]
    properties: Option<Properties<'a>>,
    /// Of virtual network flow logs: the network, or what in it is watched.
    #[serde(borrow, rename = "targetResourceID", alias = "targetResourceId")]
    target: Option<Text<'a>>,
    #[serde(rename = "flowLogVersion")]
    version: Option<Number>,
    #[serde(borrow, rename = "flowRecords")]
    flows: Option<FlowRecords<'a>>,
}

/// Virtual network flow logs: by access control list and rule.
#[derive(Deserialize)]
struct FlowRecords<'a> {
    #[serde(borrow)]
    flows: Vec<Acl<'a>>,
}

#[derive(Deserialize)]
struct Acl<'a> {
    #[serde(borrow, rename = "flowGroups")]
    groups: Vec<Group<'a>>,
}

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(borrow, rename = "flowTuples")]
    tuples: Vec<Text<'a>>,
}

/// NSG flow logs: by rule and interface.
#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(rename = "Version", alias = "version")]
    version: Option<Number>,
    #[serde(borrow)]
    flows: Vec<Rule<'a>>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    flows: Vec<Interface<'a>>,
}

#[derive(Deserialize)]
struct Interface<'a> {
    #[serde(borrow)]
    mac: Option<Text<'a>>,
    #[serde(borrow, rename = "flowTuples")]
    tuples: Vec<Text<'a>>,
}

/// Reads an element that begins at an offset. An element that is not understood is one fault.
pub(super) fn read(bytes: &[u8], begin: u64, points: &mut Points, sink: &mut impl Sink) {
    let element: Element<'_> = match parse(bytes) {
        Ok(element) => element,
        Err(reason) => return sink.fault(fault(begin, format!("is no element of a flow log: {reason}"))),
    };
    let place = Place { bytes, begin };
    match (&element.flows, &element.properties) {
        (Some(flows), _) => virtual_network(&element, flows, &place, points, sink),
        (None, Some(properties)) => security_group(&element, properties, &place, points, sink),
        (None, None) => {
            sink.fault(fault(
                begin,
                "is no element of a flow log: it has neither `flowRecords` nor `properties`",
            ));
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Element<'_>, String> {
    // Once for the element: as bytes, each of its thousands of strings is checked for itself.
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn virtual_network(
    element: &Element<'_>,
    flows: &FlowRecords<'_>,
    place: &Place<'_>,
    points: &mut Points,
    sink: &mut impl Sink,
) {
    if element.version != Some(Number(4)) {
        return sink.fault(unknown(place, "flowLogVersion", element.version));
    }
    let mac = element.mac.as_ref().map(Text::as_str);
    let network = element.target.as_ref().and_then(|target| network_of(target.as_str()));
    let point = point(points, mac, network, sink);
    for group in flows.flows.iter().flat_map(|acl| &acl.groups) {
        place.tuples(&group.tuples, Layout::VirtualNetwork, point, sink);
    }
}

fn security_group(
    element: &Element<'_>,
    properties: &Properties<'_>,
    place: &Place<'_>,
    points: &mut Points,
    sink: &mut impl Sink,
) {
    let layout = match properties.version {
        Some(Number(1)) => Layout::SecurityGroup1,
        Some(Number(2)) => Layout::SecurityGroup2,
        other => return sink.fault(unknown(place, "Version", other)),
    };
    let group = element.group.as_ref().map(Text::as_str);
    for interface in properties.flows.iter().flat_map(|rule| &rule.flows) {
        let mac = interface.mac.as_ref().or(element.mac.as_ref()).map(Text::as_str);
        let point = point(points, mac, group, sink);
        place.tuples(&interface.tuples, layout, point, sink);
    }
}

fn point(
    points: &mut Points,
    interface: Option<&str>,
    network: Option<&str>,
    sink: &mut impl Sink,
) -> PointId {
    points.number(&[interface, network], || sink.point(Point { cloud: Cloud::Azure, interface, network }))
}

fn unknown(place: &Place<'_>, name: &str, version: Option<Number>) -> crate::Fault {
    let version = version.map_or("nothing".to_owned(), |Number(version)| format!("`{version}`"));
    fault(place.begin, format!("unknown version of a flow log: `{name}` is {version}"))
}

/// The network of what a flow log watches: of a subnet, the network that it is in; of an interface, nobody knows.
fn network_of(target: &str) -> Option<&str> {
    const NETWORKS: &str = "/virtualnetworks/";
    let lower = target.to_ascii_lowercase();
    let name = lower.find(NETWORKS)? + NETWORKS.len();
    let end = lower.get(name..)?.find('/').map_or(target.len(), |length| name + length);
    target.get(..end)
}

/// An element's place in the document.
struct Place<'a> {
    bytes: &'a [u8],
    begin: u64,
}

impl Place<'_> {
    fn tuples(&self, tuples: &[Text<'_>], layout: Layout, point: PointId, sink: &mut impl Sink) {
        for text in tuples {
            match tuple::read(text.as_str().as_bytes(), layout, point) {
                Ok(record) => sink.record(&record),
                Err(reason) => sink.fault(fault(self.offset(text), reason)),
            }
        }
    }

    /// Where a text is; of one that had escapes, where its element is.
    fn offset(&self, text: &Text<'_>) -> u64 {
        if !text.is_borrowed() {
            return self.begin;
        }
        let within = text.as_str().as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr());
        self.begin + within as u64
    }
}
