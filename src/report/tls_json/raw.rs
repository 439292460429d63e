//! Objects of a TLS report as they stand in the text, and how the model is made from them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    FORMAT,
    lenient::{FoldedName, List, Present, Scalar, Slot, lenient},
};
use crate::{
    limits::Limits,
    report::{
        Period, Repairs, Text, Unreadable, date, number,
        tls::{FailureDetail, Policy, PolicyResult, Summary, TlsReport},
    },
};

/// Values kept of a list of texts: lines of a policy, names of hosts.
const TEXTS_KEPT: usize = 1000;

lenient! {
    /// The report as it stands in the text.
    pub(super) RawReport {
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
    /// The model, or why not.
    pub(super) fn finish(self, limits: &Limits, repairs: Repairs) -> Result<TlsReport, Unreadable> {
        let missing = |what| Unreadable::Missing { format: FORMAT, what };
        let mut cleaner = Cleaner { limits, repairs };
        let notes = [self.notes(), self.date_range.notes()];
        let Some(policies) = self.policies else {
            return Err(match self.report_id.text {
                None => Unreadable::NotAReport("JSON without report-id and policies".into()),
                Some(_) => missing("policies"),
            });
        };
        cleaner.note(notes);
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
            return Err(if lost == 0 {
                missing("a policy")
            } else {
                Unreadable::all_lost(FORMAT, lost, "policies")
            });
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
    /// Notes what there is to say of objects.
    fn note<const N: usize>(&mut self, objects: [[(&'static str, bool); 3]; N]) {
        for (name, _) in objects.into_iter().flatten().filter(|(_, is_so)| *is_so) {
            self.repairs.note(name);
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
        let Some(text) = raw.text else {
            if raw.is_other {
                self.repairs.note("count-unreadable");
            }
            return 0;
        };
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
        let notes = raw.notes();
        let RawPolicyResult { policy, summary, failure_details, .. } = raw;
        if !policy.present && !summary.present {
            return None;
        }
        self.note([notes, policy.notes(), summary.notes()]);
        if !summary.present {
            self.repairs.note("count-unreadable");
        }
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
        self.note([raw.notes()]);
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
