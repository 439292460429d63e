//! The index templates: mappings for the documents, installed where they are missing or of an older
//! version of this program. What an administrator changed is never touched.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::report::{Kind, hex};

/// Raise when the mappings change; older templates are then replaced.
const VERSION: u64 = 3;

/// Numbered DKIM results with a mapping of their own. More are mapped as they come.
const DKIM_RESULTS: usize = 10;

/// What is to be done about the template in the cluster.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Install ours.
    Install,
    /// It is ours and new enough.
    Keep,
    /// It is not as we left it.
    KeepChanged,
}

/// Name of the template for an index.
pub fn name(index: &str) -> String {
    format!("email-report-processor-{index}")
}

/// The template for documents of a kind in `index`.
pub fn template(kind: Kind, index: &str) -> Value {
    let properties = match kind {
        Kind::Dmarc => dmarc_properties(),
        Kind::Tls => tls_properties(),
        Kind::Failure => failure_properties(),
    };
    let mut template = json!({
        "index_patterns": [index, format!("{index}-*")],
        "priority": 200,
        "version": VERSION,
        "template": {
            // Written as the cluster gives it back, so that a checksum can be compared.
            "settings": { "index": { "mapping": { "total_fields": { "limit": "2000" } } } },
            "mappings": {
                "dynamic_templates": [{ "strings": { "match_mapping_type": "string", "mapping": text() } }],
                "properties": properties,
            },
        },
    });
    let checksum = checksum(&template);
    template["_meta"] = json!({ "managed_by": "email-report-processor", "checksum": checksum });
    template
}

/// Takes settings of another template into ours, which is then ours as we leave it. Which ones, for
/// a person.
pub fn take_settings(ours: &mut Value, theirs: &Value) -> String {
    let mut taken = Vec::new();
    merge(&mut ours["template"]["settings"], theirs, "", &mut taken);
    ours["_meta"]["checksum"] = checksum(ours).into();
    if taken.is_empty() { "no setting".into() } else { taken.join(", ") }
}

fn merge(ours: &mut Value, theirs: &Value, path: &str, taken: &mut Vec<String>) {
    if let (Some(ours), Some(theirs)) = (ours.as_object_mut(), theirs.as_object()) {
        for (name, value) in theirs {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            merge(ours.entry(name).or_insert_with(|| json!({})), value, &path, taken);
        }
    } else {
        taken.push(format!("{path}={theirs}"));
        ours.clone_from(theirs);
    }
}

/// Compares the template in the cluster (nothing where there is none) with ours.
pub fn decide(present: Option<&Value>) -> Decision {
    let Some(present) = present else { return Decision::Install };
    let unchanged = present["_meta"]["checksum"].as_str() == Some(&checksum(present));
    let version = present["version"].as_u64().unwrap_or(0);
    match (unchanged, version < VERSION) {
        (false, _) => Decision::KeepChanged,
        (true, true) => Decision::Install,
        (true, false) => Decision::Keep,
    }
}

/// Checksum of all but `_meta` and what the cluster adds by itself (`"composed_of": []`); the
/// members of objects are sorted in `serde_json`'s values.
fn checksum(template: &Value) -> String {
    let mut content = template.clone();
    if let Some(content) = content.as_object_mut() {
        content.remove("_meta");
        content.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }
    hex(&Sha256::digest(content.to_string())[..8])
}

/// Searchable as it is, and under `.keyword`, where OpenSearch's own dynamic mapping puts it and
/// dashboards look.
fn text() -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": 8000 });
    json!({ "type": "keyword", "ignore_above": 8000, "fields": { "keyword": keyword } })
}

fn texts(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), text())).collect()
}

fn object(mut properties: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        properties.extend(more);
    }
    json!({ "properties": properties })
}

fn shared_properties() -> Value {
    json!({
        "@timestamp": { "type": "date" },
        "received": object(
            texts(&["message_id", "from", "repairs"]),
            json!({
                "at": { "type": "date" },
                "authenticated": object(texts(&["dkim", "spf", "dmarc"]), json!({ "pass": { "type": "boolean" } })),
            }),
        ),
    })
}

