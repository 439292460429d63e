//! Reports to be stored.

use std::net::IpAddr;

use email_report_processor::{
    message::{Received, authentication::Authenticated},
    report::{
        AggregateReport, Period, Repairs, Report, Text, TlsReport,
        aggregate::{
            AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated,
            PolicyPublished, Record, Row, SpfResult,
        },
        tls::{FailureDetail, Policy, PolicyResult, Summary},
    },
};

/// 2024-01-15.
pub const BEGIN: i64 = 1_705_276_800;

#[expect(clippy::unnecessary_wraps, reason = "nearly every value of a report is optional")]
fn text(text: &str) -> Option<Text> {
    Some(text.into())
}

/// A DMARC report with little in it.
pub fn dmarc(id: &str, records: u32) -> Report {
    Report::Aggregate(AggregateReport {
        metadata: Metadata {
            org_name: text("Reporter"),
            report_id: id.into(),
            date_range: Period { begin: BEGIN, end: BEGIN + 86399 },
            ..Metadata::default()
        },
        policy_published: PolicyPublished {
            domain: text("example.org"),
            ..PolicyPublished::default()
        },
        records: (0..records).map(record).collect(),
        ..AggregateReport::default()
    })
}

/// A record with little in it, another for each number.
pub fn record(n: u32) -> Record {
    let row = Row {
        source_ip: Some(IpAddr::V4(n.into())),
        count: 1,
        policy_evaluated: PolicyEvaluated::default(),
    };
    Record { row, identifiers: Identifiers::default(), auth_results: AuthResults::default() }
}

/// A TLS report with little in it.
pub fn tls(id: &str, policies: u32) -> Report {
    let policy = |n| {
        let summary = Summary { total_successful_session_count: n, total_failure_session_count: 0 };
        PolicyResult { summary, ..PolicyResult::default() }
    };
    Report::Tls(TlsReport {
        organization_name: text("Reporter"),
        report_id: id.into(),
        date_range: Period { begin: BEGIN, end: BEGIN + 86399 },
        policies: (0..policies.into()).map(policy).collect(),
        ..TlsReport::default()
    })
}

/// A DMARC report with a value, all different, wherever one can be, in characters that are easily
/// lost.
pub fn full_dmarc() -> Report {
    let mut repairs = Repairs::default();
    repairs.note("value-cut");
    repairs.note("date-format");
    Report::Aggregate(AggregateReport {
        version: text("1.0"),
        metadata: Metadata {
            org_name: text("Größe \u{1b}[31m 'quoted' \u{1F4E7}"),
            email: text("dmarc@reporter.example"),
            extra_contact_info: text("https://reporter.example/"),
            report_id: "id \0 with a NUL".into(),
            date_range: Period { begin: BEGIN, end: BEGIN + 86400 },
            error: vec!["first \"error\"".into(), "second\nerror".into()],
            generator: text("generator 1"),
        },
        policy_published: PolicyPublished {
            domain: text("Example.ORG"),
            adkim: text("r"),
            aspf: text("s"),
            p: text("quarantine"),
            sp: text("none"),
            np: text("reject"),
            pct: Some(99),
            fo: text("0:1:d"),
            testing: text("y"),
            discovery_method: text("treewalk"),
        },
        records: vec![full_record(0, "192.0.2.1", 2), full_record(2, "2001:db8::1", 1), record(3)],
        lost: 2,
        repairs,
    })
}

fn full_record(number: u32, source_ip: &str, results: u32) -> Record {
    let name = |what: &str, n: u32| Some(Text::from(format!("{what} {number} {n}")));
    let reason = |n| OverrideReason { kind: name("type", n), comment: name("comment", n) };
    let spf = |n| SpfResult {
        domain: name("spf domain", n),
        scope: name("scope", n),
        result: name("spf result", n),
        human_result: name("spf human", n),
    };
    let dkim = |n| DkimResult {
        domain: name("dkim domain", n),
        selector: name("selector", n),
        result: name("dkim result", n),
        human_result: name("dkim human", n),
    };
    Record {
        row: Row {
            source_ip: Some(source_ip.parse().expect("an address")),
            count: u64::from(number) + 7,
            policy_evaluated: PolicyEvaluated {
                disposition: text("reject"),
                dkim: text("pass"),
                spf: text("fail"),
                reason: (0..results).map(reason).collect(),
            },
        },
        identifiers: Identifiers {
            header_from: name("header_from", 0),
            envelope_from: name("envelope_from", 0),
            envelope_to: name("envelope_to", 0),
        },
        auth_results: AuthResults {
            spf: (0..results).map(spf).collect(),
            dkim: (0..results).map(dkim).collect(),
        },
    }
}

/// A TLS report with a value, all different, wherever one can be.
pub fn full_tls() -> Report {
    let mut repairs = Repairs::default();
    repairs.note("count-unreadable");
    let name = |what: &str, n: u64| Some(Text::from(format!("{what} {n}")));
    let detail = |n| FailureDetail {
        result_type: name("certificate-expired", n),
        sending_mta_ip: name("sending", n),
        receiving_mx_hostname: name("hostname", n),
        receiving_mx_helo: name("helo", n),
        receiving_ip: name("receiving", n),
        failed_session_count: n + 11,
        additional_information: name("information", n),
        failure_reason_code: name("code", n),
    };
    let full = PolicyResult {
        policy: Policy {
            policy_type: text("sts"),
            policy_string: vec!["version: STSv1".into(), "mx: \"*.example.org\"".into()],
            policy_domain: text("example.org"),
            mx_host: vec!["*.example.org".into()],
        },
        summary: Summary { total_successful_session_count: 5, total_failure_session_count: 23 },
        failure_details: vec![detail(0), detail(1)],
    };
    Report::Tls(TlsReport {
        organization_name: text("Company-X"),
        date_range: Period { begin: BEGIN - 5, end: BEGIN + 86394 },
        contact_info: text("sts-reporting@company-x.example"),
        report_id: "5065427c-23d3".into(),
        policies: vec![full, PolicyResult::default()],
        lost: 0,
        repairs,
    })
}

/// A mail of which everything is known.
pub fn full_received() -> Received {
    Received {
        message_id: text("id@reporter.example"),
        at: Some("2024-01-16T04:05:06Z".into()),
        from: text("noreply@reporter.example"),
        authenticated: Some(Authenticated {
            pass: true,
            dkim: vec!["example.net".into()],
            ..Authenticated::default()
        }),
    }
}
