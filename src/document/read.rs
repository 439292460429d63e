//! Read: a document of an index in, the report it was made of, with that one record, policy or
//! failure, out.
//!
//! The documents are this program's own, or those of the Ruby tool, whose shape ours have: elements
//! of XML as members, values as texts, DKIM results as an object with the keys 0, 1, …. They are
//! written as XML or JSON again and read as any report is, so that each value is what it would be
//! if the report came with a mail, and so is its id.

mod failure;

use serde_json::{Map, Value, json};

use crate::{
    limits::Limits,
    message::Received,
    report::{self, Kind, Repairs, Report, ReportKey, Text, Unreadable},
};

/// A document's report, with one record, policy or failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// The report.
    pub report: Report,
    /// What is known of the mail that brought it; nothing in documents of the Ruby tool.
    pub received: Received,
    /// What identifies report and record, where the document has an id of this program.
    pub id: Option<(ReportKey, u64)>,
}

/// Which kind of document this is, told by its members; nothing if it is none of a report.
pub fn kind(source: &Value) -> Option<Kind> {
    let has = |name| source.get(name).is_some_and(Value::is_object);
    [("feedback", Kind::Dmarc), ("policies", Kind::Tls), ("failure", Kind::Failure)]
        .into_iter()
        .find_map(|(name, kind)| has(name).then_some(kind))
}

/// Reads a document by its `_id` and `_source`. Values are cut at `value_bytes`, as those of a
/// report that came with a mail; of this program's own documents they have been.
///
/// # Errors
/// [`Unreadable`] says why there is no report in it.
pub fn read(id: &str, source: Value, value_bytes: usize) -> Result<Single, Unreadable> {
    let (Some(kind), Value::Object(mut source)) = (kind(&source), source) else {
        return Err(Unreadable::NotAReport("no feedback, policies or failure in it".into()));
    };
    let id = own_id(id);
    let stored = source.remove("received").unwrap_or_default();
    let value_bytes = if id.is_some() { usize::MAX } else { value_bytes };
    let limits = Limits { value_bytes, ..Limits::default() };
    let mut report = match kind {
        Kind::Dmarc => dmarc(&source, &limits)?,
        Kind::Tls => tls(source, &limits)?,
        Kind::Failure => {
            let failure = source.remove("failure").unwrap_or_default();
            Report::Failure(failure::read(&failure, &stored))
        }
    };
    if id.is_some() {
        *report.repairs_mut() = Repairs::from_names(texts(&stored["repairs"]));
    }
    Ok(Single { report, received: received(&stored), id })
}

/// Takes an `_id` of this program apart: 32 hexadecimal digits, a hyphen, and 16.
fn own_id(id: &str) -> Option<(ReportKey, u64)> {
    let (key, part) = id.split_once('-')?;
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !is_hex(key, 32) || !is_hex(part, 16) {
        return None;
    }
    let key = u128::from_str_radix(key, 16).ok()?;
    let part = u64::from_str_radix(part, 16).ok().filter(|part| *part >> 63 == 0)?;
    Some((ReportKey::from_bytes(key.to_be_bytes()), part))
}

/// The object `received`.
fn received(stored: &Value) -> Received {
    let authenticated = stored.get("authenticated").cloned();
    Received {
        message_id: text(&stored["message_id"]),
        at: stored["at"].as_str().map(str::to_owned),
        from: text(&stored["from"]),
        authenticated: authenticated.and_then(|value| serde_json::from_value(value).ok()),
    }
}

fn text(value: &Value) -> Option<Text> {
    value.as_str().map(Text::from)
}

/// One text, or several.
fn texts(value: &Value) -> Vec<Text> {
    match value {
        Value::Array(list) => list.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

fn dmarc(source: &Map<String, Value>, limits: &Limits) -> Result<Report, Unreadable> {
    let mut xml = String::with_capacity(2048);
    element("feedback", &source["feedback"], &mut xml);
    report::parse(xml.as_bytes(), limits)
}

/// The document's members are the report's, but for the one policy in place of a list.
fn tls(mut source: Map<String, Value>, limits: &Limits) -> Result<Report, Unreadable> {
    // What stands beside the report.
    source.retain(|name, _| !matches!(name.as_str(), "@timestamp" | "tls"));
    if let Some(policy) = source.get_mut("policies") {
        *policy = json!([policy.take()]);
    }
    report::parse(Value::Object(source).to_string().as_bytes(), limits)
}

/// Writes an element with all that is in it. A list is the element again and again, and so is an
/// object with numbers for keys.
fn element(name: &str, value: &Value, xml: &mut String) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || !name.chars().all(is_name)
    {
        // No element of a report.
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|one| element(name, one, xml)),
        Value::Object(members) => match numbered(members) {
            Some(list) => list.into_iter().for_each(|one| element(name, one, xml)),
            None => around(name, xml, |xml| {
                members.iter().for_each(|(name, value)| element(name, value, xml));
            }),
        },
        Value::Null => around(name, xml, |_| {}),
        Value::String(text) => around(name, xml, |xml| escape(text, xml)),
        Value::Bool(_) | Value::Number(_) => {
            around(name, xml, |xml| xml.push_str(&value.to_string()));
        }
    }
}

fn around(name: &str, xml: &mut String, content: impl FnOnce(&mut String)) {
    ["<", name, ">"].into_iter().for_each(|part| xml.push_str(part));
    content(xml);
    ["</", name, ">"].into_iter().for_each(|part| xml.push_str(part));
}

/// The values of `{"0": …, "1": …}` in the order of their numbers.
fn numbered(members: &Map<String, Value>) -> Option<Vec<&Value>> {
    let numbers = members.iter().map(|(name, value)| Some((name.parse::<u32>().ok()?, value)));
    let mut numbers: Vec<(u32, &Value)> = numbers.collect::<Option<_>>()?;
    numbers.sort_unstable_by_key(|(number, _)| *number);
    (!numbers.is_empty()).then(|| numbers.into_iter().map(|(_, value)| value).collect())
}

fn escape(text: &str, xml: &mut String) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_ids_are_taken_apart() {
        let id = "00112233445566778899aabbccddeeff-7000000000000001";
        let (key, part) = own_id(id).expect("ours");
        assert_eq!(format!("{}-{part:016x}", key.as_str()), id);
        for other in [
            "4XADGKIBZLqcL_jfbzTM",
            "00112233445566778899AABBCCDDEEFF-7000000000000001",
            "00112233445566778899aabbccddeeff-8000000000000001",
            "00112233445566778899aabbccddeeff-700000000000001",
            "",
        ] {
            assert_eq!(own_id(other), None, "{other}");
        }
    }

    #[test]
    fn values_are_escaped_and_lists_become_elements() {
        let mut xml = String::new();
        let value = json!({
            "spf": [{ "domain": "a&b<c>" }, { "domain": null }],
            "dkim": { "10": { "domain": "k" }, "9": { "domain": "j" } },
            "@xmlns": "x", "a b": "y", "count": 5,
        });
        element("r", &value, &mut xml);
        let expected = "<r><count>5</count><dkim><domain>j</domain></dkim>\
                        <dkim><domain>k</domain></dkim><spf><domain>a&amp;b&lt;c&gt;</domain></spf>\
                        <spf><domain></domain></spf></r>";
        assert_eq!(xml, expected);
    }
}
