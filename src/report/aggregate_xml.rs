//! From XML to a DMARC aggregate report (RFC 7489 appendix C, RFC 9990 appendix A).

use std::net::{IpAddr, Ipv6Addr};

use super::{
    Period, Repairs, Text, Unreadable,
    aggregate::{
        AggregateReport, AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated,
        PolicyPublished, Record, Row, SpfResult,
    },
    date,
    xml::{Step, Tag, Walker, cut_off},
};
use crate::limits::Limits;

const FORMAT: &str = "DMARC report";

/// DKIM results and override reasons kept of one record. Each DKIM result past the first has index fields of its own, and
/// RFC 9990 lets a reporter leave out what is beyond a hundred.
const RESULTS_KEPT: usize = 100;

/// Reads the text of an aggregate report.
pub(super) fn parse(text: &str, limits: &Limits, repairs: Repairs) -> Result<AggregateReport, Unreadable> {
    let mut xml = Walker::new(text, limits, repairs);
    let mut report = AggregateReport::default();
    let mut period = None;
    find_root(&mut xml).map_err(|error| match error {
        // HTML, most often, which is neither well-formed nor sparing with elements that are never closed.
        Unreadable::Broken { .. } | Unreadable::Limit(_) if !mentions_feedback(text) => not_a_report(),
        other => other,
    })?;
    let mut position = 0;
    loop {
        match xml.step() {
            Ok(Step::Open(tag)) => match tag {
                Tag::Version => report.version = xml.optional()?,
                Tag::ReportMetadata => metadata(&mut xml, &mut report.metadata, &mut period)?,
                Tag::PolicyPublished => {
                    let policy = policy_published(&mut xml)?;
                    if report.policy_published.domain.is_none() {
                        report.policy_published = policy;
                    } else {
                        xml.repairs.note("several-policies");
                    }
                }
                Tag::Record => {
                    if position as usize >= limits.records {
                        return Err(limits.too_many_records().into());
                    }
                    match record(&mut xml, position)? {
                        Some(record) => report.records.push(record),
                        None => report.lost += 1,
                    }
                    position += 1;
                }
                _ => xml.skip()?,
            },
            Ok(Step::Close) if xml.open().is_empty() => break,
            Ok(Step::Close | Step::Text(_)) => {}
            // Only the end tags around the records are missing: nothing is lost.
            Ok(Step::End) if xml.open() == [Tag::Feedback] && position > 0 => {
                xml.repairs.note("missing-root-end-tag");
                break;
            }
            Ok(Step::End) => return Err(cut_off()),
            Err(error) => return Err(error),
        }
    }
    report.repairs = xml.repairs;
    finish(report, period)
}

fn not_a_report() -> Unreadable {
    Unreadable::NotAReport("XML without a feedback element".into())
}

/// True if the word stands anywhere in the text, so that the text may have been meant for a report.
fn mentions_feedback(text: &str) -> bool {
    memchr::memchr2_iter(b'f', b'F', text.as_bytes())
        .any(|at| text.as_bytes()[at..].first_chunk::<8>().is_some_and(|word| word.eq_ignore_ascii_case(b"feedback")))
}

/// Goes to the first `feedback`, past whatever stands before or around it.
fn find_root(xml: &mut Walker) -> Result<(), Unreadable> {
    let mut first = None;
    loop {
        match xml.step()? {
            Step::Open(Tag::Feedback) => return Ok(()),
            Step::Open(tag) => first = first.or(Some(tag)),
            Step::End => return Err(not_a_report()),
            Step::Text(_) | Step::Close => {}
        }
    }
}

/// A report must say who reports, under which id, on which time.
fn finish(mut report: AggregateReport, period: Option<Period>) -> Result<AggregateReport, Unreadable> {
    let missing = |what| Unreadable::Missing { format: FORMAT, what };
    if report.metadata.org_name.is_none() {
        match &report.metadata.email {
            Some(email) => {
                report.metadata.org_name = Some(email.rsplit('@').next().unwrap_or(email).into());
                report.repairs.note("missing-org-name");
            }
            None => return Err(missing("org_name and email")),
        }
    }
    if report.metadata.report_id.is_empty() {
        return Err(missing("report_id"));
    }
    report.metadata.date_range = period.ok_or_else(|| missing("date_range"))?;
    Ok(report)
}

fn metadata(xml: &mut Walker, into: &mut Metadata, period: &mut Option<Period>) -> Result<(), Unreadable> {
    xml.children(|xml, tag| {
        match tag {
            Tag::OrgName => into.org_name = xml.optional()?,
            Tag::Email => into.email = xml.optional()?,
            Tag::ExtraContactInfo => into.extra_contact_info = xml.optional()?,
            Tag::ReportId => into.report_id = report_id(xml.value()?),
            Tag::DateRange => *period = date_range(xml)?,
            Tag::Error => into.error.extend(xml.optional()?),
            Tag::Generator => into.generator = xml.optional()?,
            _ => xml.skip()?,
        }
        Ok(())
    })
}

/// The id, without the `<…@host>` that some reporters put around it for the subject line.
fn report_id(id: Text) -> Text {
    match id.strip_prefix('<').and_then(|id| id.strip_suffix('>')) {
        Some(inner) if !inner.is_empty() => inner.into(),
        _ => id,
    }
}

