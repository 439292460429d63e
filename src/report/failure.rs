//! The model of a failure report: one mail that failed DMARC, told by its receiver (RFC 9991), in
//! the format ARF (RFC 5965) with the fields for authentication failures (RFC 6591).
//!
//! The field names in the documents are those of the RFCs in small letters, with `_` for `-`.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::{Repairs, Text, aggregate::one_or_many, rfc3339};

/// A failure report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FailureReport {
    /// `Feedback-Type`: `auth-failure`, or `abuse` and others of RFC 5965.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_type: Option<Text>,
    /// `User-Agent`: the reporting software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Text>,
    /// `Version` of the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// `Auth-Failure`: `dmarc`, `dkim`, `spf`, `signature`, `revoked`, `bodyhash`, `adsp`.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub auth_failure: Vec<Text>,
    /// `Arrival-Date` of the mail, in seconds since 1970; or else the date of the report.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "date")]
    pub arrival_date: Option<i64>,
    /// `Source-IP`: who sent the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// `Source-Port` (RFC 6692).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// `Reported-Domain`: whose name the mail carried.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub reported_domain: Vec<Text>,
    /// `Identity-Alignment` (RFC 7489 section 7.3.1): the mechanisms that were aligned, or `none`.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub identity_alignment: Vec<Text>,
    /// `Delivery-Result`: `delivered`, `spam`, `policy`, `reject`, `other`, or free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_result: Option<Text>,
    /// `Original-Mail-From`: the envelope sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_mail_from: Option<Text>,
    /// `Original-Rcpt-To`: the envelope recipients.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub original_rcpt_to: Vec<Text>,
    /// `Original-Envelope-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_envelope_id: Option<Text>,
    /// `Reporting-MTA`, without the `dns;` in front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporting_mta: Option<Text>,
    /// `Incidents`: how many mails like this one the report stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
    /// `DKIM-Domain`: `d=` of the signature that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_domain: Option<Text>,
    /// `DKIM-Selector`: `s=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_selector: Option<Text>,
    /// `DKIM-Identity`: `i=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_identity: Option<Text>,
    /// `DKIM-Selector-DNS`: the key record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_selector_dns: Option<Text>,
    /// `SPF-DNS`: the records that were used.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub spf_dns: Vec<Text>,
    /// `Authentication-Results` of the reporter.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub authentication_results: Vec<Text>,
    /// `Reported-URI` (RFC 5965).
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub reported_uri: Vec<Text>,
    /// What is known of the mail that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<ReportedMessage>,
    /// Address of who sent the report.
    #[serde(skip)]
    pub reporter: Option<Text>,
    /// Message-ID of the mail that brought the report.
    #[serde(skip)]
    pub report_id: Option<Text>,
    /// What was mended.
    #[serde(skip)]
    pub repairs: Repairs,
}

/// The mail that failed, or its header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReportedMessage {
    /// Message-ID, without the angle brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Text>,
    /// From.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
    /// To, each.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "one_or_many")]
    pub to: Vec<Text>,
    /// Reply-To.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Text>,
    /// Subject, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text>,
    /// Date, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "date")]
    pub date: Option<i64>,
    /// The whole header as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub headers: String,
    /// What follows the header: personal data, only kept if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
fn date<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    seconds.and_then(rfc3339).serialize(serializer)
}
