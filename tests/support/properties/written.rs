//! A report as text again, which must read as the same.

use std::fmt::Write as _;

use email_report_processor::report::{
    self, AggregateReport, Period, Text, TlsReport, aggregate::Record,
};
use serde_json::Value;

fn element(out: &mut String, name: &str, value: Option<&Text>) {
    if let Some(value) = value {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(out, "<{name}>{value}</{name}>");
    }
}

/// As text: seconds of far centuries would be taken for milliseconds.
fn dates(period: Period) -> (String, String) {
    let text = |seconds| report::rfc3339(seconds).expect("a time that can be read can be written");
    (text(period.begin), text(period.end))
}

pub fn xml(report: &AggregateReport) -> String {
    let mut out = String::from("<feedback>");
    let (metadata, policy) = (&report.metadata, &report.policy_published);
    element(&mut out, "version", report.version.as_ref());
    out.push_str("<report_metadata>");
    element(&mut out, "org_name", metadata.org_name.as_ref());
    element(&mut out, "email", metadata.email.as_ref());
    element(&mut out, "extra_contact_info", metadata.extra_contact_info.as_ref());
    element(&mut out, "report_id", Some(&metadata.report_id));
    let (begin, end) = dates(metadata.date_range);
    let _ = write!(out, "<date_range><begin>{begin}</begin><end>{end}</end></date_range>");
    metadata.error.iter().for_each(|error| element(&mut out, "error", Some(error)));
    element(&mut out, "generator", metadata.generator.as_ref());
    out.push_str("</report_metadata><policy_published>");
    for (name, value) in [
        ("domain", &policy.domain),
        ("adkim", &policy.adkim),
        ("aspf", &policy.aspf),
        ("p", &policy.p),
        ("sp", &policy.sp),
        ("np", &policy.np),
        ("fo", &policy.fo),
        ("testing", &policy.testing),
        ("discovery_method", &policy.discovery_method),
    ] {
        element(&mut out, name, value.as_ref());
    }
    if let Some(pct) = policy.pct {
        let _ = write!(out, "<pct>{pct}</pct>");
    }
    out.push_str("</policy_published>");
    report.records.iter().for_each(|record| record_as_xml(record, &mut out));
    out.push_str("</feedback>");
    out
}

fn record_as_xml(record: &Record, out: &mut String) {
    let evaluated = &record.row.policy_evaluated;
    out.push_str("<record><row>");
    if let Some(ip) = record.row.source_ip {
        let _ = write!(out, "<source_ip>{ip}</source_ip>");
    }
    let _ = write!(out, "<count>{}</count><policy_evaluated>", record.row.count);
    element(out, "disposition", evaluated.disposition.as_ref());
    element(out, "dkim", evaluated.dkim.as_ref());
    element(out, "spf", evaluated.spf.as_ref());
    for reason in &evaluated.reason {
        out.push_str("<reason>");
        element(out, "type", reason.kind.as_ref());
        element(out, "comment", reason.comment.as_ref());
        out.push_str("</reason>");
    }
    out.push_str("</policy_evaluated></row><identifiers>");
    element(out, "header_from", record.identifiers.header_from.as_ref());
    element(out, "envelope_from", record.identifiers.envelope_from.as_ref());
    element(out, "envelope_to", record.identifiers.envelope_to.as_ref());
    out.push_str("</identifiers><auth_results>");
    for spf in &record.auth_results.spf {
        out.push_str("<spf>");
        element(out, "domain", spf.domain.as_ref());
        element(out, "scope", spf.scope.as_ref());
        element(out, "result", spf.result.as_ref());
        element(out, "human_result", spf.human_result.as_ref());
        out.push_str("</spf>");
    }
    for dkim in &record.auth_results.dkim {
        out.push_str("<dkim>");
        element(out, "domain", dkim.domain.as_ref());
        element(out, "selector", dkim.selector.as_ref());
        element(out, "result", dkim.result.as_ref());
        element(out, "human_result", dkim.human_result.as_ref());
        out.push_str("</dkim>");
    }
    out.push_str("</auth_results></record>");
}

pub fn json(report: &TlsReport) -> String {
    let (begin, end) = dates(report.date_range);
    let policies: Vec<Value> = report
        .policies
        .iter()
        .map(|policy| serde_json::to_value(policy).expect("plain values"))
        .collect();
    let mut object = serde_json::json!({
        "report-id": report.report_id.as_str(),
        "date-range": { "start-datetime": begin, "end-datetime": end },
        "policies": policies,
    });
    for (name, value) in
        [("organization-name", &report.organization_name), ("contact-info", &report.contact_info)]
    {
        if let Some(value) = value {
            object[name] = Value::String(value.to_string());
        }
    }
    object.to_string()
}