fn date_range(xml: &mut Walker) -> Result<Option<Period>, Unreadable> {
    let (mut begin, mut end) = (None, None);
    xml.children(|xml, tag| {
        match tag {
            Tag::Begin => begin = date(xml)?,
            Tag::End => end = date(xml)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(begin.zip(end).map(|(begin, end)| Period { begin, end }))
}

/// Seconds since 1970, or what else stands in their place.
fn date(xml: &mut Walker) -> Result<Option<i64>, Unreadable> {
    let text = xml.value()?;
    if let Ok(seconds) = text.parse() {
        return Ok(Some(seconds));
    }
    let parsed = date::parse(&text);
    if parsed.is_some() {
        xml.repairs.note("date-format");
    }
    Ok(parsed)
}

fn policy_published(xml: &mut Walker) -> Result<PolicyPublished, Unreadable> {
    let mut policy = PolicyPublished::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::Domain => policy.domain = xml.optional()?,
            Tag::Adkim => policy.adkim = keyword(xml)?,
            Tag::Aspf => policy.aspf = keyword(xml)?,
            Tag::P => policy.p = keyword(xml)?,
            Tag::Sp => policy.sp = keyword(xml)?,
            Tag::Np => policy.np = keyword(xml)?,
            Tag::Pct => policy.pct = xml.value()?.trim_end_matches('%').trim_end().parse().ok(),
            Tag::Fo => policy.fo = xml.optional()?,
            Tag::Testing => policy.testing = keyword(xml)?,
            Tag::DiscoveryMethod => policy.discovery_method = keyword(xml)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(policy)
}

/// One record, or nothing if it lacks what a record cannot do without.
fn record(xml: &mut Walker, position: u32) -> Result<Option<Record>, Unreadable> {
    let mut row = None;
    let mut identifiers = Identifiers::default();
    let mut auth_results = AuthResults::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::Row => row = self::row(xml)?,
            Tag::Identifiers => identifiers = self::identifiers(xml)?,
            Tag::AuthResults => self::auth_results(xml, &mut auth_results)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(row.map(|row| Record { position, row, identifiers, auth_results }))
}

fn row(xml: &mut Walker) -> Result<Option<Row>, Unreadable> {
    let (mut source_ip, mut count) = (None, None);
    let mut policy_evaluated = PolicyEvaluated::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::SourceIp => {
                let text = xml.value()?;
                source_ip = address(&text);
                if source_ip.is_none() {
                    xml.repairs.note("source-ip-unreadable");
                }
            }
            Tag::Count => count = xml.value()?.parse().ok(),
            Tag::PolicyEvaluated => policy_evaluated = self::policy_evaluated(xml)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(count.map(|count| Row { source_ip, count, policy_evaluated }))
}

/// An address; one of IPv4 in IPv6's clothes (`::ffff:192.0.2.1`) is one of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
    bare.parse().ok().or_else(|| bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6)).map(|ip: IpAddr| ip.to_canonical())
}

fn policy_evaluated(xml: &mut Walker) -> Result<PolicyEvaluated, Unreadable> {
    let mut evaluated = PolicyEvaluated::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::Disposition => evaluated.disposition = keyword(xml)?,
            Tag::Dkim => evaluated.dkim = keyword(xml)?,
            Tag::Spf => evaluated.spf = keyword(xml)?,
            Tag::Reason => {
                let reason = override_reason(xml)?;
                if reason != OverrideReason::default() && evaluated.reason.len() < RESULTS_KEPT {
                    evaluated.reason.push(reason);
                }
            }
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(evaluated)
}

fn override_reason(xml: &mut Walker) -> Result<OverrideReason, Unreadable> {
    let mut reason = OverrideReason::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::Type => reason.kind = keyword(xml)?,
            Tag::Comment => reason.comment = xml.optional()?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(reason)
}

fn identifiers(xml: &mut Walker) -> Result<Identifiers, Unreadable> {
    let mut identifiers = Identifiers::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::HeaderFrom => identifiers.header_from = xml.optional()?,
            Tag::EnvelopeFrom => identifiers.envelope_from = xml.optional()?,
            Tag::EnvelopeTo => identifiers.envelope_to = xml.optional()?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(identifiers)
}

fn auth_results(xml: &mut Walker, into: &mut AuthResults) -> Result<(), Unreadable> {
    xml.children(|xml, tag| {
        match tag {
            Tag::Dkim => {
                let result = dkim_result(xml)?;
                if result != DkimResult::default() && into.dkim.len() < RESULTS_KEPT {
                    into.dkim.push(result);
                }
            }
            Tag::Spf => {
                let result = spf_result(xml)?;
                if result != SpfResult::default() && into.spf.len() < RESULTS_KEPT {
                    into.spf.push(result);
                }
            }
            _ => xml.skip()?,
        }
        Ok(())
    })
}

fn dkim_result(xml: &mut Walker) -> Result<DkimResult, Unreadable> {
    let mut dkim = DkimResult::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::Domain => dkim.domain = xml.optional()?,
            Tag::Selector => dkim.selector = xml.optional()?,
            Tag::Result => dkim.result = keyword(xml)?,
            Tag::HumanResult => dkim.human_result = xml.optional()?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(dkim)
}

fn spf_result(xml: &mut Walker) -> Result<SpfResult, Unreadable> {
    let mut spf = SpfResult::default();
    xml.children(|xml, tag| {
        match tag {
            Tag::Domain => spf.domain = xml.optional()?,
            Tag::Scope => spf.scope = keyword(xml)?,
            Tag::Result => spf.result = keyword(xml)?,
            Tag::HumanResult => spf.human_result = xml.optional()?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(spf)
}

/// A value from a fixed list, in lower case as the RFCs have it.
fn keyword(xml: &mut Walker) -> Result<Option<Text>, Unreadable> {
    let mut value = xml.value()?;
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        xml.repairs.note("keyword-case");
        value = value.to_ascii_lowercase();
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}
