//! The words of queries: read, printed, refused.

use std::collections::BTreeMap;

use flow::query::{By, Known, Query, Sort};

use crate::world::{KEYS, VALUES, lists, services};

/// A random word, as it could be written.
pub fn random_word(random: &mut fastrand::Rng) -> String {
    let key = KEYS[random.usize(0..KEYS.len())];
    let value = VALUES[random.usize(0..VALUES.len())];
    let value = if value == "*" && random.bool() { "\\*" } else { value };
    let end = match random.u32(0..9) {
        0 => ["address:10.0.0.0/8", "address:192.0.2.7", "address:2001:db8::/32"][random.usize(0..3)]
            .to_owned(),
        1 => ["address:203.0.113.9-203.0.113.77", "address:::1-::9", "address:0.0.0.0/0"][random.usize(0..3)]
            .to_owned(),
        2 => ["list:office", "list:wide", "list:partner"][random.usize(0..3)].to_owned(),
        3 => ["network:vpc-1", "network:vpc-2", "network:none"][random.usize(0..3)].to_owned(),
        4 => "outside".to_owned(),
        _ => format!("label:{key}={value}"),
    };
    let word = match random.u32(0..8) {
        0 => [
            "port:443",
            "port:0-1023",
            "port:tcp/1-600",
            "port:icmp",
            "port:icmp/8/0",
            "port:proto/50",
            "port:all",
        ][random.usize(0..7)]
        .to_owned(),
        1 => ["service:web", "service:dns", "service:anything"][random.usize(0..3)].to_owned(),
        2 => format!("outcome:{}", ["accepted", "rejected", "unknown"][random.usize(0..3)]),
        3 => format!("side:{}", ["source", "destination", "both", "elsewhere"][random.usize(0..4)]),
        4 => end,
        5 | 6 => format!("source:{end}"),
        _ => format!("destination:{end}"),
    };
    if random.u32(0..4) == 0 { format!("!{word}") } else { word }
}

#[test]
fn every_printed_query_reads_as_the_same_query() {
    let (services, lists) = (services(), lists());
    let known = Known { services: &services, lists: &lists, holders: None };
    let mut coverage: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..3_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut words: Vec<String> = (0..random.usize(0..6)).map(|_| random_word(&mut random)).collect();
        if random.bool() {
            words.push(format!("since:{}", random.i64(-5..9)));
            words.push(format!("until:{}", random.i64(9..99)));
        }
        let query = Query::parse(&words, &known).unwrap_or_else(|errors| panic!("seed {seed}: {errors:?}"));
        let printed = query.to_words();
        assert_eq!(Query::parse(&printed, &known).as_ref(), Ok(&query), "seed {seed}: {printed:?}");
        for word in &printed {
            let kind = word.trim_start_matches('!').split(['=', '/', '-']).next().unwrap_or_default();
            *coverage.entry(kind.chars().filter(|letter| !letter.is_ascii_digit()).collect()).or_default() +=
                1;
        }
    }
    println!("words printed: {coverage:?}");
    for kind in [
        "source:label:!x",
        "label:source:role",
        "outside",
        "port:all",
        "service:web",
        "destination:network:vpc",
    ] {
        assert!(coverage.contains_key(kind), "no `{kind}` was drawn");
    }
}

#[test]
fn keys_and_orders_print_as_they_are_written() {
    for text in [
        "source",
        "destination",
        "source:role",
        "destination:network",
        "service",
        "window",
        "outcome",
        "side",
    ] {
        assert_eq!(text.parse::<By>().unwrap().to_string(), text);
    }
    for text in ["source:label:network", "source:label:label:x"] {
        assert_eq!(text.parse::<By>().unwrap().to_string(), text);
    }
    for text in ["", "role", "source:", "port:443", "window:1"] {
        assert!(text.parse::<By>().is_err(), "{text}");
    }
    for text in flow::query::SORT_WORDS {
        assert_eq!(text.parse::<Sort>().unwrap().to_string(), text);
    }
    assert_eq!(
        "size".parse::<Sort>().unwrap_err().to_string(),
        "`size` is not an order; write connections, bytes, packets, last-seen"
    );
}

fn error(words: &[&str]) -> String {
    let (services, lists) = (services(), lists());
    let known = Known { services: &services, lists: &lists, holders: None };
    let errors = Query::parse(words, &known).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn errors_say_where_and_what_to_write() {
    for (words, expected) in [
        (
            &["port:443", "source:role"][..],
            "word 2, `source:role`: write what the source is: `KEY=VALUE`, `address:…`, `list:…`, `network:…` or `outside`",
        ),
        (&["role="], "word 1, `role=`: the label has no value; write `role=*` for any value"),
        (&["=web"], "word 1, `=web`: a label has a key before `=`, such as `role=web`"),
        (
            &["port:70000"],
            "word 1, `port:70000`: a port is a number from 0 to 65535; write `port:443`, `port:8000-8999`, `port:tcp/443`, `port:udp/53`, `port:icmp/8` or `port:proto/50`",
        ),
        (&["port:99-1"], "word 1, `port:99-1`: the range runs backwards; write `port:1-99`"),
        (&["service:443"], "word 1, `service:443`: a service has a name; write `port:443`"),
        (
            &["service:smtp"],
            "word 1, `service:smtp`: the policy has no such service; it has web, https, dns, anything",
        ),
        (
            &["source:list:home"],
            "word 1, `source:list:home`: the policy has no such IP list; it has office, wide, partner",
        ),
        (
            &["address:10.0.0.1/8"],
            "word 1, `address:10.0.0.1/8`: `10.0.0.1/8` has host bits set; the block is `10.0.0.0/8`",
        ),
        (
            &["outcome:blocked"],
            "word 1, `outcome:blocked`: an outcome is `accepted`, `rejected` or `unknown`",
        ),
        (&["side:left"], "word 1, `side:left`: a side is `source`, `destination`, `both` or `elsewhere`"),
        (&["network:"], "word 1, `network:`: write the network's id, such as `network:vpc-1`"),
        (&["since:yesterday"], "word 1, `since:yesterday`: write Unix seconds, such as `since:1795895538`"),
        (&["since:1", "since:2"], "word 2, `since:2`: `since:` is there twice; keep one"),
        (
            &["!since:1"],
            "word 1, `!since:1`: a time has no `!`; `since:` and `until:` are each other's opposite",
        ),
        (
            &["since:9", "until:9"],
            "word 2, `until:9`: `since` is not before `until`: nothing can be in between",
        ),
        (
            &["outcome:x", "ok=1", "side:y"],
            "word 1, `outcome:x`: an outcome is `accepted`, `rejected` or `unknown`\nword 3, `side:y`: a side is `source`, `destination`, `both` or `elsewhere`",
        ),
    ] {
        assert_eq!(error(words), expected, "{words:?}");
    }
}

#[test]
fn an_unknown_word_is_answered_with_all_words() {
    let error = error(&["prt:443\u{1b}[2J"]);
    assert!(
        error.starts_with("word 1, `prt:443\\u{1b}[2J`: there is no such word. The words are:\nKEY=VALUE"),
        "{error}"
    );
    for word in [
        "address:",
        "list:",
        "network:",
        "outside",
        "source:",
        "destination:",
        "port:",
        "service:",
        "outcome:",
        "side:",
        "since:",
        "until:",
    ] {
        assert!(error.contains(&format!("\n{word}")), "{word} is not told of");
    }
}
