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
    Period, Repairs, Text, Unreadable, date,
    tls::{FailureDetail, Policy, PolicyResult, Summary, TlsReport},
};
use crate::limits::Limits;

const FORMAT: &str = "SMTP TLS report";

/// Values kept of a list of texts: lines of a policy, names of hosts.
const TEXTS_KEPT: usize = 1000;

/// Objects in one report, whatever limits were set: an empty one takes two bytes as text and about 200 in memory.
const OBJECTS: usize = 200_000;

/// Reads the text of a TLS report.
pub(super) fn parse(text: &str, limits: &Limits, repairs: Repairs) -> Result<TlsReport, Unreadable> {
    // Short values take up to eight times their text in memory, so the limit of XML would be too much here.
    if text.len() as u64 > limits.unpacked_bytes / 4 {
        return Err(limits.too_much_unpacked().into());
    }
    if memchr::memchr_iter(b'{', text.as_bytes()).count() > limits.records.min(OBJECTS) {
        return Err(limits.too_many_records().into());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let raw = RawReport::deserialize(&mut json).map_err(|error| {
        if mentions_report(text) {
            Unreadable::Broken { format: FORMAT, reason: error.to_string() }
        } else {
            Unreadable::NotAReport("neither XML nor JSON".into())
        }
    })?;
    raw.finish(limits, repairs)
}

/// True if the text has a word out of a report's first member names, so that it may have been meant for one.
fn mentions_report(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["organi", "report", "policies"].iter().any(|word| text.contains(word))
}

/// Declares a struct whose members are read leniently: by folded name, a second one of the same name wins, unknown ones ignored.
macro_rules! lenient {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $key:literal $(| $alias:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name { $($field: $type,)* }

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
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some(FoldedName(name)) = map.next_key()? {
                            match name.as_str() {
                                $($key $(| $alias)* => object.$field = map.next_value()?,)*
                                _ => { map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_any(Members)
            }
        }
    };
}

lenient! {
    /// The report as it stands in the text.
    RawReport {
        organization_name: Scalar = "organizationname" | "organisationname",
        date_range: RawRange = "daterange",
        contact_info: Scalar = "contactinfo",
        report_id: Scalar = "reportid",
        policies: Option<List<RawPolicyResult>> = "policies",
    }
}

lenient! {
    /// `date-range`.
    RawRange {
        start: Scalar = "startdatetime",
        end: Scalar = "enddatetime",
    }
}

lenient! {
    /// One member of `policies`.
    RawPolicyResult {
        policy: RawPolicy = "policy",
        summary: RawSummary = "summary",
        failure_details: List<RawFailureDetail> = "failuredetails",
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
        successful: Scalar = "totalsuccessfulsessioncount",
        failure: Scalar = "totalfailuresessioncount",
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
        let Some(policies) = self.policies else {
            return Err(match self.report_id.0 {
                None => Unreadable::NotAReport("JSON without report-id and policies".into()),
                Some(_) => missing("policies"),
            });
        };
        let organization_name = cleaner.text(self.organization_name);
        let contact_info = cleaner.text(self.contact_info);
        if organization_name.is_none() && contact_info.is_none() {
            return Err(missing("organization-name"));
        }
        let report_id = cleaner.text(self.report_id).ok_or_else(|| missing("report-id"))?;
        let date_range = period(self.date_range).ok_or_else(|| missing("date-range"))?;
        let policies = (0..).zip(policies.0).map(|(position, raw)| cleaner.policy_result(position, raw)).collect();
        let repairs = cleaner.repairs;
        Ok(TlsReport { organization_name, date_range, contact_info, report_id, policies, lost: 0, repairs })
    }
}

fn period(raw: RawRange) -> Option<Period> {
    Some(Period { begin: date::parse(&raw.start.0?)?, end: date::parse(&raw.end.0?)? })
}

/// Turns raw values into the model's, noting what had to be mended.
struct Cleaner<'l> {
    limits: &'l Limits,
    repairs: Repairs,
}

impl Cleaner<'_> {
    fn text(&mut self, raw: Scalar) -> Option<Text> {
        let text = raw.0?;
        let trimmed = text.trim();
        let end = trimmed.floor_char_boundary(self.limits.value_bytes);
        if end < trimmed.len() {
            self.repairs.note("value-cut");
        }
        Some(Text::from(&trimmed[..end])).filter(|text| !text.is_empty())
    }

    fn texts(&mut self, raw: List<Scalar>) -> Vec<Text> {
        raw.0.into_iter().take(TEXTS_KEPT).filter_map(|text| self.text(text)).collect()
    }

    fn count(&mut self, raw: Scalar) -> u64 {
        let Some(text) = raw.0 else { return 0 };
        text.trim().parse().unwrap_or_else(|_| {
            self.repairs.note("count-unreadable");
            0
        })
    }

    fn policy_result(&mut self, position: u32, raw: RawPolicyResult) -> PolicyResult {
        PolicyResult {
            position,
            policy: Policy {
                policy_type: self.text(raw.policy.policy_type),
                policy_string: self.texts(raw.policy.policy_string),
                policy_domain: self.text(raw.policy.policy_domain),
                mx_host: self.texts(raw.policy.mx_host),
            },
            summary: Summary {
                total_successful_session_count: self.count(raw.summary.successful),
                total_failure_session_count: self.count(raw.summary.failure),
            },
            failure_details: raw.failure_details.0.into_iter().map(|detail| self.failure_detail(detail)).collect(),
        }
    }

    fn failure_detail(&mut self, raw: RawFailureDetail) -> FailureDetail {
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

/// A member's name in small letters, without `-` and `_`.
struct FoldedName(String);

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
                Ok(FoldedName(folded.take(64).collect()))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// A text, or a number or truth value as its text; nothing for null, lists and objects.
#[derive(Default)]
struct Scalar(Option<Text>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a value")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.into())))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(compact_str::format_compact!("{number}"))))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(compact_str::format_compact!("{number}"))))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(compact_str::format_compact!("{number}"))))
            }
            fn visit_bool<E: Error>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(compact_str::format_compact!("{truth}"))))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A list, or one value in a list's place.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
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
            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| List(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<List<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| List(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(List(elements))
            }
        }
        deserializer.deserialize_any(Elements(PhantomData))
    }
}
