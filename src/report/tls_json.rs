//! From JSON to an SMTP TLS report (RFC 8460 section 4.4).
//!
//! Member names are compared without regard to case, `_` and `-`; numbers may be text, lists may be one text.
//! Members that RFC 8460 does not know are passed over without being kept in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{
    Period, Repairs, Text, Unreadable, date, number,
    tls::{FailureDetail, Policy, PolicyResult, Summary, TlsReport},
};
use crate::limits::{LimitExceeded, Limits};

const FORMAT: &str = "SMTP TLS report";

/// Values kept of a list of texts: lines of a policy, names of hosts.
const TEXTS_KEPT: usize = 1000;

/// Objects in one report, whatever limits were set: an empty one takes two bytes as text and about 200 in memory.
const OBJECTS: usize = 200_000;

/// Commas in one report. A real one has about four for each object; one between numbers takes two bytes as text and 32 in
/// memory.
const COMMAS: usize = 10 * OBJECTS;

/// Refuses a text that would need too much memory: more records, or bytes of JSON, than are left of the limits.
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
        return Err(LimitExceeded { what: "values in a TLS report", value: COMMAS as u64, ..error });
    }
    Ok(())
}

/// Reads the first TLS report in a text that was checked, and says where it ends if something may follow.
pub(super) fn parse(text: &str, limits: &Limits, repairs: Repairs) -> (Result<TlsReport, Unreadable>, Option<usize>) {
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

/// Lists and objects in each other at most, whether they end or not.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// True if the text has a word out of a report's first member names, so that it may have been meant for one.
fn mentions_report(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["organi", "report", "policies"].iter().any(|word| text.contains(word))
}

fn read(text: &str) -> Result<(RawReport, usize), serde_json::Error> {
    let mut reports = serde_json::Deserializer::from_str(text).into_iter();
    let report = reports.next().unwrap_or_else(|| Err(serde_json::Error::custom("it is empty")))?;
    Ok((report, reports.byte_offset()))
}

/// The text with what is needed to read it, and the repair's name; nothing where that would be guessing.
fn mend(text: &str, error: &serde_json::Error) -> Option<(String, &'static str)> {
    if !error.is_eof() {
        // Long lines that were broken on their way: a line's end may stand in the middle of a value.
        let breaks = |c: char| c.is_ascii_control();
        return text.contains(breaks).then(|| (text.replace(breaks, ""), "line-breaks-in-json"));
    }
    // Only brackets are missing: the text ends behind a whole policy, or behind all of them.
    let text = text.trim_end().trim_end_matches(',').trim_end();
    let (mut open, mut in_text, mut escaped) = (Vec::new(), false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => open.push(byte),
            b'}' | b']' if !in_text => {
                open.pop();
            }
            _ => {}
        }
    }
    let behind_a_whole_one = text.ends_with(['}', ']']) && matches!(open.as_slice(), b"{" | b"{[");
    behind_a_whole_one.then(|| {
        let closing = if open.len() == 1 { "}" } else { "]}" };
        (format!("{text}{closing}"), "missing-end-brackets")
    })
}

/// Where so many bytes of the mended text end in the one that was mended, whose control characters were taken out.
fn end_before_mending(text: &str, end: usize) -> usize {
    let kept = text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_control());
    kept.skip(end).map(|(at, _)| at).next().unwrap_or(text.len())
}

