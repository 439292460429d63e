//! From XML to a DMARC aggregate report (RFC 7489 appendix C, RFC 9990 appendix A).

mod fields;
mod record;

pub(super) use self::record::address;
use self::{
    fields::{keep_first, set, set_keyword},
    record::record,
};
use super::{
    Period, Repairs, Text, Unreadable,
    aggregate::{AggregateReport, Metadata, PolicyPublished},
    date, number,
    xml::{Element, Pieces, Walker, XmlStep},
};
use crate::limits::Limits;

const FORMAT: &str = "DMARC report";

/// Errors kept of the metadata, which are copied into every document. One is usual.
const ERRORS_KEPT: usize = 20;

/// Where a report ends.
#[derive(Clone, Copy)]
pub(super) struct ReportEnd {
    pub(super) at: usize,
    /// The next report begins there; else somewhere behind, or nowhere.
    pub(super) is_root: bool,
}

/// Reads the first aggregate report in a text that does not break off in an end tag
/// ([`without_half_end_tag`]), and says where it ends if something may follow.
pub(super) fn parse(
    text: &str,
    limits: &Limits,
    pieces: &mut Pieces,
    mut repairs: Repairs,
) -> (Result<AggregateReport, Unreadable>, Option<ReportEnd>) {
    let skipped = open_declaration(text);
    if skipped > 0 {
        repairs.note("xml-declaration");
    }
    let text = &text[skipped..];
    let mut xml = Walker::new(text, limits, *pieces, repairs);
    let mut report = AggregateReport::default();
    let mut period = None;
    let outcome = match find_root(&mut xml) {
        Ok(child) => read(&mut xml, child, limits, &mut report, &mut period),
        // HTML, most often, which is neither well-formed nor sparing with elements that are never
        // closed.
        Err(Unreadable::Broken { .. } | Unreadable::Limit(_)) if !mentions_feedback(text) => {
            Err(not_a_report())
        }
        Err(error) => Err(error),
    };
    *pieces = xml.pieces;
    match outcome {
        Ok(end) => {
            report.repairs = xml.repairs;
            (finish(report, period), Some(ReportEnd { at: skipped + end.at, ..end }))
        }
        Err(error) => (Err(error), None),
    }
}

fn not_a_report() -> Unreadable {
    Unreadable::NotAReport("XML without a feedback element".into())
}

/// True if the word stands anywhere in the text as in a tag, so that the text may have been meant
/// for a report.
fn mentions_feedback(text: &str) -> bool {
    let text = text.as_bytes();
    memchr::memchr2_iter(b'f', b'F', text).any(|at| {
        let is_word = |word: &[u8; 8]| word.eq_ignore_ascii_case(b"feedback");
        let is_in_tag = at.checked_sub(1).is_some_and(|at| matches!(text[at], b'<' | b'/' | b':'))
            || matches!(text.get(at + 8), Some(b'>' | b'/'));
        is_in_tag && text[at..].first_chunk().is_some_and(is_word)
    })
}

/// The length of `<?xml version="1.0">`, a declaration without its second `?`, which would swallow
/// the report; 0 for others.
fn open_declaration(text: &str) -> usize {
    let trimmed = text.trim_start();
    let is_declaration =
        trimmed.strip_prefix("<?xml").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
    // Nothing else is searched: there may be many reports in front of a long text.
    if !is_declaration {
        return 0;
    }
    match trimmed.find('>') {
        Some(end) if !trimmed[..end].ends_with('?') => text.len() - trimmed.len() + end + 1,
        _ => 0,
    }
}

/// The text without the beginning of an end tag that it breaks off in.
pub(super) fn without_half_end_tag(text: &str) -> &str {
    match text.rfind('<') {
        Some(at) if text[at..].starts_with("</") && !text[at..].contains('>') => &text[..at],
        _ => text,
    }
}

