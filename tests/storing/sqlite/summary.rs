//! The mode `report`: its numbers are sums over the reports, its words are harmless.

use std::{collections::BTreeMap, path::Path};

use email_report_processor::{
    answers::{By, Choice, Filter},
    cli::ReportFormat,
    mode::report::{Again, AskedPeriod, ReportOptions, run},
    report::{
        FailureReport, Report, Text,
        aggregate::{DkimResult, SpfResult},
        tls::{FailureDetail, PolicyResult},
    },
    senders::Operators,
    terminal::Terminal,
    verdict::Mine,
};
use serde_json::{Value, json};

use super::{
    folder, mail,
    reports::{BEGIN, dmarc, record, tls},
    store,
};

const DAY: i64 = 86400;

pub(super) fn options(path: &Path) -> ReportOptions {
    ReportOptions {
        operators: std::sync::Arc::new(Operators::default().over_own()),
        store: path.into(),
        period: AskedPeriod::Given { since: None, until: None },
        filter: Filter::default(),
        by: None,
        format: ReportFormat::Text,
        top: 10,
        places: Vec::new(),
        terminal: Terminal { width: None, colours: false, is_unicode: true },
        mine: Mine::default(),
        again: Again::default(),
        fail_on: Vec::new(),
        is_quiet: false,
    }
}

/// Reports from a day on.
pub(super) fn since(day: &str) -> AskedPeriod {
    AskedPeriod::Given { since: Some(day.parse().expect(day)), until: None }
}

/// Reports on a domain and those below.
pub(super) fn on(domain: &str) -> Filter {
    Filter { domains: Choice::of(domain.to_owned()), ..Filter::default() }
}

pub(super) fn text(options: &ReportOptions) -> String {
    let mut out = Vec::new();
    run(options, &mut out).expect("an answer");
    String::from_utf8(out).expect("UTF-8")
}

pub(super) fn json(options: &ReportOptions) -> Value {
    serde_json::from_str(&text(&ReportOptions { format: ReportFormat::Json, ..options.clone() }))
        .expect("JSON")
}

#[expect(clippy::unnecessary_wraps, reason = "nearly every value of a report is optional")]
fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

/// A report of a domain, some days after the first, with one record a `(source, messages,
/// disposition, spf, dkim)`.
pub(super) fn report_on(
    domain: &str,
    days: i64,
    records: &[(&str, u64, &str, &str, &str)],
) -> Report {
    let mut report = dmarc(&format!("{domain} {days}"), 0);
    let Report::Aggregate(dmarc) = &mut report else { unreachable!() };
    dmarc.policy_published.domain = some(domain);
    dmarc.metadata.date_range.begin += days * DAY;
    for (source, messages, disposition, spf, dkim) in records {
        let mut record = record(0);
        record.row.source_ip = source.parse().ok();
        record.row.count = *messages;
        record.row.policy_evaluated.disposition = some(disposition);
        record.row.policy_evaluated.spf = some(spf);
        record.row.policy_evaluated.dkim = some(dkim);
        // Twice the same, as from two signatures: its messages are to be counted once.
        let result =
            DkimResult { domain: some(domain), result: some(dkim), ..DkimResult::default() };
        record.auth_results.dkim = vec![result.clone(), result];
        record.auth_results.spf = vec![SpfResult {
            domain: some("bounce.example"),
            result: some(spf),
            ..SpfResult::default()
        }];
        dmarc.records.push(record);
    }
    report
}

pub(super) fn policy(
    domain: &str,
    kind: &str,
    good: u64,
    failures: &[(&str, u64)],
) -> PolicyResult {
    let mut policy = PolicyResult::default();
    policy.policy.policy_domain = some(domain);
    policy.policy.policy_type = some(kind);
    policy.summary.total_successful_session_count = good;
    policy.summary.total_failure_session_count =
        failures.iter().map(|(_, sessions)| sessions).sum();
    let detail = |(result, sessions): &(&str, u64)| FailureDetail {
        result_type: some(result),
        failed_session_count: *sessions,
        ..FailureDetail::default()
    };
    policy.failure_details = failures.iter().map(detail).collect();
    policy
}

