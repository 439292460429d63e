//! From JSON to an SMTP TLS report (RFC 8460 section 4.4).
//!
//! Member names are compared without regard to case, `_` and `-`; numbers may be text, lists may be
//! one text. Members that RFC 8460 does not know are passed over without being kept in memory.

mod lenient;
mod raw;

use serde::de::Error;

use super::{Repairs, Unreadable, tls::TlsReport};
use crate::limits::{LimitExceeded, Limits};
use raw::RawReport;

const FORMAT: &str = "SMTP TLS report";

/// Objects in one report, whatever limits were set: an empty one takes two bytes as text and about
/// 200 in memory.
const OBJECTS: usize = 200_000;

/// Commas in one report. A real one has about four for each object; one between numbers takes two
/// bytes as text and 32 in memory.
const COMMAS: usize = 10 * OBJECTS;

/// Refuses a text that would need too much memory: more records, or bytes of JSON, than are left of
/// the limits.
pub(super) fn check(
    text: &str,
    limits: &Limits,
    records_left: usize,
    bytes_left: &mut u64,
) -> Result<(), LimitExceeded> {
    let Some(left) = bytes_left.checked_sub(text.len() as u64) else {
        let error = limits.too_much_unpacked();
        return Err(LimitExceeded {
            what: "bytes of JSON in a mail (a quarter of what may be unpacked)",
            value: limits.unpacked_bytes / 4,
            ..error
        });
    };
    *bytes_left = left;
    if memchr::memchr_iter(b'{', text.as_bytes()).count() > records_left.min(OBJECTS) {
        return Err(limits.too_many_records());
    }
    if memchr::memchr_iter(b',', text.as_bytes()).count() > COMMAS {
        let error = limits.too_many_records();
        return Err(LimitExceeded {
            what: "values in a TLS report",
            value: COMMAS as u64,
            ..error
        });
    }
    Ok(())
}

/// Reads the first TLS report in a text that was checked, and says where it ends if something may
/// follow.
pub(super) fn parse(
    text: &str,
    limits: &Limits,
    repairs: Repairs,
) -> (Result<TlsReport, Unreadable>, Option<usize>) {
    let error = match read(text) {
        Ok((raw, end)) => return (raw.finish(limits, repairs), Some(end)),
        Err(error) => error,
    };
    if let Some((mended, name)) = mend(text, &error)
        && let Ok((raw, end)) = read(&mended)
    {
        let mut repairs = repairs;
        repairs.note(name);
        return (raw.finish(limits, repairs), Some(end_before_mending(text, end)));
    }
    let error = if !mentions_report(text) {
        Unreadable::NotAReport("neither XML nor JSON".into())
    } else if depth(text) > limits.xml_depth {
        // serde_json gives up at 128 levels.
        LimitExceeded { what: "levels of JSON values", ..limits.xml_too_deep() }.into()
    } else {
        Unreadable::Broken { format: FORMAT, reason: error.to_string() }
    };
    (Err(error), None)
}

/// The brackets of lists and objects that do not stand in texts, and where.
fn brackets(text: &str) -> impl Iterator<Item = (usize, u8)> + '_ {
    let (mut in_text, mut escaped) = (false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' | b'}' | b']' => return !in_text,
            _ => {}
        }
        false
    })
}

/// Lists and objects in each other at most, whether they end or not.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (_, bracket) in brackets(text) {
        depth = if opens(bracket) { depth + 1 } else { depth.saturating_sub(1) };
        deepest = deepest.max(depth);
    }
    deepest
}

fn opens(bracket: u8) -> bool {
    matches!(bracket, b'{' | b'[')
}

/// True if the text has a word out of a report's first member names in quotation marks, so that it
/// may have been meant for one.
fn mentions_report(text: &str) -> bool {
    const WORDS: [&[u8]; 3] = [b"organi", b"report", b"policies"];
    memchr::memchr2_iter(b'"', b'\'', text.as_bytes()).any(|at| {
        let quoted = &text.as_bytes()[at + 1..];
        let begins = |word: &&[u8]| {
            quoted.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        WORDS.iter().any(begins)
    })
}

fn read(text: &str) -> Result<(RawReport, usize), serde_json::Error> {
    let mut reports = serde_json::Deserializer::from_str(text).into_iter();
    let report = reports.next().unwrap_or_else(|| Err(serde_json::Error::custom("it is empty")))?;
    Ok((report, reports.byte_offset()))
}

/// The text with what is needed to read it, and the repair's name; nothing where that would be
/// guessing.
fn mend(text: &str, error: &serde_json::Error) -> Option<(String, &'static str)> {
    if !error.is_eof() {
        // Long lines that were broken on their way: a line's end may stand in the middle of a
        // value. Only this report is copied: there may be many in the text.
        let breaks = |c: char| c.is_ascii_control();
        let text = &text[..value_end(text)];
        return text.contains(breaks).then(|| (text.replace(breaks, ""), "line-breaks-in-json"));
    }
    // Only brackets are missing: the text ends behind a whole policy, or behind all of them.
    let text = text.trim_end().trim_end_matches(',').trim_end();
    let mut open = Vec::new();
    for (_, bracket) in brackets(text) {
        if opens(bracket) {
            open.push(bracket);
        } else {
            open.pop();
        }
    }
    let behind_a_whole_one = text.ends_with(['}', ']']) && matches!(open.as_slice(), b"{" | b"{[");
    behind_a_whole_one.then(|| {
        let closing = if open.len() == 1 { "}" } else { "]}" };
        (format!("{text}{closing}"), "missing-end-brackets")
    })
}

/// Where the first list or object ends; the end of the text if it does not.
fn value_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, bracket) in brackets(text) {
        match (opens(bracket), depth) {
            (true, _) => depth += 1,
            (false, 0 | 1) => return at + 1,
            (false, _) => depth -= 1,
        }
    }
    text.len()
}

/// Where so many bytes of the mended text end in the one that was mended, whose control characters
/// were taken out.
fn end_before_mending(text: &str, end: usize) -> usize {
    let kept = text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_control());
    kept.skip(end).map(|(at, _)| at).next().unwrap_or(text.len())
}
