//! Several: all reports in the text of one payload, in XML and JSON, among other things.

use std::{borrow::Cow, ops::Range};

use super::{
    Left, Repairs, Report, Unreadable,
    aggregate_xml::{self, ReportEnd},
    search::{self, Search},
    text, tls_json,
};
use crate::limits::{LimitExceeded, Limits};

/// Objects around a report, or beside it with names of its members, that are looked into; each
/// may be read to its end once more.
const OBJECTS_WITHIN: usize = 4;

/// How many bytes of text that is not UTF-8 a mail may have.
pub(super) fn other_bytes(limits: &Limits) -> u64 {
    // No memory is won by refusing little.
    (limits.unpacked_bytes / 4).max(1 << 20)
}

/// Decodes a text; nothing where it would be one too many that is not UTF-8.
fn decode<'x>(bytes: &'x [u8], left: &mut Left, repairs: &mut Repairs) -> Option<Cow<'x, str>> {
    let size = bytes.len() as u64;
    // Before there is a copy.
    if size > left.other_bytes && std::str::from_utf8(bytes).is_err() {
        return None;
    }
    let text = text::decode(bytes, repairs);
    if let Cow::Owned(_) = text {
        left.other_bytes = left.other_bytes.checked_sub(size)?;
    }
    Some(text)
}

/// Whether the first report in a text is XML, and where it begins.
fn begin(
    text: &str,
    search: &mut Search,
    repairs: &mut Repairs,
) -> Result<(bool, usize), Unreadable> {
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\0');
    let start = text.len() - text.trim_start_matches(blank).len();
    let found = search.first(start);
    match (text.as_bytes().get(start), found) {
        (None, _) => return Err(Unreadable::NotAReport("empty".into())),
        // It may be broken, or something else.
        (Some(b'<'), None | Some((true, _))) => return Ok((true, start)),
        (Some(b'{'), None) => return Ok((false, start)),
        _ => {}
    }
    let Some((is_xml, at)) = found else {
        return Err(Unreadable::NotAReport("neither XML nor JSON".into()));
    };
    let in_front = &text[start..at];
    match (is_xml, in_front.strip_prefix('[')) {
        (true, _) => repairs.note("text-before-xml"),
        (false, Some(list)) if list.trim().is_empty() => repairs.note("reports-in-a-list"),
        (false, _) if in_front.is_empty() => {}
        (false, _) => repairs.note("text-before-json"),
    }
    Ok((is_xml, at))
}

/// [`parse_all`](super::parse_all) for one of several payloads of a mail.
pub fn parse_within(
    bytes: &[u8],
    limits: &Limits,
    left: &mut Left,
    repairs: &Repairs,
) -> Vec<Result<Report, Unreadable>> {
    let mut repairs = repairs.clone();
    let Some(text) = decode(bytes, left, &mut repairs) else {
        let error = limits.too_much_unpacked();
        return vec![Err(Unreadable::Limit(LimitExceeded {
            what: "bytes of text that is not UTF-8 in a mail (a quarter of what may be unpacked)",
            value: other_bytes(limits),
            ..error
        }))];
    };
    let mut search = Search::new(text.as_bytes());
    let first = match begin(&text, &mut search, &mut repairs) {
        Ok(found) => found,
        Err(error) => return vec![Err(error)],
    };
    let mut walk = Walk {
        text: &text,
        search,
        limits,
        repairs: &repairs,
        format_end: text.len(),
        switches: 2,
        objects: OBJECTS_WITHIN,
        are_parts_left: search::has_parts(&text.as_bytes()[..first.1])
            || (text::is_utf16(bytes) && Search::new(bytes).next(0).is_some()),
        is_text: !search::is_binary(&text.as_bytes()[..first.1]),
    };
    let mut reports = Vec::new();
    if let Err(why) = walk.read_all(first, left, &mut reports) {
        reports.push(Err(why));
    }
    reports
}

/// The way through a text, from report to report. A place is whether XML begins there, and where.
struct Walk<'t> {
    text: &'t str,
    search: Search<'t>,
    limits: &'t Limits,
    repairs: &'t Repairs,
    /// Where the format that was begun last ends at the latest.
    format_end: usize,
    /// How often the format may still change.
    switches: usize,
    /// How many objects of another kind may still be looked into.
    objects: usize,
    are_parts_left: bool,
    /// Only text stands beside the reports.
    is_text: bool,
}

