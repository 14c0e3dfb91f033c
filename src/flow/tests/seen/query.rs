//! Queries: what is meant, how it is summed, and paging.

use std::collections::{BTreeMap, BTreeSet};

use flow::query::{By, Cell, Held, Known, Query, Request, Sort, Table, run, select};
use flow::{Summaries, Tally};

use crate::naive;
use crate::words::random_word;
use crate::world::{flows, lists, random, services};

fn ask(summaries: &Summaries, words: &[&str], by: &[&str]) -> Table {
    let (services, lists) = (services(), lists());
    let known = Known { services: &services, lists: &lists, holders: None };
    run(summaries, &request(words, by), &known).unwrap()
}

fn request(words: &[&str], by: &[&str]) -> Request {
    let (services, lists) = (services(), lists());
    let known = Known { services: &services, lists: &lists, holders: None };
    let by = by.iter().map(|by| by.parse().unwrap()).collect();
    Request { query: Query::parse(words, &known).unwrap(), by, ..Request::default() }
}

const SHOP: &str = "
    192.0.2.7 > shop.prod.web@vpc-1 tcp/443 accepted 100
    203.0.113.0/24 > shop.prod.web@vpc-1 tcp/443 rejected 3 +1
    shop.prod.web@vpc-1 > shop.prod.db@vpc-2 tcp/5432 accepted 40
    shop.dev.web@vpc-1 > shop.prod.db@vpc-2 tcp/5432 rejected 5 +2
    shop.prod.web@vpc-1 > 10.0.0.2 udp/53 unknown 7
";

/// Connections of what is meant, in the order of the rows.
fn check(words: &[&str], expected: &[u64]) {
    let summaries = flows(SHOP);
    let query = request(words, &[]).query;
    let (services, lists) = (services(), lists());
    let chosen = select(&summaries, &query, &Known { services: &services, lists: &lists, holders: None });
    let mut found: Vec<u64> = chosen.rows.iter().map(|(_, tally)| tally.connections).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{words:?}");
}

#[test]
fn words_choose_rows() {
    check(&[], &[3, 5, 7, 40, 100]);
    check(&["source:role=web"], &[5, 7, 40]);
    check(&["source:role=web", "source:env=prod"], &[7, 40]);
    check(&["role=db"], &[5, 40]);
    check(&["destination:env=prod", "source:env=dev", "source:env=prod"], &[5, 40]);
    check(&["source:role=*"], &[5, 7, 40]);
    check(&["!source:role=*"], &[3, 100]);
    check(&["outside"], &[3, 7, 100]);
    check(&["!outside"], &[5, 40]);
    check(&["destination:outside"], &[7]);
    check(&["port:443"], &[3, 100]);
    check(&["port:443", "port:udp/53"], &[3, 7, 100]);
    check(&["!port:443"], &[5, 7, 40]);
    check(&["service:https", "outcome:rejected"], &[3]);
    check(&["address:10.0.0.0/8"], &[7]);
    check(&["source:address:10.0.0.0/8"], &[]);
    check(&["source:list:partner"], &[3]);
    check(&["network:vpc-2"], &[5, 40]);
    check(&["source:network:vpc-1", "!destination:network:vpc-2"], &[7]);
    check(&["outcome:unknown", "outcome:rejected"], &[3, 5, 7]);
    check(&["since:1795827600"], &[3, 5]);
    check(&["until:1795827600"], &[7, 40, 100]);
    check(&["side:source"], &[]);
}