/// Reads the report around the reader; `child` is an element of it that was met on the way.
fn read(
    xml: &mut Walker,
    mut child: Option<Element>,
    limits: &Limits,
    report: &mut AggregateReport,
    period: &mut Option<Period>,
) -> Result<ReportEnd, Unreadable> {
    // Elements open in the report itself: `feedback` and what stands around it.
    let inside = xml.open().len() - usize::from(child.is_some());
    let mut met = 0;
    let mut end_of_last = xml.offset();
    loop {
        let ends_at = |at| Ok(ReportEnd { at, is_root: false });
        let step = child.take().map_or_else(|| xml.step(), |met| Ok(XmlStep::Open(met)))?;
        match step {
            XmlStep::Open(Element::Version) => set(xml, &mut report.version)?,
            XmlStep::Open(Element::ReportMetadata) => metadata(xml, &mut report.metadata, period)?,
            XmlStep::Open(Element::PolicyPublished) => {
                set_policy(xml, &mut report.policy_published)?;
            }
            XmlStep::Open(Element::Record) if met >= limits.records => {
                return Err(limits.too_many_records().into());
            }
            XmlStep::Open(Element::Record) => {
                report.records.extend(record(xml, &mut report.lost)?);
                met += 1;
            }
            // What stands around the records: its children are those of the report.
            XmlStep::Open(Element::Records) => xml.repairs.note("records-in-a-list"),
            XmlStep::Open(Element::Schema) => xml.repairs.note("schema-inside"),
            XmlStep::Open(Element::Feedback) => {
                xml.repairs.note("missing-root-end-tag");
                return Ok(ReportEnd { at: xml.last_offset(), is_root: true });
            }
            XmlStep::Open(Element::Row) => lost_record(xml, &mut report.lost)?,
            // Whatever stands there, records in it are not passed over.
            XmlStep::Open(_) if xml.skip_to(Some(Element::Record))? => {
                xml.repairs.note("records-in-a-list");
                child = Some(Element::Record);
            }
            XmlStep::Close if xml.open().len() < inside => return ends_at(xml.offset()),
            XmlStep::Text(_) => continue,
            XmlStep::Open(_) | XmlStep::Close => {}
            XmlStep::End if inside == 0 => return ends_at(end_of_last),
            // Only the end tags around the records are missing: nothing is lost.
            XmlStep::End if xml.open().len() >= inside && met > 0 => {
                xml.repairs.note("missing-root-end-tag");
                return ends_at(end_of_last);
            }
            XmlStep::End => return Err(xml.cut_off()),
        }
        end_of_last = xml.offset();
    }
}

/// The row of a record whose own start tag is damaged.
fn lost_record(xml: &mut Walker, lost: &mut usize) -> Result<(), Unreadable> {
    *lost += 1;
    xml.skip()
}

/// The first policy that names a domain stays.
fn set_policy(xml: &mut Walker, kept: &mut PolicyPublished) -> Result<(), Unreadable> {
    let policy = policy_published(xml)?;
    if kept.domain.is_none() {
        *kept = policy;
    } else if *kept != policy {
        xml.repairs.note("several-policies");
    }
    Ok(())
}

/// Goes to the first `feedback`, past whatever stands before or around it; or to the first element
/// of a report that stands there without it, which is returned.
fn find_root(xml: &mut Walker) -> Result<Option<Element>, Unreadable> {
    loop {
        match xml.step()? {
            XmlStep::Open(Element::Feedback) => return Ok(None),
            XmlStep::Open(tag @ (Element::ReportMetadata | Element::PolicyPublished)) => {
                xml.repairs.note("missing-root");
                return Ok(Some(tag));
            }
            XmlStep::End => return Err(not_a_report()),
            XmlStep::Open(_) | XmlStep::Text(_) | XmlStep::Close => {}
        }
    }
}

/// A report must say who reports, under which id, on which time.
fn finish(
    mut report: AggregateReport,
    period: Option<Period>,
) -> Result<AggregateReport, Unreadable> {
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
    match report.lost {
        // The schema demands one (RFC 7489 appendix C), and without a document nothing would tell
        // of the mail.
        0 if report.records.is_empty() => return Err(missing("a record")),
        lost if report.records.is_empty() => {
            return Err(Unreadable::all_lost(FORMAT, lost, "records"));
        }
        _ => {}
    }
    Ok(report)
}

