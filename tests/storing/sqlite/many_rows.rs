//! The mode `report` with many rows: each has what belongs to it, and all together cost one walk
//! through the store.

use std::time::Instant;

use email_report_processor::{answers::By, mode::report::ReportOptions, report::Report};
use serde_json::{Value, json};

use super::{
    folder, mail,
    reports::tls,
    store,
    summary::{example, json, options, policy, report_on, text},
};

#[test]
fn what_is_not_listed_is_counted() {
    let (_folder, path) = folder();
    example(&path);
    let options = ReportOptions { top: 1, ..options(&path) };
    let answer = json(&options);
    assert_eq!(answer["dmarc"]["messages"], 1030);
    assert_eq!(answer["dmarc"]["domains"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["dmarc"]["domains_omitted"], 3);
    assert_eq!(answer["dmarc"]["sources_omitted"], 3);
    assert_eq!(answer["tls"]["policies_omitted"], 1);
    assert_eq!(answer["tls"]["successful_sessions"], 95);
    let table = ReportOptions { by: Some(By::Address), ..options.clone() };
    assert!(text(&table).contains("and 3 more (--top)"));
    let none = json(&ReportOptions { top: 0, ..options });
    assert_eq!(none["dmarc"]["sources"].as_array().map(Vec::len), Some(0));
    assert_eq!(none["dmarc"]["sources_omitted"], 4);
}

#[test]
fn forged_numbers_break_nothing() {
    let (_folder, path) = folder();
    let huge = ("192.0.2.1", u64::MAX, "none", "pass", "pass");
    store(
        &path,
        [mail([report_on("example.org", 0, &[huge, huge]), report_on("example.net", 0, &[huge])])],
    );
    assert_eq!(json(&options(&path))["dmarc"]["sources"][0]["messages"], i64::MAX);
    let text = text(&options(&path));
    assert!(text.contains("100 %"));
    assert!(text.contains("1 report") && !text.contains('\u{a0}'), "{text}");
}

#[test]
fn each_policy_has_its_own_failures() {
    let (_folder, path) = folder();
    let mut report = tls("many", 0);
    let Report::Tls(many) = &mut report else { unreachable!() };
    let names: Vec<String> = (0..30).map(|n| format!("way {n:02}")).collect();
    many.policies = (0..20)
        .map(|n| {
            let domain = format!("d{n}.example");
            let ways: Vec<_> =
                names.iter().zip(1..=n).map(|(name, count)| (name.as_str(), count)).collect();
            policy(&domain, if n % 2 == 0 { "sts" } else { "tlsa" }, 100 - n, &ways)
        })
        .collect();
    store(&path, [mail([report])]);
    let answer = json(&ReportOptions { top: 100, ..options(&path) });
    for policy in answer["tls"]["policies"].as_array().expect("policies") {
        let domain = policy["policy_domain"].as_str().expect("a domain");
        let n: u64 = domain[1..domain.len() - ".example".len()].parse().expect("a number");
        // The most frequent ten, most frequent first.
        let expected: Vec<Value> = (1..=n)
            .rev()
            .take(10)
            .map(|count| json!({ "result_type": format!("way {:02}", count - 1), "sessions": count }))
            .collect();
        assert_eq!(policy["failures"], Value::from(expected), "{domain}");
    }
}

/// A walk through the store for each row shown would take a thousand times as long as one.
#[test]
fn many_rows_take_little_longer_than_one() {
    const ROWS: u8 = 40;
    let (_folder, path) = folder();
    let names = || (0..ROWS).flat_map(|a| (0..ROWS).map(move |b| (a, b)));
    let addresses: Vec<String> = names().map(|(a, b)| format!("192.0.{a}.{b}")).collect();
    let records: Vec<_> =
        addresses.iter().map(|source| (source.as_str(), 1, "none", "pass", "fail")).collect();
    let mut sessions = tls("tls", 0);
    if let Report::Tls(tls) = &mut sessions {
        tls.policies = names()
            .map(|(a, b)| policy(&format!("d{a}.d{b}.example"), "sts", 1, &[("x", 1)]))
            .collect();
    }
    store(&path, [mail([report_on("example.org", 0, &records), sessions])]);
    let shortest = |top: usize| {
        let options = ReportOptions { top, ..options(&path) };
        let took = |_| {
            let started = Instant::now();
            let answer = json(&options);
            assert_eq!(answer["dmarc"]["sources"].as_array().map(Vec::len), Some(top));
            assert_eq!(answer["dmarc"]["sources"][top - 1]["spf"][0]["messages"], 1);
            assert_eq!(answer["tls"]["policies"][top - 1]["failures"][0]["sessions"], 1);
            started.elapsed()
        };
        (0..3).map(took).min().expect("three")
    };
    let (one, all) = (shortest(1), shortest(addresses.len()));
    assert!(all < one * 20, "one row takes {one:?}, {} take {all:?}", addresses.len());
}