#[test]
fn a_query_means_what_its_words_say() {
    let (services, lists) = (services(), lists());
    let known = Known { services: &services, lists: &lists, holders: None };
    let (mut some, mut none, mut all) = (0, 0, 0);
    for seed in 0..2_000 {
        let summaries = random(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut words: Vec<String> = (0..random.usize(1..5)).map(|_| random_word(&mut random)).collect();
        if random.bool() {
            words.push(format!("since:{}", crate::world::BEGIN + random.i64(0..20_000)));
        }
        let query = Query::parse(&words, &known).unwrap();
        let found = select(&summaries, &query, &known).rows;
        let meant =
            summaries.rows.iter().filter(|(key, tally)| naive::is_meant(&query, &summaries, key, tally));
        let meant: Vec<_> = meant.copied().collect();
        assert_eq!(found, meant, "seed {seed}: {words:?}");
        match meant.len() {
            0 => none += 1,
            len if len == summaries.rows.len() => all += 1,
            _ => some += 1,
        }
    }
    println!("queries that mean some rows {some}, none {none}, all {all}");
    assert!(some > 500 && none > 100 && all > 20);
}

const BY: [&str; 11] = [
    "source",
    "destination",
    "source:role",
    "source:label:network",
    "destination:app",
    "source:network",
    "destination:network",
    "service",
    "window",
    "outcome",
    "side",
];

fn random_request(random: &mut fastrand::Rng) -> Request {
    let by: Vec<&str> = BY.iter().copied().filter(|_| random.u32(0..3) == 0).collect();
    let sort = [Sort::Connections, Sort::Bytes, Sort::Packets, Sort::LastSeen][random.usize(0..4)];
    Request { sort, ..request(&[], &by) }
}

#[test]
fn each_row_is_in_exactly_one_sum() {
    for seed in 0..500 {
        let summaries = random(seed);
        let request = random_request(&mut fastrand::Rng::with_seed(seed));
        let table = run(&summaries, &request, &Known::default()).unwrap();
        let mut sums: BTreeMap<String, Option<Tally>> = BTreeMap::new();
        let mut total = None;
        for (key, tally) in &summaries.rows {
            naive::add(sums.entry(naive::group(&request.by, &summaries, key)).or_default(), tally);
            naive::add(&mut total, tally);
        }
        let sorted = |tallies: Vec<Tally>| {
            let mut texts: Vec<String> = tallies.iter().map(|tally| format!("{tally:?}")).collect();
            texts.sort();
            texts
        };
        let found = table.rows.iter().map(|(_, tally)| *tally).collect();
        assert_eq!(
            sorted(found),
            sorted(sums.into_values().flatten().collect()),
            "seed {seed}: {:?}",
            request.by
        );
        assert_eq!(table.total, total.unwrap_or_default(), "seed {seed}");
        let cells: BTreeSet<&Vec<Cell>> = table.rows.iter().map(|(cells, _)| cells).collect();
        assert_eq!(cells.len(), table.rows.len(), "seed {seed}: a row is there twice");
        assert_eq!(table.summaries, summaries.rows.len());
    }
}

#[test]
fn a_query_of_everything_equals_the_total() {
    let table = ask(&flows(SHOP), &[], &[]);
    assert_eq!((table.rows.len(), table.rows_total, table.summaries), (1, 1, 5));
    assert_eq!(table.rows[0].1, table.total);
    assert_eq!(table.total.connections, 155);
    let of_nothing = ask(&flows(""), &[], &[]);
    assert_eq!((of_nothing.rows.len(), of_nothing.summaries), (0, 0));
    assert_eq!(of_nothing.to_text(), "No flow was seen that is asked for.\n");
}

#[test]
fn rows_are_in_the_order_that_was_asked_for() {
    for seed in 0..300 {
        let summaries = random(seed);
        let request = random_request(&mut fastrand::Rng::with_seed(seed));
        let table = run(&summaries, &request, &Known::default()).unwrap();
        let value = |tally: &Tally| match request.sort {
            Sort::Connections => i128::from(tally.connections),
            Sort::Bytes => i128::from(tally.bytes + tally.reply_bytes),
            Sort::Packets => i128::from(tally.packets + tally.reply_packets),
            Sort::LastSeen => i128::from(tally.last),
        };
        assert!(table.rows.is_sorted_by(|(_, a), (_, b)| value(a) >= value(b)), "seed {seed}");
    }
}

/// All pages of a request, one after the other, through the text of the token.
fn pages(summaries: &[&Summaries], request: &Request, limit: usize) -> Vec<(Vec<Cell>, Tally)> {
    let mut request = Request { limit: Some(limit), ..request.clone() };
    let mut rows = Vec::new();
    for page in 0.. {
        let summaries = summaries[page % summaries.len()];
        let table = run(summaries, &request, &Known::default()).unwrap();
        assert!(table.rows.len() <= limit);
        rows.extend(table.rows);
        let Some(next) = table.next else { break };
        request.after = Some(next.to_string().parse().unwrap());
    }
    rows
}

#[test]
fn paging_gives_each_row_once_and_in_order() {
    let mut most = 0;
    for seed in 0..300 {
        let summaries = random(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        let request = random_request(&mut random);
        let whole = run(&summaries, &request, &Known::default()).unwrap();
        let limit = random.usize(1..20);
        assert_eq!(pages(&[&summaries], &request, limit), whole.rows, "seed {seed}: {:?}", request.by);
        most = most.max(whole.rows.len() / limit);
    }
    println!("most pages: {most}");
    assert!(most > 20);
}

#[test]
fn what_comes_and_goes_between_pages_moves_nothing_else() {
    for seed in 0..200 {
        let all = random(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        // Whole groups come and go: the request tells all rows apart.
        let by = [
            "source",
            "source:network",
            "destination",
            "destination:network",
            "service",
            "window",
            "outcome",
            "side",
        ];
        let request = Request { sort: Sort::Bytes, ..request(&[], &by) };
        let mut without = all.clone();
        without.rows.retain(|_| random.u32(0..3) > 0);
        let stays: BTreeSet<Vec<Cell>> = run(&without, &request, &Known::default())
            .unwrap()
            .rows
            .into_iter()
            .map(|(cells, _)| cells)
            .collect();
        let seen: Vec<Vec<Cell>> = pages(&[&all, &without], &request, 7)
            .into_iter()
            .map(|(cells, _)| cells)
            .filter(|cells| stays.contains(cells))
            .collect();
        let once: BTreeSet<&Vec<Cell>> = seen.iter().collect();
        assert_eq!((seen.len(), once.len()), (stays.len(), stays.len()), "seed {seed}");
    }
}

#[test]
fn a_token_is_refused_where_it_says_nothing() {
    let summaries = flows(SHOP);
    let first = Request { limit: Some(1), ..request(&[], &["service"]) };
    let token = run(&summaries, &first, &Known::default()).unwrap().next.unwrap();
    for other in [
        request(&["port:443"], &["service"]),
        request(&[], &["source"]),
        Request { sort: Sort::Bytes, ..first.clone() },
    ] {
        let error =
            run(&summaries, &Request { after: Some(token.clone()), ..other }, &Known::default()).unwrap_err();
        assert!(error.to_string().contains("another query"), "{error}");
    }
    let same =
        run(&summaries, &Request { after: Some(token.clone()), limit: Some(9), ..first }, &Known::default());
    assert_eq!(same.unwrap().rows.len(), 2);
    let text = token.to_string();
    for wrong in [
        "",
        "xyz",
        "1.2.3.4.5.6.7",
        &text.replacen('.', "", 1),
        &format!("{text}~f"),
        &format!("{text}~ff"),
        &format!("{text}."),
    ] {
        assert!(wrong.parse::<flow::query::Token>().is_err(), "{wrong}");
    }
}

#[test]
fn an_address_of_a_workload_is_found_through_who_holds_it_and_the_answer_says_so() {
    let summaries = flows(SHOP);
    let holders = |set: &policy::AddressSet| {
        let flow::End::Workload { labels, network } = crate::world::end("shop.prod.db@vpc-2") else {
            panic!()
        };
        let holds = set.contains("10.0.0.5".parse().unwrap());
        if holds { vec![Held { labels, network, workloads: 3 }] } else { Vec::new() }
    };
    let known = Known { holders: Some(&holders), ..Known::default() };
    let table = run(&summaries, &request(&["destination:address:10.0.0.5"], &[]), &known).unwrap();
    assert_eq!(table.total.connections, 45);
    assert_eq!(
        table.notes,
        ["`destination:address:10.0.0.5` is held by a workload with role=db app=shop env=prod; \
          the flows of all 3 workloads with these labels are counted, nobody can tell them apart"]
    );
    let table = run(&summaries, &request(&["destination:address:10.0.0.0/8"], &[]), &known).unwrap();
    assert_eq!(table.total.connections, 52);
    let without = ask(&summaries, &["destination:address:10.0.0.0/8"], &[]);
    assert_eq!(without.total.connections, 7);
    assert!(
        without.notes[0].contains("met only by addresses that nobody known holds"),
        "{:?}",
        without.notes
    );
}

#[test]
fn a_block_that_is_met_in_part_is_told_of() {
    let table = ask(&flows(SHOP), &["address:203.0.113.9"], &[]);
    assert_eq!(table.total.connections, 3);
    assert!(
        table
            .notes
            .contains(&"`address:203.0.113.9` is met by 1 block that lies only partly in it".to_owned()),
        "{:?}",
        table.notes
    );
}

#[test]
fn both_sides_are_in_the_words_for_them() {
    for side in naive::SIDES {
        let by = [By::Side];
        let mut summaries = flows("a.b.c > d.e.f tcp/1 accepted 1");
        summaries.rows[0].0.side = side;
        let table =
            run(&summaries, &Request { by: by.to_vec(), ..Request::default() }, &Known::default()).unwrap();
        assert_eq!(table.rows[0].0, [Cell::Side(side)]);
    }
}
