//! What this module promises, as tables.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::scim::ScimType;

#[test]
fn every_form_is_read_into_its_one_printed_form() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";
    let cases = [
        ("userName eq \"bjensen\"", "userName eq \"bjensen\""),
        ("userName EQ \"a\" AND title PR", "userName eq \"a\" and title pr"),
        ("a pr or b pr and c pr", "a pr or b pr and c pr"),
        ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
        ("((a pr))", "a pr"),
        ("a pr and (b pr and c pr)", "a pr and b pr and c pr"),
        ("not (a pr) and NOT(b pr)", "not (a pr) and not (b pr)"),
        ("emails[type eq \"work\" and value co \"@x\"]", "emails[type eq \"work\" and value co \"@x\"]"),
        ("emails[type eq \"work\"].value eq \"x\"", "emails[type eq \"work\" and value eq \"x\"]"),
        ("emails[type eq \"a\" or type eq \"b\"].value pr", "emails[(type eq \"a\" or type eq \"b\") and value pr]"),
        ("active eq True and x eq FALSE and y ne null", "active eq true and x eq false and y ne null"),
        ("n gt -1.5e3 and m le 18446744073709551615", "n gt -1500.0 and m le 18446744073709551615"),
        ("  title  eq  \"a \\\"b\\\" \\u00e9 ) ] (\"  ", "title eq \"a \\\"b\\\" é ) ] (\""),
        ("meta.lastModified ge \"2011-05-13T04:42:34Z\"", "meta.lastModified ge \"2011-05-13T04:42:34Z\""),
    ];
    for (text, printed) in cases {
        assert_eq!(parse(text).unwrap().to_string(), printed);
    }
    assert_eq!(parse(&format!("{urn} eq \"1\"")).unwrap().to_string(), format!("{urn} eq \"1\""));
}

#[test]
fn broken_filters_are_invalid_filter() {
    let cases = [
        "",
        " ",
        "userName",
        "userName eq",
        "userName xx \"a\"",
        "userName eq a",
        "userName eq 'a'",
        "eq \"a\"",
        "(a pr",
        "a pr)",
        "a pr and",
        "and a pr",
        "a pr b pr",
        "not a pr",
        "not",
        "a[b pr",
        "a[]",
        "a[b[c pr]]",
        "a.b[c pr]",
        "a[b.c pr]",
        "a eq \"x",
        "a eq \"x\"y",
        "a eq \"\\q\"",
        "a eq \"\\ud800\"",
        "a eq 01",
        "a eq 1e999",
        "a eq 1.",
        "a eq .5",
        "a eq +1",
        "a eq 1.e5",
        "a eq NaN",
        "a eq {}",
        "a eq [1]",
        "a.b.c pr",
        "1a pr",
        "a[b pr].c",
        "a[b pr].c.d pr",
        "a eq \"x\nb\"",
        "urn: pr",
        "x:y pr",
        "a pr\0",
    ];
    for text in cases {
        let error = parse(text).expect_err(text);
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidFilter)), "{text}");
        assert!(error.detail.len() < 300);
    }
}

#[test]
fn hostile_nesting_and_length_are_refused_at_once() {
    let started = crate::base::clock::Stopwatch::start();
    for text in [
        "(".repeat(100_000),
        "(".repeat(8_000),
        "not (".repeat(1_600),
        "a[".repeat(4_000),
        "[".repeat(8_000),
        format!("a eq \"{}\"", "x".repeat(LONGEST_TEXT)),
        format!("{}a pr{}", "(".repeat(33), ")".repeat(33)),
        "a".repeat(LONGEST_TEXT),
        "\"".repeat(LONGEST_TEXT),
        format!("a eq {}", "9".repeat(8_000)),
    ] {
        assert_eq!(parse(&text).unwrap_err().scim_type, Some(ScimType::InvalidFilter));
    }
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert!(parse(&format!("{}a pr{}", "(".repeat(32), ")".repeat(32))).is_ok());
    let padding = " ".repeat(LONGEST_TEXT - 4);
    assert!(parse(&format!("a pr{padding}")).is_ok());
    assert!(parse(&format!("a pr {padding}")).is_err());
}

#[test]
fn many_terms_take_linear_time() {
    let started = crate::base::clock::Stopwatch::start();
    let text = vec!["a pr"; 1_000].join(" or ");
    assert!(matches!(parse(&text).unwrap(), Filter::Or(terms) if terms.len() == 1_000));
    assert!(started.elapsed() < Duration::from_millis(200));
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(|number| Literal::Number(number.into())),
        any::<u64>().prop_map(|number| Literal::Number(number.into())),
        any::<f64>().prop_filter_map("finite", |number| Number::from_f64(number).map(Literal::Number)),
        any::<String>().prop_filter("short", |text| text.len() < 100).prop_map(Literal::String),
    ]
}

fn leaf(plain: bool) -> impl Strategy<Value = Filter> {
    let path = if plain {
        "[a-z][a-zA-Z0-9_-]{0,8}"
    } else {
        "(urn:x:[a-z]{1,3}:)?[a-z][a-zA-Z0-9_-]{0,8}(\\.[$a-z][a-z]{0,5})?"
    };
    let path = path.prop_filter_map("a path", |text| AttrPath::parse(&text).filter(|path| !path.is("not", None)));
    (path, literal(), 0_usize..10).prop_map(|(path, value, choice)| {
        let operators = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
        match operators.get(choice).and_then(|name| Operator::parse(name)) {
            Some(operator) => Filter::Compare { path, operator, value },
            None => Filter::Present(path),
        }
    })
}

fn grown(start: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    let grow = |inner: BoxedStrategy<Filter>| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::all),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::any),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    };
    start.prop_recursive(4, 24, 4, grow).boxed()
}

fn filters() -> BoxedStrategy<Filter> {
    let element = ("[a-z]{1,8}", grown(leaf(true).boxed())).prop_filter_map("not", |(name, filter)| {
        (name != "not").then(|| Filter::Element { path: AttrPath::named(&name), filter: Box::new(filter) })
    });
    grown(prop_oneof![3 => leaf(false).boxed(), 1 => element.boxed()].boxed())
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,200}", tokens in prop::collection::vec(
        prop::sample::select(vec!["a", "eq", "pr", "and", "or", "not", "(", ")", "[", "]", "\"", "\\", ".", " ", "1", "urn:x:", "é"]), 0..60)
    ) {
        let _ = parse(&text);
        let _ = parse(&tokens.concat());
        let _ = crate::scim::path::Path::parse(&tokens.join(" "));
    }

    #[test]
    fn printing_and_reading_again_gives_the_same_filter(filter in filters()) {
        let printed = filter.to_string();
        prop_assume!(printed.len() <= LONGEST_TEXT);
        prop_assert_eq!(parse(&printed).unwrap(), filter);
    }
}
