//! Small outputs, line by line.

use flow::map::{Map, Options};
use flow::query::{Known, Query, Request, Sort, run};

use crate::world::{flows, lists, services};

const FLOWS: &str = "
    192.0.2.7 > shop.prod.web@vpc-1 tcp/443 accepted 1200
    192.0.2.9 > shop.prod.web@vpc-1 tcp/22 rejected 3 +1
    shop.prod.web@vpc-1 > shop.prod.db@vpc-1 tcp/5432 accepted 40
    shop.dev.web@vpc-2 > shop.prod.db@vpc-1 tcp/5432 rejected 5 +2
    shop.prod.web@vpc-1 > 10.0.0.2 udp/53 unknown 7
    shop..@vpc-2 > shop.prod.db@vpc-1 tcp/5432 accepted 1
";

fn table(words: &[&str], by: &[&str], sort: Sort, limit: usize) -> flow::query::Table {
    let services = services();
    let known = Known { services: &services, ..Known::default() };
    let by = by.iter().map(|by| by.parse().unwrap()).collect();
    let request =
        Request { query: Query::parse(words, &known).unwrap(), by, sort, limit: Some(limit), after: None };
    run(&flows(FLOWS), &request, &known).unwrap()
}

/// Compares without blanks at the ends of lines.
#[track_caller]
fn check(found: &str, expected: &str) {
    let lines =
        |text: &str| text.trim_matches('\n').lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(found), lines(expected));
}

/// Compares values: the order of keys is the serialiser's.
#[track_caller]
fn check_json(found: &serde_json::Value, expected: &str) {
    assert_eq!(*found, serde_json::from_str::<serde_json::Value>(expected).unwrap(), "{found:#}");
}

#[test]
fn a_table_reads_well() {
    let table = table(&[], &["source:role", "destination:role", "service", "outcome"], Sort::Bytes, 10);
    check(&table.to_text(), include_str!("golden/table.txt"));
}

#[test]
fn a_page_says_how_to_go_on() {
    let text = table(&["port:tcp/5432"], &["source"], Sort::Connections, 1).to_text();
    let (rows, more) = text.split_once("More: --after ").unwrap();
    check(rows, include_str!("golden/page.txt"));
    assert!(more.trim_end().parse::<flow::query::Token>().is_ok());
}

#[test]
fn csv_is_exact() {
    check(
        &table(&[], &["source:env", "destination", "service"], Sort::LastSeen, 3).to_csv(),
        include_str!("golden/table.csv"),
    );
}

#[test]
fn json_is_exact() {
    let by = ["source", "destination:env", "service", "window"];
    let table = table(&["outcome:rejected"], &by, Sort::Connections, 1);
    check_json(&table.to_json(), include_str!("golden/table.json"));
}

fn map() -> Map {
    let (services, lists) = (services(), lists());
    let notes = vec!["1 of 3 interfaces has no flow log".to_owned()];
    Map::build(
        &flows(FLOWS),
        &Options { services: &services, lists: &lists[..1], notes, ..Options::default() },
    )
}

#[test]
fn the_map_reads_well() {
    check(&map().to_text(), include_str!("golden/map.txt"));
}

#[test]
fn the_map_is_valid_dot() {
    check(&map().to_dot(), include_str!("golden/map.dot"));
}

#[test]
fn the_map_for_programs_is_exact() {
    check_json(&map().to_json(), include_str!("golden/map.json"));
}

#[test]
fn the_map_of_nothing_says_so() {
    let map = Map::build(&flows(""), &Options::default());
    check(&map.to_text(), "Application dependency map\nNo flow was seen.");
    assert!(map.to_html().contains("No flow was seen."));
}