/// A failure report that stands for some messages, a number of days after the first report.
fn failure(domains: &[&str], source: &str, messages: Option<u64>, days: i64) -> Report {
    Report::Failure(FailureReport {
        reported_domain: domains.iter().map(|&domain| domain.into()).collect(),
        source_ip: source.parse().ok(),
        incidents: messages,
        auth_failure: vec!["dmarc".into(), "DKIM".into()],
        delivery_result: some("reject"),
        arrival_date: Some(BEGIN + days * DAY),
        ..FailureReport::default()
    })
}

pub(super) fn example(path: &Path) {
    let mut tls = tls("tls", 0);
    if let Report::Tls(tls) = &mut tls {
        let failures = [("certificate-expired", 7), ("starttls-not-supported", 3)];
        tls.policies = vec![
            policy("example.org", "sts", 90, &failures),
            policy("example.net", "no-policy-found", 5, &[]),
        ];
    }
    let reports = [
        report_on(
            "example.org",
            0,
            &[
                ("192.0.2.1", 1000, "none", "pass", "pass"),
                ("2001:db8::1", 20, "reject", "fail", "fail"),
            ],
        ),
        report_on("Example.ORG.", 1, &[("192.0.2.1", 1, "pass", "fail", "pass")]),
        report_on("mail.example.org", 2, &[("192.0.2.2", 5, "quarantine", "softfail", "fail")]),
        report_on("badexample.org", 2, &[("192.0.2.3", 4, "strange", "pass", "fail")]),
        report_on("empty.example", 3, &[]),
        tls,
        failure(&["example.org"], "192.0.2.1", None, 0),
        failure(&["Example.ORG.", "example.net"], "192.0.2.9", Some(4), 1),
        failure(&[], "", Some(0), 2),
    ];
    store(path, [mail(reports)]);
}

