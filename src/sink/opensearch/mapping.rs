//! The mappings: which type each field of our documents has in an index.

use serde_json::{Map, Value, json};

use crate::report::Kind;

/// Numbered DKIM results with a mapping of their own. More are mapped as they come.
const DKIM_RESULTS: usize = 10;

/// The mapping of an index for documents of a kind. What comes unforeseen is text, even where it
/// looks like a date: the next value may not.
pub fn mappings(kind: Kind) -> Value {
    json!({
        "date_detection": false,
        "dynamic_templates": [{ "strings": { "match_mapping_type": "string", "mapping": text() } }],
        "properties": properties(kind),
    })
}

/// Settings of an index with such a mapping, as a cluster gives them back, so that a checksum of
/// them can be compared.
pub fn settings() -> Value {
    let mut settings = analysis();
    settings["index"]["mapping"] = json!({ "total_fields": { "limit": "2000" } });
    settings
}

/// The settings without which the mapping can't be: how words are found in a value. All that is
/// between blanks counts as a word, and so do its parts: `Outlook.com` is found by `outlook` and by
/// `outlook.com`. What is searched for is not taken apart, or `outlook.com` would find every `com`.
pub fn analysis() -> Value {
    let characters = ["whitespace", ",", ";", "(", ")", "<", ">", "\"", "'"];
    let no = "false";
    json!({ "index": { "analysis": {
        "tokenizer": { "between_blanks": { "type": "char_group", "tokenize_on_chars": characters } },
        "filter": { "and_parts": {
            "type": "word_delimiter", "preserve_original": "true", "split_on_case_change": no,
            "split_on_numerics": no, "stem_english_possessive": no,
        } },
        "analyzer": {
            "words_and_parts": {
                "type": "custom", "tokenizer": "between_blanks",
                "filter": ["lowercase", "and_parts"],
            },
            "words": { "type": "custom", "tokenizer": "between_blanks", "filter": ["lowercase"] },
        },
    } } })
}

fn properties(kind: Kind) -> Value {
    match kind {
        Kind::Dmarc => dmarc_properties(),
        Kind::Tls => tls_properties(),
        Kind::Failure => failure_properties(),
    }
}

/// What the mapping of an index lacks of ours, as a request that adds it; nothing where that is
/// nothing, or where unknown fields are kept out on purpose.
pub fn missing(kind: Kind, theirs: &Value) -> Option<Value> {
    let open = matches!(theirs["dynamic"].as_str(), None | Some("true"));
    let lacking = lacking(&properties(kind), &theirs["properties"]);
    let detects_dates = theirs["date_detection"] != false;
    (open && (detects_dates || !lacking.is_empty()))
        .then(|| json!({ "date_detection": false, "properties": lacking }))
}

fn lacking(ours: &Value, theirs: &Value) -> Map<String, Value> {
    let mut lacking = Map::new();
    for (name, field) in ours.as_object().into_iter().flatten() {
        match theirs.get(name) {
            None => {
                lacking.insert(name.clone(), without_analysis(field));
            }
            Some(present) if present["properties"].is_object() => {
                let within = self::lacking(&field["properties"], &present["properties"]);
                if !within.is_empty() {
                    lacking.insert(name.clone(), json!({ "properties": within }));
                }
            }
            Some(_) => {}
        }
    }
    lacking
}

/// The same field, or object of fields, for an index that may have none of our analyzers.
fn without_analysis(field: &Value) -> Value {
    let members = field.as_object().into_iter().flatten();
    let kept = members.filter(|(name, value)| !name.ends_with("analyzer") || value.is_object());
    let kept = kept.map(|(name, value)| {
        let value = if value.is_object() { without_analysis(value) } else { value.clone() };
        (name.clone(), value)
    });
    Value::Object(kept.collect())
}

/// A field on which dashboards depend and that has another type than ours.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongType {
    field: &'static str,
    wanted: &'static str,
    /// Nothing where the field is not mapped.
    found: Option<String>,
}

impl WrongType {
    /// For a person; nothing where the field is not mapped yet.
    pub fn told(self) -> Option<String> {
        let WrongType { field, wanted, found } = self;
        found.map(|found| format!("{field} is {found} and not {wanted}"))
    }
}

/// Those of the fields on which dashboards depend that have another type than ours in a mapping, or
/// none.
pub fn wrong_types(kind: Kind, mappings: &Value) -> Vec<WrongType> {
    let fields: &[(&str, &str)] = match kind {
        Kind::Dmarc => &[
            ("@timestamp", "date"),
            ("feedback.report_metadata.date_range.begin", "date"),
            ("feedback.record.row.source_ip", "ip"),
        ],
        Kind::Tls => &[("@timestamp", "date"), ("date-range.start-datetime", "date")],
        Kind::Failure => &[("@timestamp", "date"), ("failure.source_ip", "ip")],
    };
    let wrong = |&(field, wanted): &(&'static str, &'static str)| {
        let parts = field.split('.');
        let mapped = parts.fold(mappings, |object, name| &object["properties"][name]);
        let found = mapped["type"].as_str();
        let is_right = found == Some(wanted) || (wanted == "date" && found == Some("date_nanos"));
        (!is_right).then(|| WrongType { field, wanted, found: found.map(Into::into) })
    };
    fields.iter().filter_map(wrong).collect()
}

/// Searchable as it is, and under `.keyword`, where OpenSearch's own dynamic mapping puts it and
/// dashboards look.
fn text() -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": 8000 });
    json!({ "type": "keyword", "ignore_above": 8000, "fields": { "keyword": keyword } })
}

/// Searchable by words in any case, and under `.keyword` as it is. Without positions and
/// frequencies, which cost space and which nobody asks for here.
fn prose() -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": 8000 });
    json!({
        "type": "match_only_text", "analyzer": "words_and_parts", "search_analyzer": "words",
        "fields": { "keyword": keyword },
    })
}

/// Searchable as a whole in any case, and under `.keyword` as it is: a third of what words cost a
/// node.
fn name() -> Value {
    let mut name = text();
    name["normalizer"] = "lowercase".into();
    name
}

/// Of what people type when they search: that which has words.
const PROSE: [&str; 11] = [
    "org_name",
    "organization-name",
    "organization_name",
    "extra_contact_info",
    "contact-info",
    "error",
    "comment",
    "human_result",
    "additional-information",
    "subject",
    "user_agent",
];

/// Domains, hosts and addresses.
const NAMES: [&str; 20] = [
    "email",
    "domain",
    "policy-domain",
    "reported_domain",
    "dkim_domain",
    "dkim_identity",
    "header_from",
    "envelope_from",
    "envelope_to",
    "original_mail_from",
    "original_rcpt_to",
    "from",
    "to",
    "reply_to",
    "mx-host",
    "receiving-mx-hostname",
    "receiving-mx-helo",
    "reporting_mta",
    "reverse_dns",
    "failures",
];

fn texts(names: &[&str]) -> Map<String, Value> {
    let field = |field: &str| match field {
        _ if PROSE.contains(&field) => prose(),
        _ if NAMES.contains(&field) => name(),
        _ => text(),
    };
    names.iter().map(|name| ((*name).to_owned(), field(name))).collect()
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