fn dmarc_properties() -> Value {
    let epoch = json!({ "type": "date", "format": "epoch_second" });
    let dkim_result = object(texts(&["domain", "selector", "result", "human_result"]), Value::Null);
    let dkim: Map<String, Value> =
        (0..DKIM_RESULTS).map(|n| (n.to_string(), dkim_result.clone())).collect();
    let metadata = object(
        texts(&["org_name", "email", "extra_contact_info", "report_id", "error", "generator"]),
        json!({ "date_range": { "properties": { "begin": epoch, "end": epoch } } }),
    );
    let policy_published = object(
        texts(&["domain", "adkim", "aspf", "p", "sp", "np", "fo", "testing", "discovery_method"]),
        json!({ "pct": { "type": "integer" } }),
    );
    let policy_evaluated = object(
        texts(&["disposition", "dkim", "spf"]),
        json!({ "reason": object(texts(&["type", "comment"]), Value::Null) }),
    );
    let record = json!({ "properties": {
        "row": { "properties": {
            "source_ip": { "type": "ip" },
            "count": { "type": "long" },
            "policy_evaluated": policy_evaluated,
        } },
        "identifiers": object(texts(&["header_from", "envelope_from", "envelope_to"]), Value::Null),
        "auth_results": { "properties": {
            "spf": object(texts(&["domain", "scope", "result", "human_result"]), Value::Null),
            "dkim": { "properties": dkim },
        } },
    } });
    let bool = json!({ "type": "boolean" });
    let mut properties = shared_properties();
    properties["feedback"] = object(
        texts(&["version"]),
        json!({ "report_metadata": metadata, "policy_published": policy_published, "record": record }),
    );
    host_properties(&mut properties);
    properties["dmarc"] =
        json!({ "properties": { "pass": bool, "spf_aligned": bool, "dkim_aligned": bool } });
    properties
}

/// What databases or an ingest pipeline may tell of the sending address.
fn host_properties(properties: &mut Value) {
    properties["ip2geo"] = object(texts(&["asn", "organization_name", "network"]), Value::Null);
    properties["source"] = object(texts(&["country", "reverse_dns"]), Value::Null);
}

fn tls_properties() -> Value {
    let date = json!({ "type": "date" });
    let long = json!({ "type": "long" });
    let failure_details = object(
        texts(&[
            "result-type",
            "sending-mta-ip",
            "receiving-mx-hostname",
            "receiving-mx-helo",
            "receiving-ip",
            "additional-information",
            "failure-reason-code",
        ]),
        json!({ "failed-session-count": long }),
    );
    let mut properties = shared_properties();
    for (name, mapping) in texts(&["organization-name", "contact-info", "report-id"]) {
        properties[name] = mapping;
    }
    properties["date-range"] =
        json!({ "properties": { "start-datetime": date, "end-datetime": date } });
    properties["policies"] = json!({ "properties": {
        "policy": object(texts(&["policy-type", "policy-string", "policy-domain", "mx-host"]), Value::Null),
        "summary": { "properties": { "total-successful-session-count": long, "total-failure-session-count": long } },
        "failure-details": failure_details,
    } });
    properties["tls"] = object(texts(&["failures"]), Value::Null);
    properties
}

fn failure_properties() -> Value {
    let date = json!({ "type": "date" });
    // Longer than a keyword may be, and searched by words.
    let prose = json!({ "type": "text" });
    let message = object(
        texts(&["message_id", "from", "to", "reply_to", "subject"]),
        json!({ "date": date, "headers": prose, "body": prose }),
    );
    let mut properties = shared_properties();
    host_properties(&mut properties);
    properties["failure"] = object(
        texts(&[
            "feedback_type",
            "user_agent",
            "version",
            "auth_failure",
            "reported_domain",
            "identity_alignment",
            "delivery_result",
            "original_mail_from",
            "original_rcpt_to",
            "original_envelope_id",
            "reporting_mta",
            "dkim_domain",
            "dkim_selector",
            "dkim_identity",
            "dkim_selector_dns",
            "spf_dns",
            "authentication_results",
            "reported_uri",
        ]),
        json!({
            "arrival_date": date,
            "source_ip": { "type": "ip" },
            "source_port": { "type": "integer" },
            "incidents": { "type": "long" },
            "message": message,
        }),
    );
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_template_as_we_left_it_is_replaced() {
        let ours = template(Kind::Dmarc, "dmarc-reports");
        assert_eq!(decide(None), Decision::Install);
        let mut given_back = ours.clone();
        given_back["composed_of"] = json!([]);
        assert_eq!(decide(Some(&given_back)), Decision::Keep);

        let mut older = ours.clone();
        older["version"] = json!(VERSION - 1);
        assert_eq!(
            decide(Some(&older)),
            Decision::KeepChanged,
            "the version is part of the checksum"
        );
        older["_meta"]["checksum"] = json!(checksum(&older));
        assert_eq!(decide(Some(&older)), Decision::Install);

        older["template"]["settings"]["index"]["number_of_replicas"] = json!("2");
        assert_eq!(decide(Some(&older)), Decision::KeepChanged);
        assert_eq!(decide(Some(&json!({ "index_patterns": ["*"] }))), Decision::KeepChanged);
    }
}