#[test]
fn a_table_is_by_what_was_asked_for() {
    let (_folder, path) = folder();
    example(&path);
    let table = |by| text(&ReportOptions { by: Some(by), ..options(&path) });
    insta::assert_snapshot!(table(By::Domain).replace(&path.display().to_string(), "PATH"), @r"
    all time: 15–18 Jan 2024 · PATH

    Domain                Messages  DMARC    SPF  DKIM  Delivered  Spam  Rejected
    ─────────────────────────────────────────────────────────────────────────────
    example.org              1,021   98 %   97 %  98 %      1,001     -        20
    mail.example.org             5    0 %    0 %   0 %          -     5         -
    badexample.org               4  100 %  100 %   0 %          -     -         -
    empty.example                0      -      -     -          -     -         -
    All                      1,030   97 %   97 %  97 %      1,001     5        20

    Next: email-report-processor report --domain example.org
    ");
    insta::assert_snapshot!(table(By::Address).split_once("\n\n").expect("a table").1, @r"
    Address               Messages  DMARC     SPF   DKIM  Delivered  Spam  Rejected
    ───────────────────────────────────────────────────────────────────────────────
    192.0.2.1                1,001  100 %  99.9 %  100 %      1,001     -         -
      SPF pass bounce.example 1,000 · SPF fail bounce.example 1
      DKIM pass example.org 1,001
    2001:db8::1                 20    0 %     0 %    0 %          -     -        20
      SPF fail bounce.example 20 · DKIM fail example.org 20
    192.0.2.2                    5    0 %     0 %    0 %          -     5         -
      SPF softfail bounce.example 5 · DKIM fail mail.example.org 5
    192.0.2.3                    4  100 %   100 %    0 %          -     -         -
      SPF pass bounce.example 4 · DKIM fail badexample.org 4
    All                      1,030   97 %    97 %   97 %      1,001     5        20

    Next: email-report-processor report --source 192.0.2.1
    ");
    insta::assert_snapshot!(table(By::Day).split_once("\n\n").expect("a table").1, @r"
    Day                   Messages  DMARC   SPF   DKIM  Delivered  Spam  Rejected
    ─────────────────────────────────────────────────────────────────────────────
    15 Jan 2024              1,020   98 %  98 %   98 %      1,000     -        20
    16 Jan 2024                  1  100 %   0 %  100 %          1     -         -
    17 Jan 2024                  9   44 %  44 %    0 %          -     5         -
    18 Jan 2024                  0      -     -      -          -     -         -
    All                      1,030   97 %  97 %   97 %      1,001     5        20
    ");
}

#[test]
fn failure_reports_are_in_the_json_too() {
    let (_folder, path) = folder();
    example(&path);
    let answer = json(&ReportOptions { filter: on("example.net"), ..options(&path) });
    let counted = |value: &str| json!([{ "value": value, "messages": 4 }]);
    let failures = json!([{ "value": "dkim", "messages": 4 }, { "value": "dmarc", "messages": 4 }]);
    let domain = json!({
        "domain": "example.net", "reports": 1, "messages": 4,
        "sources": counted("192.0.2.9"), "auth_failures": failures, "delivery_results": counted("reject")
    });
    let expected =
        json!({ "reports": 1, "messages": 4, "domains": [domain], "domains_omitted": 0 });
    assert_eq!(answer["failure"], expected);
    let late = ReportOptions { period: since("2024-01-17"), top: 0, ..options(&path) };
    assert_eq!(
        json(&late)["failure"],
        json!({ "reports": 1, "messages": 0, "domains": [], "domains_omitted": 1 })
    );
}

#[test]
fn long_lines_are_whole() {
    let (_folder, path) = folder();
    let long = "mail-out-1.bounces.a-rather-long-name.example";
    store(&path, [mail([report_on(long, 0, &[("192.0.2.1", 7, "none", "fail", "pass")])])]);
    let text = text(&ReportOptions { by: Some(By::Address), ..options(&path) });
    assert!(
        text.contains(&format!("\n  SPF fail bounce.example 7\n  DKIM pass {long} 7\n")),
        "{text}"
    );
}

#[test]
fn domains_match_with_what_is_below_them() {
    let (_folder, path) = folder();
    example(&path);
    let names = |domain: &str| {
        let answer = json(&ReportOptions { filter: on(domain), ..options(&path) });
        let names = |list: &Value, name: &str| -> Vec<String> {
            list.as_array()
                .expect("a list")
                .iter()
                .map(|item| item[name].as_str().expect("a name").into())
                .collect()
        };
        (
            names(&answer["dmarc"]["domains"], "domain"),
            names(&answer["tls"]["policies"], "policy_domain"),
        )
    };
    let both = |dmarc: &[&str], tls: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        (owned(dmarc), owned(tls))
    };
    assert_eq!(names("Example.org."), both(&["example.org", "mail.example.org"], &["example.org"]));
    assert_eq!(names("mail.example.org"), both(&["mail.example.org"], &[]));
    assert_eq!(
        names("org"),
        both(&["example.org", "mail.example.org", "badexample.org"], &["example.org"])
    );
    assert_eq!(names("%"), both(&[], &[]));
}

#[test]
fn a_report_belongs_to_the_period_in_which_its_own_begins() {
    let (_folder, path) = folder();
    example(&path);
    let reports = |since: Option<&str>, until: Option<&str>| {
        let moment = |text: &str| text.parse().expect(text);
        let period = AskedPeriod::Given { since: since.map(moment), until: until.map(moment) };
        let period = ReportOptions { period, ..options(&path) };
        json(&period)["dmarc"]["reports"].as_u64().expect("a number")
    };
    assert_eq!(reports(None, None), 5);
    assert_eq!(reports(Some("2024-01-15"), Some("2024-01-15")), 1);
    assert_eq!(reports(Some("2024-01-16"), None), 4);
    assert_eq!(reports(None, Some("2024-01-17")), 4);
    assert_eq!(reports(None, Some("2024-01-17T00:00:00Z")), 2);
    assert_eq!(reports(Some("2024-01-17T00:00:00Z"), None), 3);
    assert_eq!(reports(Some("1h"), None), 0);
}

/// Messages of a source, those that pass, and those aligned by SPF and by DKIM.
type SourceSums = BTreeMap<String, [u64; 4]>;

/// Records of any results from few sources, and their sums.
fn reports_of_few_sources() -> (Vec<Report>, SourceSums) {
    let words = ["pass", "fail", "neutral"];
    let dispositions = ["none", "quarantine", "reject", "pass"];
    let mut sums = SourceSums::new();
    let mut reports = Vec::new();
    for n in 0_usize..200 {
        let domain = format!("d{}.example", n % 7);
        let sources: Vec<String> =
            (0..=n % 5).map(|k| format!("192.0.2.{}", (n * 3 + k) % 11)).collect();
        let records: Vec<_> = sources
            .iter()
            .enumerate()
            .map(|(k, source)| {
                let (spf, dkim) = (words[(n + k) % 3], words[(n / 3 + k * 2) % 3]);
                let messages = (n * k * 13 % 101) as u64 + 1;
                let sum = sums.entry(source.clone()).or_default();
                let pass = u64::from(spf == "pass" || dkim == "pass");
                let counted = [1, pass, u64::from(spf == "pass"), u64::from(dkim == "pass")];
                sum.iter_mut().zip(counted).for_each(|(sum, counts)| *sum += messages * counts);
                (source.as_str(), messages, dispositions[n % 4], spf, dkim)
            })
            .collect();
        reports.push(report_on(&domain, i64::try_from(n).expect("small"), &records));
    }
    (reports, sums)
}

#[test]
fn numbers_are_the_sums_over_the_reports() {
    let (_folder, path) = folder();
    let (reports, sums) = reports_of_few_sources();
    store(&path, [mail(reports)]);
    let answer = json(&ReportOptions { top: 1000, ..options(&path) });
    let names = ["messages", "pass", "spf_aligned", "dkim_aligned"];
    let read = |value: &Value| names.map(|name| value[name].as_u64().expect(name));
    for source in answer["dmarc"]["sources"].as_array().expect("sources") {
        let address = source["source_ip"].as_str().expect("an address");
        assert_eq!(Some(&read(source)), sums.get(address), "{address}");
        let of_dkim: u64 = source["dkim"]
            .as_array()
            .expect("results")
            .iter()
            .map(|r| r["messages"].as_u64().expect("n"))
            .sum();
        assert!(of_dkim <= source["messages"].as_u64().expect("messages"), "counted twice");
    }
    assert_eq!(answer["dmarc"]["sources"].as_array().map(Vec::len), Some(sums.len()));
    let all = sums.values().fold([0; 4], |mut all, sum| {
        all.iter_mut().zip(sum).for_each(|(all, sum)| *all += sum);
        all
    });
    assert_eq!(read(&answer["dmarc"]), all);
    let done = &answer["dmarc"]["disposition"];
    let done: u64 = ["none", "pass", "quarantine", "reject", "other"]
        .iter()
        .filter_map(|name| done[name].as_u64())
        .sum();
    assert_eq!(done, all[0]);
}

#[test]
fn nothing_in_a_report_reaches_the_terminal_as_a_command() {
    let (_folder, path) = folder();
    let evil = "\u{1b}]0;evil\u{7}\u{9b}31m\u{202e}gro.elpmaxe\r\nAll  1 100.0%";
    let mut report = report_on(evil, 0, &[("192.0.2.1", 3, evil, evil, evil)]);
    if let Report::Aggregate(report) = &mut report {
        report.records[0].auth_results.spf[0].domain = some(&format!("例え{evil}"));
    }
    let mut tls = tls("tls", 0);
    if let Report::Tls(tls) = &mut tls {
        tls.policies = vec![policy(evil, evil, 1, &[(evil, 1)])];
    }
    let mut failure = failure(&[evil], "192.0.2.1", None, 0);
    if let Report::Failure(failure) = &mut failure {
        failure.auth_failure = vec![evil.into()];
        failure.delivery_result = some(evil);
    }
    store(&path, [mail([report, tls, failure])]);
    let harmless = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    let tables = text(&options(&path));
    assert!(tables.chars().all(harmless), "{tables:?}");
    assert!(tables.lines().all(|line| !line.trim_start().starts_with("All  1 100.0%")), "{tables}");
    let raw = text(&ReportOptions { format: ReportFormat::Json, ..options(&path) });
    assert!(raw.chars().all(harmless), "{raw:?}");
    assert_eq!(
        json(&options(&path))["tls"]["policies"][0]["policy_type"],
        evil,
        "the value is the same"
    );
}

#[test]
fn a_report_of_the_first_day_begins_at_its_midnight() {
    assert_eq!(BEGIN % DAY, 0, "the tests above count days from here");
}
