//! Mails: single mails that failed, as failure reports tell of them. What names persons is left out
//! of a page unless it was configured otherwise.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    answers::{Network, StoredDocument},
    page::{
        asked::Asked,
        frame::Place,
        view::View,
        words::{Said, Then},
    },
};

/// A mail that failed.
#[derive(Debug, Serialize)]
pub(super) struct FailedMail {
    /// When it came, in seconds since 1970.
    pub(super) arrived: Option<i64>,
    #[serde(skip)]
    pub(super) then: Option<Then>,
    pub(super) domains: Vec<Said>,
    pub(super) source: Option<Said>,
    /// The page of the address.
    #[serde(skip)]
    pub(super) href: String,
    /// What failed.
    pub(super) failed: Vec<Said>,
    /// What of it was aligned.
    pub(super) aligned: Vec<Said>,
    /// What became of it.
    pub(super) result: Option<Said>,
    /// The signature: domain and selector.
    pub(super) signature: Option<Said>,
    /// Who told of it.
    pub(super) reporter: Option<Said>,
    pub(super) mails: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) persons: Option<Persons>,
}

/// What a report knows of persons.
#[derive(Debug, Serialize)]
pub(super) struct Persons {
    pub(super) from: Option<Said>,
    pub(super) to: Vec<Said>,
    pub(super) subject: Option<Said>,
    pub(super) message_id: Option<Said>,
}

impl FailedMail {
    /// What a document says.
    pub(super) fn of(
        place: Place,
        asked: &Asked,
        document: &StoredDocument,
        shows_persons: bool,
    ) -> FailedMail {
        let failure = &document.source["failure"];
        let arrived = failure["arrival_date"].as_str().or(document.source["@timestamp"].as_str());
        let arrived: Option<Timestamp> = arrived.and_then(|text| text.parse().ok());
        let arrived = arrived.map(Timestamp::as_second);
        let source = failure["source_ip"].as_str();
        let signature = joined(failure, &["dkim_domain", "dkim_selector"]);
        FailedMail {
            arrived,
            then: arrived.map(|second| Then::new(second, place.now)),
            domains: texts(&failure["reported_domain"]),
            source: source.map(Said::from),
            href: source_page(place, asked, source).unwrap_or_default(),
            failed: texts(&failure["auth_failure"]),
            aligned: texts(&failure["identity_alignment"]),
            result: text(&failure["delivery_result"]),
            signature,
            reporter: text(&failure["reporting_mta"]).or_else(|| text(&failure["user_agent"])),
            mails: failure["incidents"].as_u64().unwrap_or(1),
            persons: shows_persons.then(|| Persons::of(failure)),
        }
    }
}

/// The page of an address, if it is one.
pub(super) fn source_page(place: Place, asked: &Asked, address: Option<&str>) -> Option<String> {
    let network: Network = address?.parse().ok()?;
    let about = asked.period_only().with(|asked| asked.filter.networks.only = vec![network]);
    Some(place.link(View::Address, &about))
}

impl Persons {
    fn of(failure: &Value) -> Persons {
        let message = &failure["message"];
        let to = texts(&failure["original_rcpt_to"]);
        Persons {
            from: text(&message["from"]).or_else(|| text(&failure["original_mail_from"])),
            to: if to.is_empty() { texts(&message["to"]) } else { to },
            subject: text(&message["subject"]),
            message_id: text(&message["message_id"]),
        }
    }
}

fn text(value: &Value) -> Option<Said> {
    Some(value.as_str()?.into())
}

/// A list of one may be written as the one.
fn texts(value: &Value) -> Vec<Said> {
    match value {
        Value::Array(list) => list.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

fn joined(value: &Value, names: &[&str]) -> Option<Said> {
    let words: Vec<&str> = names.iter().filter_map(|name| value[*name].as_str()).collect();
    (!words.is_empty()).then(|| words.join(" ").into())
}
