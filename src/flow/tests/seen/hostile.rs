//! Names are written by whoever may tag a machine: they are text, wherever they are printed.

use flow::map::{Map, Options};
use flow::query::{Known, Request, run};
use flow::{End, Summaries};
use policy::LabelSet;

const TEXTS: [&str; 9] = [
    "<script>window.pwned=1</script>",
    "</script><img src=x onerror=window.pwned=2>",
    "\"><svg onload=window.pwned=3>",
    "' onfocus='window.pwned=4",
    "<!--<script>",
    "\u{1b}[2J\u{202e}\r\n\u{2028}x",
    "\\\"; n0 -> n1; \"",
    "=cmd|' /C calc'!A0",
    "a,b\"c",
];

fn summaries() -> Summaries {
    let mut summaries = crate::world::flows("a.b.c > d.e.f tcp/443 accepted 7");
    let row = summaries.rows[0];
    summaries = Summaries { window_s: 3600, ..Summaries::default() };
    for (at, text) in TEXTS.iter().enumerate() {
        let end = |text: &str| {
            let labels: LabelSet = [("app", text), ("env", text), ("role", text), (text, text)]
                .map(|(key, value)| (key.into(), value.into()))
                .into_iter()
                .collect();
            End::Workload { labels, network: Some(text.into()) }
        };
        let mut key = row.0;
        key.source = summaries.ends.intern(end(text));
        key.destination = summaries.ends.intern(end(TEXTS[(at + 1) % TEXTS.len()]));
        summaries.rows.push((key, row.1));
    }
    summaries
}

fn map() -> Map {
    let title = TEXTS.concat();
    Map::build(&summaries(), &Options { title: title.clone(), notes: vec![title], ..Options::default() })
}

#[test]
fn nothing_in_a_name_is_markup_of_the_page() {
    let html = map().to_html();
    let count = |text: &str| html.matches(text).count();
    assert_eq!((count("<script"), count("</script"), count("<!--"), count("<img")), (2, 2, 0, 0));
    assert!(!html.contains("<svg onload"));
    // In the data of the script a quote is a quote.
    assert!(!html.split_once("id=\"data\"").unwrap().0.contains("' onfocus='"));
    assert!(count("&lt;script&gt;window.pwned=1&lt;/script&gt;") > 5);
    assert!(!html.chars().any(|letter| letter.is_control() && letter != '\n'));
}

#[test]
fn the_data_in_the_page_is_the_data_of_the_map() {
    let map = map();
    let html = map.to_html();
    let (_, rest) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    assert!(!data.contains(['<', '>', '&', '\u{2028}']));
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["map"], map.to_json());
}

#[test]
fn nothing_in_a_name_moves_a_terminal_or_ends_a_line() {
    let request = Request {
        by: vec!["source".parse().unwrap(), "destination:role".parse().unwrap()],
        ..Request::default()
    };
    let table = run(&summaries(), &request, &Known::default()).unwrap();
    for text in [map().to_text(), table.to_text()] {
        assert!(
            !text.chars().any(|letter| letter.is_control() && letter != '\n' || letter == '\u{202e}'),
            "{text:?}"
        );
    }
    assert_eq!(table.to_text().lines().count(), 1 + TEXTS.len() + 2);
}

#[test]
fn nothing_in_a_name_is_a_formula_or_ends_a_cell() {
    let request = Request {
        by: vec!["source:role".parse().unwrap(), "source:network".parse().unwrap()],
        ..Request::default()
    };
    let csv = run(&summaries(), &request, &Known::default()).unwrap().to_csv();
    assert!(csv.contains("\r\n'=cmd|' /C calc'!A0,'=cmd|' /C calc'!A0,7,"), "{csv}");
    assert!(csv.contains("\r\n\"a,b\"\"c\",\"a,b\"\"c\",7,"), "{csv}");
}

#[test]
fn nothing_in_a_name_is_a_statement_of_dot() {
    let dot = map().to_dot();
    // Without quoted strings, only our own words are left.
    let mut bare = String::new();
    let (mut is_quoted, mut is_escaped) = (false, false);
    for letter in dot.chars() {
        match letter {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ if !is_quoted => bare.push(letter),
            _ => assert!(!letter.is_control(), "{letter:?} in a string"),
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    assert!(!is_quoted);
    assert!(!bare.contains("pwned") && !bare.contains("cmd"), "{bare}");
    assert_eq!(bare.matches("->").count(), TEXTS.len());
}
