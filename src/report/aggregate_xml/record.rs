//! Records of an aggregate report.

use std::net::IpAddr;

use super::fields::{keep_first, push, set, set_keyword};
use crate::report::{
    Unreadable,
    aggregate::{
        AuthResults, DkimResult, Identifiers, OverrideReason, PolicyEvaluated, Record, Row,
        SpfResult,
    },
    number,
    xml::{Element, Walker},
};

/// One record, or nothing if it lacks what a record cannot do without: its row with a count.
pub(super) fn record(xml: &mut Walker, lost: &mut usize) -> Result<Option<Record>, Unreadable> {
    let mut rows = 0;
    let mut first = None;
    let mut identifiers = Identifiers::default();
    let mut auth_results = AuthResults::default();
    xml.children(|xml, tag| {
        match tag {
            Element::Row => {
                rows += 1;
                let row = self::row(xml)?;
                first = first.take().or(row);
            }
            Element::Identifiers => self::identifiers(xml, &mut identifiers)?,
            Element::AuthResults => self::auth_results(xml, &mut auth_results)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    if rows > 1 {
        xml.repairs.note("repeated-element");
    }
    // It is unknown which identifiers belong to a second row.
    *lost += rows.max(1) - usize::from(first.is_some());
    Ok(first.map(|row| Record { row, identifiers, auth_results }))
}

fn row(xml: &mut Walker) -> Result<Option<Row>, Unreadable> {
    let (mut source_ip, mut count) = (None, None);
    let mut policy_evaluated = PolicyEvaluated::default();
    xml.children(|xml, tag| {
        match tag {
            Element::SourceIp => {
                let ip = self::source_ip(xml)?;
                keep_first(xml, &mut source_ip, ip);
            }
            Element::Count => {
                let another = self::count(xml)?;
                keep_first(xml, &mut count, another);
            }
            Element::PolicyEvaluated => self::policy_evaluated(xml, &mut policy_evaluated)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(count.map(|count| Row { source_ip, count, policy_evaluated }))
}

fn source_ip(xml: &mut Walker) -> Result<Option<IpAddr>, Unreadable> {
    let text = xml.value()?;
    let address = address(&text);
    match address {
        None => xml.repairs.note("source-ip-unreadable"),
        Some(IpAddr::V4(_)) if text.contains(':') => xml.repairs.note("ipv4-mapped"),
        Some(_)
            if text.starts_with(|first: char| !first.is_ascii_hexdigit() && first != ':')
                || text.contains('/') =>
        {
            xml.repairs.note("source-ip-form");
        }
        Some(_) => {}
    }
    Ok(address)
}

fn count(xml: &mut Walker) -> Result<Option<u64>, Unreadable> {
    let text = xml.value()?;
    let count = number(&text);
    if count.is_some() && !text.bytes().all(|byte| byte.is_ascii_digit()) {
        xml.repairs.note("count-format");
    }
    Ok(count)
}

/// An address; one of IPv4 in IPv6's clothes (`::ffff:192.0.2.1`) is one of IPv4. Brackets, `IPv6:`
/// (RFC 5321 section 4.1.3) and the length of a prefix that means one address are taken off.
pub(in crate::report) fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
    let (bare, length) = bare.split_once('/').unwrap_or((bare, ""));
    let ip: IpAddr = bare.parse().ok()?;
    match (length, ip) {
        ("", _) | ("32", IpAddr::V4(_)) | ("128", IpAddr::V6(_)) => Some(ip.to_canonical()),
        _ => None,
    }
}

fn policy_evaluated(xml: &mut Walker, evaluated: &mut PolicyEvaluated) -> Result<(), Unreadable> {
    xml.children(|xml, tag| {
        match tag {
            Element::Disposition => set_keyword(xml, &mut evaluated.disposition)?,
            Element::Dkim => set_keyword(xml, &mut evaluated.dkim)?,
            Element::Spf => set_keyword(xml, &mut evaluated.spf)?,
            Element::Reason => {
                let reason = override_reason(xml)?;
                push(xml, &mut evaluated.reason, reason);
            }
            _ => xml.skip()?,
        }
        Ok(())
    })
}

fn override_reason(xml: &mut Walker) -> Result<OverrideReason, Unreadable> {
    let mut reason = OverrideReason::default();
    let text = xml.mixed(|xml, tag| {
        match tag {
            Element::Type => set_keyword(xml, &mut reason.kind)?,
            Element::Comment => set(xml, &mut reason.comment)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    if reason.comment.is_some() {
        if !text.is_empty() {
            xml.repairs.note("stray-text");
        }
    } else if !text.is_empty() {
        xml.repairs.note("reason-as-text");
        reason.comment = Some(text);
    }
    Ok(reason)
}

fn identifiers(xml: &mut Walker, identifiers: &mut Identifiers) -> Result<(), Unreadable> {
    xml.children(|xml, tag| match tag {
        Element::HeaderFrom => set(xml, &mut identifiers.header_from),
        Element::EnvelopeFrom => set(xml, &mut identifiers.envelope_from),
        Element::EnvelopeTo => set(xml, &mut identifiers.envelope_to),
        _ => xml.skip(),
    })
}

fn auth_results(xml: &mut Walker, into: &mut AuthResults) -> Result<(), Unreadable> {
    xml.children(|xml, tag| {
        match tag {
            Element::Dkim => {
                let result = dkim_result(xml)?;
                push(xml, &mut into.dkim, result);
            }
            Element::Spf => {
                let result = spf_result(xml)?;
                push(xml, &mut into.spf, result);
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
            Element::Domain => set(xml, &mut dkim.domain)?,
            Element::Selector => set(xml, &mut dkim.selector)?,
            Element::Result => set_keyword(xml, &mut dkim.result)?,
            Element::HumanResult => set(xml, &mut dkim.human_result)?,
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
            Element::Domain => set(xml, &mut spf.domain)?,
            Element::Scope => set_keyword(xml, &mut spf.scope)?,
            Element::Result => set_keyword(xml, &mut spf.result)?,
            Element::HumanResult => set(xml, &mut spf.human_result)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(spf)
}