/// Declares a struct whose members are read leniently: by folded name, a second one of the same name wins, unknown ones
/// ignored. A field's name is the member's, with `_` for `-`. What stands in an object's place and is none is passed over.
macro_rules! lenient {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $key:literal $(| $alias:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name {
            /// It was there, and an object.
            present: bool,
            /// A member's name was not spelled as in RFC 8460.
            respelled: bool,
            /// A member stood there more than once.
            repeated: bool,
            $($field: $type,)*
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;
                impl<'de> Visitor<'de> for Members {
                    type Value = $name;
                    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                        formatter.write_str("an object")
                    }
                    fn visit_unit<E: Error>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_bool<E: Error>(self, _: bool) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_i64<E: Error>(self, _: i64) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_u64<E: Error>(self, _: u64) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_f64<E: Error>(self, _: f64) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_str<E: Error>(self, _: &str) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<$name, A::Error> {
                        while list.next_element::<IgnoredAny>()?.is_some() {}
                        Ok($name::default())
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name { present: true, ..$name::default() };
                        $(let mut $field = false;)*
                        while let Some(FoldedName { folded, dashed }) = map.next_key()? {
                            match folded.as_str() {
                                $($key $(| $alias)* => {
                                    object.$field = map.next_value()?;
                                    object.respelled |= dashed != stringify!($field);
                                    object.repeated |= std::mem::replace(&mut $field, true);
                                })*
                                _ => { map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_any(Members)
            }
        }

        impl $name {
            /// Whether names were respelled, and repeated.
            fn names(&self) -> (bool, bool) {
                (self.respelled, self.repeated)
            }
        }

        impl Present for $name {
            fn is_present(&self) -> bool {
                self.present
            }
        }
    };
}

/// What `lenient!` made.
trait Present {
    /// It was there, and an object.
    fn is_present(&self) -> bool;
}

/// An object in a list. What is there instead takes a pointer's room, however large the object would be.
struct Slot<T>(Option<Box<T>>);

impl<'de, T: Present + Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|object| Slot(object.is_present().then(|| Box::new(object))))
    }
}

lenient! {
    /// The report as it stands in the text.
    RawReport {
        organization_name: Scalar = "organizationname" | "organisationname",
        date_range: RawRange = "daterange",
        contact_info: Scalar = "contactinfo",
        report_id: Scalar = "reportid",
        policies: Option<List<Slot<RawPolicyResult>>> = "policies",
    }
}

lenient! {
    /// `date-range`.
    RawRange {
        start_datetime: Scalar = "startdatetime",
        end_datetime: Scalar = "enddatetime",
    }
}

lenient! {
    /// One member of `policies`.
    RawPolicyResult {
        policy: RawPolicy = "policy",
        summary: RawSummary = "summary",
        failure_details: List<Slot<RawFailureDetail>> = "failuredetails",
    }
}

lenient! {
    /// `policy`.
    RawPolicy {
        policy_type: Scalar = "policytype",
        policy_string: List<Scalar> = "policystring",
        policy_domain: Scalar = "policydomain",
        mx_host: List<Scalar> = "mxhost" | "mxhostpattern",
    }
}

lenient! {
    /// `summary`.
    RawSummary {
        total_successful_session_count: Scalar = "totalsuccessfulsessioncount",
        total_failure_session_count: Scalar = "totalfailuresessioncount",
    }
}

lenient! {
    /// One member of `failure-details`.
    RawFailureDetail {
        result_type: Scalar = "resulttype",
        sending_mta_ip: Scalar = "sendingmtaip",
        receiving_mx_hostname: Scalar = "receivingmxhostname",
        receiving_mx_helo: Scalar = "receivingmxhelo",
        receiving_ip: Scalar = "receivingip",
        failed_session_count: Scalar = "failedsessioncount",
        additional_information: Scalar = "additionalinformation" | "additionalinfo" | "additionalinfouri",
        failure_reason_code: Scalar = "failurereasoncode" | "failureerrorcode",
    }
}

impl RawReport {
    fn finish(self, limits: &Limits, repairs: Repairs) -> Result<TlsReport, Unreadable> {
        let missing = |what| Unreadable::Missing { format: FORMAT, what };
        let mut cleaner = Cleaner { limits, repairs };
        let names = [self.names(), self.date_range.names()];
        let Some(policies) = self.policies else {
            return Err(match self.report_id.text {
                None => Unreadable::NotAReport("JSON without report-id and policies".into()),
                Some(_) => missing("policies"),
            });
        };
        cleaner.names(names);
        let organization_name = cleaner.text(self.organization_name);
        let contact_info = cleaner.text(self.contact_info);
        if organization_name.is_none() {
            if contact_info.is_none() {
                return Err(missing("organization-name"));
            }
            cleaner.repairs.note("missing-organization-name");
        }
        let report_id = cleaner.text(self.report_id).ok_or_else(|| missing("report-id"))?;
        let date_range = cleaner.period(self.date_range).ok_or_else(|| missing("date-range"))?;
        if policies.1 {
            cleaner.repairs.note("object-for-list");
        }
        let found = policies.0.len();
        let policies: Vec<PolicyResult> =
            policies.0.into_iter().filter_map(|raw| cleaner.policy_result(*raw.0?)).collect();
        let lost = found - policies.len();
        if policies.is_empty() {
            // Without a document nothing would tell of the mail.
            return Err(if lost == 0 { missing("a policy") } else { Unreadable::all_lost(FORMAT, lost, "policies") });
        }
        Ok(TlsReport {
            organization_name,
            date_range,
            contact_info,
            report_id,
            policies,
            lost,
            repairs: cleaner.repairs,
        })
    }
}

/// Turns raw values into the model's, noting what had to be mended.
struct Cleaner<'l> {
    limits: &'l Limits,
    repairs: Repairs,
}

