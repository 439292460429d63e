//! The model of an SMTP TLS report: RFC 8460 section 4.4, the member names in the documents
//! unchanged.

use serde::Serialize;

use super::{Period, Repairs, Text};

/// An SMTP TLS report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsReport {
    /// `organization-name`.
    pub organization_name: Option<Text>,
    /// `date-range`.
    pub date_range: Period,
    /// `contact-info`.
    pub contact_info: Option<Text>,
    /// `report-id`, never empty.
    pub report_id: Text,
    /// `policies`, those that could be read.
    pub policies: Vec<PolicyResult>,
    /// Policies that could not be read.
    pub lost: usize,
    /// What was mended.
    pub repairs: Repairs,
}

/// One member of `policies`: a policy and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyResult {
    /// `policy`.
    pub policy: Policy,
    /// `summary`.
    pub summary: Summary,
    /// `failure-details`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failure_details: Vec<FailureDetail>,
}

/// The policy applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// `tlsa`, `sts` or `no-policy-found`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<Text>,
    /// The policy's own lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_string: Vec<Text>,
    /// The domain that the policy speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_domain: Option<Text>,
    /// Patterns of the mail hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mx_host: Vec<Text>,
}

/// Numbers of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Sessions that reached TLS.
    pub total_successful_session_count: u64,
    /// Sessions that did not.
    pub total_failure_session_count: u64,
}

/// One member of `failure-details` (RFC 8460 section 4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureDetail {
    /// What failed (RFC 8460 section 4.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<Text>,
    /// Address of the sending server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending_mta_ip: Option<Text>,
    /// Name of the receiving server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_mx_hostname: Option<Text>,
    /// What the receiving server called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_mx_helo: Option<Text>,
    /// Address of the receiving server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiving_ip: Option<Text>,
    /// Sessions that failed in this way.
    pub failed_session_count: u64,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_information: Option<Text>,
    /// The sending software's code for the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason_code: Option<Text>,
}

impl FailureDetail {
    /// The reason, a blank, and the receiving host: its name, or its address where no name is told.
    /// Only one of the two where the report does not tell the other.
    pub fn reason_and_host(&self) -> Option<String> {
        let host = self.receiving_mx_hostname.as_ref().or(self.receiving_ip.as_ref());
        let told: Vec<&str> =
            [self.result_type.as_ref(), host].into_iter().flatten().map(Text::as_str).collect();
        (!told.is_empty()).then(|| told.join(" "))
    }
}