impl Walk<'_> {
    /// Reads all reports; else why not the rest.
    fn read_all(
        &mut self,
        first: (bool, usize),
        left: &mut Left,
        reports: &mut Vec<Result<Report, Unreadable>>,
    ) -> Result<(), Unreadable> {
        let mut place = first;
        self.begin_format(place, left)?;
        loop {
            let (is_xml, at) = place;
            let text = &self.text[at..self.format_end];
            let (report, end) = one(text, is_xml, self.limits, left, self.repairs);
            let next = self.next(place, &report, end);
            reports.push(left.take(report, self.limits));
            place = match next {
                Some(_) if left.refused == 0 => return Err(self.limits.too_many_records().into()),
                Some(_) if reports.len() >= self.limits.members => {
                    return Err(self.limits.too_many_members().into());
                }
                Some(next) => next,
                None if self.are_parts_left => return Err(Unreadable::PartsLeft),
                None if !self.is_text => return Err(Unreadable::NoText),
                None => return Ok(()),
            };
            if place.0 != is_xml {
                self.switches = self.switches.checked_sub(1).ok_or(Unreadable::TooMixed)?;
                self.begin_format(place, left)?;
            }
        }
    }

    fn begin_format(
        &mut self,
        (is_xml, at): (bool, usize),
        left: &mut Left,
    ) -> Result<(), LimitExceeded> {
        let text = &self.text[at..];
        if is_xml {
            self.format_end = at + aggregate_xml::without_half_end_tag(text).len();
            return Ok(());
        }
        self.format_end = self.text.len();
        // JSON is counted from its first report to the end of the text.
        tls_json::check(text, self.limits, left.records, &mut left.json_bytes)
    }

    /// Where the report behind this one begins.
    fn next(
        &mut self,
        (is_xml, at): (bool, usize),
        report: &Result<Report, Unreadable>,
        end: Option<ReportEnd>,
    ) -> Option<(bool, usize)> {
        match (report, end) {
            (_, Some(ReportEnd { at: end, is_root: true })) => {
                // Its own end is missing, and may have stood in front of something in JSON.
                let json = self.search.json(at, at + end);
                Some(json.map_or((true, at + end), |json| (false, json)))
            }
            (Err(Unreadable::NotAReport(_)), Some(ReportEnd { at: end, .. }))
                if !is_xml && self.goes_within(at..at + end) =>
            {
                self.search.next(at + 1)
            }
            (_, Some(ReportEnd { at: end, .. })) => {
                let from = at + end;
                let search = &mut self.search;
                let next = if is_xml { search.next(from) } else { search.behind_json(from) };
                let to = next.map_or(self.text.len(), |(_, at)| at);
                let between = &self.text.as_bytes()[from..to];
                self.are_parts_left |= search::has_parts(between);
                self.is_text &= !search::is_binary(between);
                next
            }
            // A report may be in other XML, though not as an element: in CDATA, say.
            (Err(Unreadable::NotAReport(_)), None) if is_xml => self.search.next(at + 1),
            (Err(Unreadable::NotAReport(_)), None) => self.search.root(at).map(|at| (true, at)),
            (_, None) => None,
        }
    }

    /// True if an object of another kind is to be looked into, as one that a service puts around a
    /// report.
    fn goes_within(&mut self, object: Range<usize>) -> bool {
        if !search::has_member_of_all(&self.text.as_bytes()[object]) {
            return false;
        }
        self.are_parts_left |= self.objects == 0;
        self.objects = self.objects.saturating_sub(1);
        !self.are_parts_left
    }
}

/// Reads the first report of a text, and says where it ends if something may follow.
fn one(
    text: &str,
    is_xml: bool,
    limits: &Limits,
    left: &mut Left,
    repairs: &Repairs,
) -> (Result<Report, Unreadable>, Option<ReportEnd>) {
    if is_xml {
        let limits = Limits { records: left.records, ..limits.clone() };
        let (report, end) = aggregate_xml::parse(text, &limits, &mut left.pieces, repairs.clone());
        (report.map(Report::Aggregate), end)
    } else {
        let (report, end) = tls_json::parse(text, limits, repairs.clone());
        (report.map(Report::Tls), end.map(|at| ReportEnd { at, is_root: false }))
    }
}
