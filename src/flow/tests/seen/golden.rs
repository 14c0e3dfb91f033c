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

/// Compares without what the eye does not see: blanks at the ends of lines and the indent of the expectation.
#[track_caller]
fn check(found: &str, expected: &str) {
    let lines =
        |text: &str| text.trim_matches('\n').lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(found), lines(expected));
}

#[test]
fn a_table_reads_well() {
    check(
        &table(&[], &["source:role", "destination:role", "service", "outcome"], Sort::Bytes, 10).to_text(),
        "
source:role  destination:role  service          outcome   connections    sent  answered   last seen (UTC)
(outside)    web               tcp/443 (web, https, anything)  accepted        1,200  1.8 MB    7.2 MB  2026-11-28 00:58
",
    );
}

#[test]
fn a_page_says_how_to_go_on() {
    let text = table(&["port:tcp/5432"], &["source"], Sort::Connections, 1).to_text();
    let (rows, more) = text.split_once("More: --after ").unwrap();
    check(rows, "");
    assert!(more.trim_end().parse::<flow::query::Token>().is_ok());
}

#[test]
fn csv_is_exact() {
    check(&table(&[], &["source:env", "destination", "service"], Sort::LastSeen, 3).to_csv(), "");
}

#[test]
fn json_is_exact() {
    check(
        &format!(
            "{:#}",
            table(
                &["outcome:rejected"],
                &["source", "destination:env", "service", "window"],
                Sort::Connections,
                1
            )
            .to_json()
        ),
        "",
    );
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
    check(&map().to_text(), "");
}

#[test]
fn the_map_is_valid_dot() {
    check(&map().to_dot(), "");
}

#[test]
fn the_map_of_nothing_says_so() {
    let map = Map::build(&flows(""), &Options::default());
    check(&map.to_text(), "Application dependency map\nNo flow was seen.");
    assert!(map.to_html().contains("No flow was seen."));
}
