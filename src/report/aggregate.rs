//! The model of a DMARC aggregate report: RFC 7489 appendix C, with what RFC 9990 added.
//!
//! The types serialise to the shapes that the Ruby tool's documents have: a value that the report
//! does not give is left out, a list of one is the one, and DKIM results are an object with the
//! keys 0, 1, ….

use std::net::IpAddr;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Period, Repairs, Text};

/// A DMARC aggregate report, the element `feedback`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AggregateReport {
    /// `version`, missing in the drafts.
    pub version: Option<Text>,
    /// `report_metadata`.
    pub metadata: Metadata,
    /// `policy_published`.
    pub policy_published: PolicyPublished,
    /// `record`, those that could be read.
    pub records: Vec<Record>,
    /// Records that could not be read.
    pub lost: usize,
    /// What was mended.
    pub repairs: Repairs,
}

/// Who reports on which time: `report_metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Metadata {
    /// Name of the reporting organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_name: Option<Text>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Text>,
    /// More on how to reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_contact_info: Option<Text>,
    /// The reporter's own id of the report, never empty.
    pub report_id: Text,
    /// The time reported on.
    pub date_range: Period,
    /// What went wrong on the reporter's side.
    #[serde(skip_serializing_if = "is_none_or_empty", serialize_with = "one_or_many")]
    pub error: Vec<Text>,
    /// Name and version of the reporting software (RFC 9990).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<Text>,
}

/// The policy that the reporter found in the DNS: `policy_published`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyPublished {
    /// Domain at which the DMARC record was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text>,
    /// DKIM alignment, `r` or `s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adkim: Option<Text>,
    /// SPF alignment, `r` or `s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspf: Option<Text>,
    /// Policy for the domain: `none`, `quarantine` or `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<Text>,
    /// Policy for its subdomains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sp: Option<Text>,
    /// Policy for subdomains that do not exist (RFC 9989).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub np: Option<Text>,
    /// Percentage of mails that the policy is applied to (RFC 7489 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pct: Option<u32>,
    /// Failure reporting options, as `0`, `1`, `d`, `s` with colons between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fo: Option<Text>,
    /// `y` while the domain owner tests the policy (RFC 9990).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub testing: Option<Text>,
    /// How the DMARC record was found: `psl` or `treewalk` (RFC 9990).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_method: Option<Text>,
}

/// Mails of one source with the same results: `record`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// `row`.
    pub row: Row,
    /// `identifiers`.
    pub identifiers: Identifiers,
    /// `auth_results`.
    pub auth_results: AuthResults,
}

/// Source, number and evaluation: `row`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Address of the sending server; absent where the report has none that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// Number of mails.
    pub count: u64,
    /// `policy_evaluated`.
    pub policy_evaluated: PolicyEvaluated,
}

/// What the reporter did and why: `policy_evaluated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyEvaluated {
    /// What happened to the mails: `none`, `quarantine`, `reject`, or `pass` (RFC 9990).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Text>,
    /// Aligned DKIM result, `pass` or `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim: Option<Text>,
    /// Aligned SPF result, `pass` or `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spf: Option<Text>,
    /// Why the disposition differs from the policy.
    #[serde(skip_serializing_if = "is_none_or_empty", serialize_with = "one_or_many")]
    pub reason: Vec<OverrideReason>,
}

impl PolicyEvaluated {
    /// True if SPF passed and was aligned; nothing if the reporter does not say.
    pub fn spf_aligned(&self) -> Option<bool> {
        self.spf.as_ref().map(|result| result == "pass")
    }

    /// True if DKIM passed and was aligned; nothing if the reporter does not say.
    pub fn dkim_aligned(&self) -> Option<bool> {
        self.dkim.as_ref().map(|result| result == "pass")
    }

    /// True if the mails passed DMARC: either mechanism passed and was aligned (RFC 7489 section
    /// 4.2). Nothing if the reporter says nothing of either.
    pub fn pass(&self) -> Option<bool> {
        self.spf_aligned().into_iter().chain(self.dkim_aligned()).reduce(|one, other| one || other)
    }
}

/// One `reason`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OverrideReason {
    /// `forwarded`, `mailing_list`, `local_policy`, ….
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
}

impl OverrideReason {
    /// True if the comment says that the mail's chain of ARC seals is good, as receivers write it
    /// (`arc=pass`, in any case): who passed it on vouches for it (RFC 8617).
    pub fn says_arc_pass(&self) -> bool {
        self.comment.as_ref().is_some_and(|said| said.to_ascii_lowercase().contains("arc=pass"))
    }

    /// True if the mail was taken for one that somebody passed on.
    pub fn is_forwarding(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| FORWARDING.contains(&kind)) || self.says_arc_pass()
    }
}

/// The reasons of RFC 7489 appendix C for mail that somebody passed on.
pub(crate) const FORWARDING: [&str; 3] = ["forwarded", "mailing_list", "trusted_forwarder"];

/// The names in the mails: `identifiers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Identifiers {
    /// Domain of the From header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_from: Option<Text>,
    /// Domain of the envelope sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_from: Option<Text>,
    /// Domain of the envelope recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_to: Option<Text>,
}

/// Raw results, before alignment: `auth_results`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuthResults {
    /// `spf`; one by the RFCs, more in the wild.
    #[serde(skip_serializing_if = "is_none_or_empty", serialize_with = "one_or_many")]
    pub spf: Vec<SpfResult>,
    /// `dkim`, one a signature.
    #[serde(skip_serializing_if = "is_none_or_empty", serialize_with = "numbered")]
    pub dkim: Vec<DkimResult>,
}

/// One `spf` result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpfResult {
    /// Domain that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text>,
    /// `mfrom` or `helo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Text>,
    /// `pass`, `fail`, `softfail`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Text>,
    /// Free text (RFC 9990).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_result: Option<Text>,
}

/// One `dkim` result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DkimResult {
    /// Signing domain, `d=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text>,
    /// `s=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Text>,
    /// `pass`, `fail`, `permerror`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Text>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_result: Option<Text>,
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("begin", &self.begin)?;
        map.serialize_entry("end", &self.end)?;
        map.end()
    }
}

fn is_none_or_empty<T>(list: &[T]) -> bool {
    list.is_empty()
}

/// A list of one is written as the one, as the Ruby tool did.
pub(super) fn one_or_many<T: Serialize, S: Serializer>(
    list: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match list {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

/// `{"0": …, "1": …}`: OpenSearch would mix up the members of a list of objects.
fn numbered<T: Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for (n, item) in list.iter().enumerate() {
        map.serialize_entry(&n, item)?;
    }
    map.end()
}