impl Cleaner<'_> {
    /// Notes what there is to say of the names in objects.
    fn names<const N: usize>(&mut self, objects: [(bool, bool); N]) {
        for (respelled, repeated) in objects {
            if respelled {
                self.repairs.note("member-name");
            }
            if repeated {
                self.repairs.note("member-repeated");
            }
        }
    }

    fn text(&mut self, raw: Scalar) -> Option<Text> {
        let text = raw.text?;
        let trimmed = text.trim();
        let end = trimmed.floor_char_boundary(self.limits.value_bytes);
        if end < trimmed.len() {
            self.repairs.note("value-cut");
        }
        // What was cut may end in a blank.
        Some(Text::from(trimmed[..end].trim_end())).filter(|text| !text.is_empty())
    }

    fn texts(&mut self, raw: List<Scalar>) -> Vec<Text> {
        if raw.1 {
            self.repairs.note("text-for-list");
        }
        if raw.0.len() > TEXTS_KEPT || raw.0.iter().any(|text| text.text.is_none()) {
            self.repairs.note("list-cut");
        }
        raw.0.into_iter().take(TEXTS_KEPT).filter_map(|text| self.text(text)).collect()
    }

    fn count(&mut self, raw: Scalar) -> u64 {
        let Some(text) = raw.text else { return 0 };
        let count = number(&text);
        if count.is_none() {
            self.repairs.note("count-unreadable");
        } else if raw.quoted {
            self.repairs.note("count-as-text");
        }
        count.unwrap_or(0)
    }

    fn period(&mut self, raw: RawRange) -> Option<Period> {
        let mut date = |raw: Scalar| {
            let text = raw.text?;
            let date = date::parse(&text)?;
            // RFC 8460 section 4.4 wants the date-time of RFC 3339.
            if text.parse::<jiff::Timestamp>().is_err() {
                self.repairs.note("date-format");
            }
            Some(date)
        };
        let (mut begin, mut end) = (date(raw.start_datetime)?, date(raw.end_datetime)?);
        if begin > end {
            self.repairs.note("period-reversed");
            std::mem::swap(&mut begin, &mut end);
        }
        Some(Period { begin, end })
    }

    /// One policy with its numbers, or nothing where neither is there.
    fn policy_result(&mut self, raw: RawPolicyResult) -> Option<PolicyResult> {
        let names = raw.names();
        let RawPolicyResult { policy, summary, failure_details, .. } = raw;
        if !policy.present && !summary.present {
            return None;
        }
        self.names([names, policy.names(), summary.names()]);
        if failure_details.1 {
            self.repairs.note("object-for-list");
        }
        if failure_details.0.iter().any(|detail| detail.0.is_none()) {
            self.repairs.note("failure-detail-unreadable");
        }
        Some(PolicyResult {
            policy: Policy {
                policy_type: self.text(policy.policy_type),
                policy_string: self.texts(policy.policy_string),
                policy_domain: self.text(policy.policy_domain),
                mx_host: self.texts(policy.mx_host),
            },
            summary: Summary {
                total_successful_session_count: self.count(summary.total_successful_session_count),
                total_failure_session_count: self.count(summary.total_failure_session_count),
            },
            failure_details: (failure_details.0.into_iter().filter_map(|detail| detail.0))
                .map(|detail| self.failure_detail(*detail))
                .collect(),
        })
    }

    fn failure_detail(&mut self, raw: RawFailureDetail) -> FailureDetail {
        self.names([raw.names()]);
        FailureDetail {
            result_type: self.text(raw.result_type),
            sending_mta_ip: self.text(raw.sending_mta_ip),
            receiving_mx_hostname: self.text(raw.receiving_mx_hostname),
            receiving_mx_helo: self.text(raw.receiving_mx_helo),
            receiving_ip: self.text(raw.receiving_ip),
            failed_session_count: self.count(raw.failed_session_count),
            additional_information: self.text(raw.additional_information),
            failure_reason_code: self.text(raw.failure_reason_code),
        }
    }
}

/// A member's name.
struct FoldedName {
    /// In small letters, without `-` and `_`.
    folded: String,
    /// As it stands, but with `_` and `-` exchanged: the name of a field here.
    dashed: String,
}

impl<'de> Deserialize<'de> for FoldedName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = FoldedName;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a member name")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<FoldedName, E> {
                let folded = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
                let dashed = |c| match c {
                    '-' => '_',
                    '_' => '-',
                    other => other,
                };
                Ok(FoldedName {
                    folded: folded.take(64).collect(),
                    dashed: name.chars().take(64).map(dashed).collect(),
                })
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// A text, or a number or truth value as its text; nothing for null, lists and objects.
#[derive(Default)]
struct Scalar {
    text: Option<Text>,
    /// It was a text in the JSON.
    quoted: bool,
}

impl Scalar {
    fn bare(text: Text) -> Scalar {
        Scalar { text: Some(text), quoted: false }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a value")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar { text: Some(text.into()), quoted: true })
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{number}")))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{number}")))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{number}")))
            }
            fn visit_bool<E: Error>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{truth}")))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A list, or one value in a list's place (then true).
struct List<T>(Vec<T>, bool);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new(), false)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = List<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| List(vec![one], true))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<List<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| List(vec![one], true))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(List(elements, false))
            }
        }
        deserializer.deserialize_any(Elements(PhantomData))
    }
}
