//! Hour files: their names, their records, and how a record comes to their end.

use std::collections::BTreeMap;

use mock_cloud::Written;
use mock_cloud::time::{civil, text};
use serde_json::json;

use crate::path::name_of;

use super::tuple::{Acl, Tuple};
use super::{Kind, Settings};

/// What a file begins with.
const HEAD: &str = "{\"records\":[";
/// What a file ends with: a block that stays the last one.
const TAIL: &str = "]}";

/// Whose records are in one file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    /// The id of the virtual network or security group, as the cloud spells it.
    pub target: String,
    /// Where it is.
    pub location: String,
    /// Of the interface: twelve digits.
    pub mac: String,
}

/// When the records of a minute are written: a moment after its end.
pub(super) fn time_ms(settings: &Settings, end_ms: u64) -> u64 {
    end_ms + fastrand::Rng::with_seed(settings.seed ^ end_ms).u64(100..900)
}

/// The record of an interface and a minute. The fields are in the order in which the cloud writes them.
pub(super) fn record(
    settings: &Settings,
    place: &Place,
    time_ms: u64,
    flows: BTreeMap<Acl, Vec<Tuple>>,
) -> String {
    let flows = sorted(flows);
    match settings.kind {
        Kind::VirtualNetwork => network_record(place, time_ms, flows),
        Kind::SecurityGroup => group_record(place, time_ms, flows),
    }
}

fn network_record(place: &Place, time_ms: u64, flows: Vec<(Acl, Vec<String>)>) -> String {
    let mut acls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (acl, tuples) in flows {
        let group = format!(r#"{{"rule":{},"flowTuples":{}}}"#, json!(acl.rule), json!(tuples));
        acls.entry(acl.guid).or_default().push(group);
    }
    let acl = |(id, groups): (String, Vec<String>)| {
        format!(r#"{{"aclID":{},"flowGroups":[{}]}}"#, json!(id), groups.join(","))
    };
    let acls: Vec<String> = acls.into_iter().map(acl).collect();
    let log = flow_log(place);
    format!(
        r#"{{"time":"{}","flowLogVersion":4,"flowLogGUID":"{}","macAddress":"{}","category":"FlowLogFlowEvent","flowLogResourceID":{},"targetResourceID":{},"operationName":"FlowLogFlowEvent","flowRecords":{{"flows":[{}]}}}}"#,
        text(time_ms),
        guid(&log),
        place.mac,
        json!(log),
        json!(place.target),
        acls.join(",")
    )
}

fn group_record(place: &Place, time_ms: u64, flows: Vec<(Acl, Vec<String>)>) -> String {
    let mac = &place.mac;
    let rule = |(acl, tuples): (Acl, Vec<String>)| {
        let flow = format!(r#"{{"mac":"{mac}","flowTuples":{}}}"#, json!(tuples));
        format!(r#"{{"rule":{},"flows":[{flow}]}}"#, json!(acl.rule))
    };
    let rules: Vec<String> = flows.into_iter().map(rule).collect();
    format!(
        r#"{{"time":"{}","systemId":"{}","macAddress":"{mac}","category":"NetworkSecurityGroupFlowEvent","resourceId":{},"operationName":"NetworkSecurityGroupFlowEvents","properties":{{"Version":2,"flows":[{}]}}}}"#,
        text(time_ms),
        guid(mac),
        json!(place.target.to_uppercase()),
        rules.join(",")
    )
}

fn sorted(flows: BTreeMap<Acl, Vec<Tuple>>) -> Vec<(Acl, Vec<String>)> {
    let texts = |(acl, mut tuples): (Acl, Vec<Tuple>)| {
        // What begins and ends in the same moment begins first: those are noted in order.
        tuples.sort_by_key(|tuple| tuple.at_ms);
        (acl, tuples.into_iter().map(|tuple| tuple.text).collect())
    };
    flows.into_iter().map(texts).collect()
}

/// The id of the flow log of a virtual network.
fn flow_log(place: &Place) -> String {
    let name = flow_log_name(place);
    format!(
        "/SUBSCRIPTIONS/{}/RESOURCEGROUPS/NETWORKWATCHERRG/PROVIDERS/MICROSOFT.NETWORK/NETWORKWATCHERS/NETWORKWATCHER_{}/FLOWLOGS/{name}",
        part(place, 2).to_uppercase(),
        place.location.to_uppercase()
    )
}

fn flow_log_name(place: &Place) -> String {
    format!("{}-{}-flowlog", name_of(&place.target), part(place, 4)).to_uppercase()
}

/// A part of the target's id: 2 is the subscription, 4 the resource group.
fn part(place: &Place, number: usize) -> &str {
    place.target.split('/').nth(number).unwrap_or_default()
}

/// A guid that follows from a text.
fn guid(of: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in of.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let (high, low) = (hash >> 32, hash & 0xffff_ffff);
    format!("{high:08x}-{:04x}-4{:03x}-9000-{low:012x}", low >> 16, low & 0xfff)
}

/// The container and name of the file of an hour: that in which the record is written.
pub(super) fn key(settings: &Settings, place: &Place, time_ms: u64) -> String {
    let at = civil(time_ms / 1000);
    let hour = format!(
        "y={}/m={:02}/d={:02}/h={:02}/m=00/macAddress={}/PT1H.json",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        place.mac
    );
    match settings.kind {
        Kind::VirtualNetwork => format!(
            "insights-logs-flowlogflowevent/flowLogResourceID=/{}_NETWORKWATCHERRG/NETWORKWATCHER_{}_{}/{hour}",
            part(place, 2).to_uppercase(),
            place.location.to_uppercase(),
            flow_log_name(place)
        ),
        Kind::SecurityGroup => {
            let target = place.target.to_uppercase();
            format!("insights-logs-networksecuritygroupflowevent/resourceId={target}/{hour}")
        }
    }
}

/// A record at the end of a file of a length: it takes the place of the end, which comes again behind it.
pub(super) fn appended(key: String, length: u64, record: &str) -> Written {
    match length {
        0 => Written { key, offset: 0, bytes: format!("{HEAD}{record}{TAIL}").into_bytes() },
        _ => {
            let offset = length - TAIL.len() as u64;
            Written { key, offset, bytes: format!(",{record}{TAIL}").into_bytes() }
        }
    }
}