fn metadata(
    xml: &mut Walker,
    into: &mut Metadata,
    period: &mut Option<Period>,
) -> Result<(), Unreadable> {
    let mut id = None;
    xml.children(|xml, tag| {
        match tag {
            Element::OrgName => set(xml, &mut into.org_name)?,
            Element::Email => set(xml, &mut into.email)?,
            Element::ExtraContactInfo => set(xml, &mut into.extra_contact_info)?,
            Element::ReportId => set(xml, &mut id)?,
            Element::DateRange => {
                let another = date_range(xml)?;
                keep_first(xml, period, another);
            }
            Element::Error => match xml.optional()? {
                Some(_) if into.error.len() >= ERRORS_KEPT => xml.repairs.note("errors-cut"),
                error => into.error.extend(error),
            },
            Element::Generator => set(xml, &mut into.generator)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    if let Some(id) = id {
        let id = report_id(xml, id);
        if into.report_id.is_empty() {
            into.report_id = id;
        } else if into.report_id != id {
            xml.repairs.note("repeated-element");
        }
    }
    Ok(())
}

/// The id, without the `<…@host>` that some reporters put around it for the subject line.
fn report_id(xml: &mut Walker, id: Text) -> Text {
    match id.strip_prefix('<').and_then(|id| id.strip_suffix('>')) {
        Some(inner) if !inner.is_empty() => {
            xml.repairs.note("report-id-brackets");
            inner.into()
        }
        _ => id,
    }
}

fn date_range(xml: &mut Walker) -> Result<Option<Period>, Unreadable> {
    let (mut begin, mut end) = (None, None);
    xml.children(|xml, tag| {
        match tag {
            Element::Begin => {
                let another = date(xml)?;
                keep_first(xml, &mut begin, another);
            }
            Element::End => {
                let another = date(xml)?;
                keep_first(xml, &mut end, another);
            }
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    let Some((mut begin, mut end)) = begin.zip(end) else { return Ok(None) };
    if begin > end {
        xml.repairs.note("period-reversed");
        std::mem::swap(&mut begin, &mut end);
    }
    Ok(Some(Period { begin, end }))
}

/// Seconds since 1970, or what else stands in their place.
fn date(xml: &mut Walker) -> Result<Option<i64>, Unreadable> {
    let text = xml.value()?;
    let parsed = date::parse(&text);
    if parsed.is_some() && text.parse() != Ok(parsed.unwrap_or_default()) {
        xml.repairs.note("date-format");
    }
    Ok(parsed)
}

fn policy_published(xml: &mut Walker) -> Result<PolicyPublished, Unreadable> {
    let mut policy = PolicyPublished::default();
    xml.children(|xml, tag| {
        match tag {
            Element::Domain => set(xml, &mut policy.domain)?,
            Element::Adkim => set_keyword(xml, &mut policy.adkim)?,
            Element::Aspf => set_keyword(xml, &mut policy.aspf)?,
            Element::P => set_keyword(xml, &mut policy.p)?,
            Element::Sp => set_keyword(xml, &mut policy.sp)?,
            Element::Np => set_keyword(xml, &mut policy.np)?,
            Element::Pct => {
                let text = xml.value()?;
                let pct = number(&text).and_then(|number| number.try_into().ok());
                if pct.is_none() && !text.is_empty() {
                    xml.repairs.note("pct-unreadable");
                }
                keep_first(xml, &mut policy.pct, pct);
            }
            Element::Fo => set(xml, &mut policy.fo)?,
            Element::Testing => set_keyword(xml, &mut policy.testing)?,
            Element::DiscoveryMethod => set_keyword(xml, &mut policy.discovery_method)?,
            _ => xml.skip()?,
        }
        Ok(())
    })?;
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_may_lack_its_second_question_mark() {
        for (text, length) in [
            ("<?xml version='1.0'>\n<feedback>", 20),
            ("\n<?xml version='1.0'?><feedback>", 0),
            ("<?xml-stylesheet href='>'?><feedback>", 0),
            ("<?xml version='1.0'", 0),
        ] {
            assert_eq!(open_declaration(text), length, "{text}");
        }
    }
}
