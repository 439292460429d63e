//! What is said, read and changed.

use super::*;

const FILE: &str = "\
# ours
[\"Example.org\"]  # the company
networks = [
    \"192.0.2.77/24\", # the office
    \"2001:db8::25\",
]
senders = [\"Amazon SES\"]

[\"shop.example.net\"]
selectors = [\"s1\"]
";

fn whose(text: &str) -> Whose {
    text.parse().expect(text)
}

#[test]
fn what_was_said_holds_for_domains_below() {
    let mine = Mine::read(FILE).expect("a file");
    let of = |domain| mine.of(domain).map(ToString::to_string).collect::<Vec<_>>();
    let all = ["192.0.2.0/24", "2001:db8::25", "sender:Amazon SES"];
    assert_eq!(of("example.org"), all);
    assert_eq!(of("News.Example.ORG."), all);
    assert_eq!(of("shop.example.net"), ["selector:s1"]);
    assert_eq!(of("example.net"), [""; 0]);
}

#[test]
fn what_is_typed_is_told_apart() {
    for (text, expected) in [
        ("192.0.2.7", Whose::Network("192.0.2.7".parse().expect("an address"))),
        ("2001:db8::/32", Whose::Network("2001:db8::/32".parse().expect("a network"))),
        ("Service.Example.", Whose::Domain("service.example".into())),
        ("selector:2026a", Whose::Selector("2026a".into())),
        ("sender: Amazon SES", Whose::Sender("Amazon SES".into())),
        ("Bücher.example", Whose::Domain("xn--bcher-kva.example".into())),
        ("::ffff:192.0.2.7", Whose::Network("192.0.2.7".parse().expect("an address"))),
    ] {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    for text in ["", "selector:", "sender: ", "192.0.2.0/33", "s1", "a b.example", "<b>.org"] {
        assert_eq!(text.parse::<Whose>(), Err(ParseMineError), "{text}");
    }
}

#[test]
fn a_change_leaves_all_else_as_it_was() {
    let more = Mine::with(FILE, "example.org", &whose("service.example")).expect("a file");
    let more = more.expect("new");
    assert!(more.contains("\"192.0.2.77/24\", # the office"), "{more}");
    assert!(more.contains("[\"Example.org\"]  # the company"), "{more}");
    assert_eq!(Mine::read(&more).expect("a file").iter().count(), 5);
    assert_eq!(Mine::with(&more, "example.org", &whose("192.0.2.0/24")), Ok(None));
    let less = Mine::without(&more, "example.org", &whose("service.example"));
    assert_eq!(less, Ok(Some(FILE.into())));
    let less = Mine::without(FILE, "shop.example.net", &whose("selector:s1"));
    let less = less.expect("a file").expect("it was said");
    assert!(!less.contains("shop"), "{less}");
    assert_eq!(Mine::without(FILE, "example.net", &whose("selector:s1")), Ok(None));

    let first = Mine::with("", "example.org", &whose("sender:\"\n[x]")).expect("a file");
    let first = first.expect("new");
    assert!(first.starts_with("# What is yours"), "{first}");
    let read: Vec<_> =
        Mine::read(&first).expect(&first).iter().map(|(_, one)| one.clone()).collect();
    assert_eq!(read, [Whose::Sender("\"\n[x]".into())]);
}

#[test]
fn a_domain_spelled_in_two_ways_is_one() {
    let text = "\
[\"example.org\"]
networks = [\"192.0.2.0/24\"]

[\"Example.ORG.\"]
senders = [\"Amazon SES\"]
networks = [\"192.0.2.7/24\", \"198.51.100.1\"]

[\"Bücher.example\"]
domains = [\"Läden.example\"]
";
    let mine = Mine::read(text).expect("a file");
    let of = |domain| mine.of(domain).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(of("example.org"), ["192.0.2.0/24", "198.51.100.1", "sender:Amazon SES"]);
    assert_eq!(of("mail.xn--bcher-kva.example"), ["xn--lden-loa.example"]);
    assert_eq!(of("bücher.example"), ["xn--lden-loa.example"]);
    let less = Mine::without(text, "example.org", &whose("192.0.2.0/24"));
    let less = Mine::read(&less.expect("a file").expect("it was said")).expect("a file");
    let left: Vec<_> = less.of("example.org").map(ToString::to_string).collect();
    assert_eq!(left, ["198.51.100.1", "sender:Amazon SES"]);
    let known = Mine::with(text, "xn--bcher-kva.example", &whose("läden.EXAMPLE"));
    assert_eq!(known, Ok(None));
    let gone = Mine::without(text, "example.org", &whose("sender:amazon ses")).expect("a file");
    assert!(!gone.expect("in any case").contains("Amazon"));
}

#[test]
fn a_broken_file_is_told_with_its_line() {
    for (text, line, reason) in [
        ("[\"example.org\"]\nnetworks = [\"192.0.2.0/33\"]", 2, "192.0.2.0/33"),
        ("\n[\"example.org\"]\nnetwork = []", 3, "unknown field `network`"),
        ("[\"example.org\"]\ndomains = [\"a b\"]", 2, "\"a b\" is no domain"),
        ("[\"example.org\"]\nsenders = \"x\"", 2, "expected a sequence"),
        ("[\"example.org\"\n", 1, ""),
        ("\n\n[\"a b\"]\nsenders = []", 3, "is no domain"),
    ] {
        let error = Mine::read(text).expect_err(text);
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
        assert_eq!(Mine::with(text, "example.org", &whose("192.0.2.7")), Err(error));
    }
}
