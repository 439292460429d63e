//! About: what a mail is, in a few words for a person. They come from strangers; the log makes them
//! harmless.

use crate::{
    message::Contents,
    moment::day,
    report::{AggregateReport, FailureReport, Report, TlsReport},
};

/// Longer names are cut.
const LONGEST: usize = 60;

/// The first report, `google.com → example.org, 12 records, 25 Nov 2026`, and how many more; or
/// else subject and sender.
pub(super) fn about(contents: &Contents) -> Option<String> {
    let [first, more @ ..] = contents.reports.as_slice() else { return contents.about() };
    let first = match first {
        Report::Aggregate(report) => dmarc(report),
        Report::Tls(report) => tls(report),
        Report::Failure(report) => failure(report),
    };
    Some(match more.len() {
        0 => first,
        1 => format!("{first}, and 1 more report"),
        more => format!("{first}, and {more} more reports"),
    })
}

fn dmarc(report: &AggregateReport) -> String {
    let AggregateReport { metadata, policy_published, records, .. } = report;
    let who = metadata.org_name.as_deref().or(metadata.email.as_deref());
    let parties = parties(who, policy_published.domain.as_deref());
    let noun = if records.len() == 1 { "record" } else { "records" };
    format!("{parties}, {} {noun}, {}", records.len(), day(metadata.date_range.begin))
}

fn tls(report: &TlsReport) -> String {
    let TlsReport { organization_name, contact_info, policies, date_range, .. } = report;
    let who = organization_name.as_deref().or(contact_info.as_deref());
    let domain = policies.iter().find_map(|result| result.policy.policy_domain.as_deref());
    let noun = if policies.len() == 1 { "policy" } else { "policies" };
    format!("{}, {} TLS {noun}, {}", parties(who, domain), policies.len(), day(date_range.begin))
}

fn failure(report: &FailureReport) -> String {
    let who = report.reporting_mta.as_deref().or(report.reporter.as_deref());
    let date = report.arrival_date.map(|date| format!(", {}", day(date))).unwrap_or_default();
    format!(
        "{}, failure report{date}",
        parties(who, report.reported_domain.first().map(|domain| &**domain))
    )
}

/// Who reports, and on which domain.
fn parties(who: Option<&str>, domain: Option<&str>) -> String {
    let name = |name: Option<&str>| {
        let name = name.unwrap_or("?");
        if name.len() > LONGEST {
            format!("{}…", &name[..name.floor_char_boundary(LONGEST)])
        } else {
            name.to_owned()
        }
    };
    format!("{} → {}", name(who), name(domain))
}
