//! The index templates: what they are, and whether one is due: where it is missing or of an older
//! version of this program. What an administrator changed is never touched.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::mapping;
use crate::report::{Kind, hex};

/// Raise when the mappings change; older templates are then replaced.
const VERSION: u64 = 5;

/// What is to be done about a template in the cluster.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Install ours.
    Install,
    /// It is ours, new enough, and with the settings that are asked for.
    Keep,
    /// It is not as we left it.
    KeepChanged,
}

/// Name of the template for indices whose names begin like this.
pub fn name(base: &str) -> String {
    format!("email-report-processor-{base}")
}

/// Name of the component template with the mappings for a kind of documents.
pub fn component_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Dmarc => "email-report-processor-dmarc",
        Kind::Tls => "email-report-processor-tlsrpt",
        Kind::Failure => "email-report-processor-failures",
    }
}

/// The template for documents of a kind in indices of these names.
pub fn template(kind: Kind, patterns: &[String]) -> Value {
    with_meta(json!({
        "index_patterns": patterns,
        "priority": 200,
        "version": VERSION,
        "template": { "settings": mapping::settings(), "mappings": mapping::mappings(kind) },
    }))
}

/// The component template for documents of a kind, which an administrator's own template can be
/// composed of: the mappings and what they need.
pub fn component(kind: Kind) -> Value {
    with_meta(json!({
        "version": VERSION,
        "template": { "settings": mapping::settings(), "mappings": mapping::mappings(kind) },
    }))
}

fn with_meta(mut template: Value) -> Value {
    let checksum = checksum(&template);
    template["_meta"] = json!({ "managed_by": "email-report-processor", "checksum": checksum });
    template
}

/// Takes settings into ours, which is then ours as we leave it. Which ones, for a person.
pub fn take_settings(ours: &mut Value, theirs: &Value) -> String {
    let taken = merge(&mut ours["template"]["settings"], theirs);
    ours["_meta"]["checksum"] = checksum(ours).into();
    if taken.is_empty() { "no setting".into() } else { taken.join(", ") }
}

/// Puts settings over others; which ones, for a person.
pub fn merge(ours: &mut Value, theirs: &Value) -> Vec<String> {
    let mut taken = Vec::new();
    merge_at(ours, theirs, "", &mut taken);
    taken
}

fn merge_at(ours: &mut Value, theirs: &Value, path: &str, taken: &mut Vec<String>) {
    if let (Some(ours), Some(theirs)) = (ours.as_object_mut(), theirs.as_object()) {
        for (name, value) in theirs {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            merge_at(ours.entry(name).or_insert_with(|| json!({})), value, &path, taken);
        }
    } else {
        taken.push(format!("{path}={theirs}"));
        ours.clone_from(theirs);
    }
}

/// Compares the template in the cluster (nothing where there is none) with ours, and its settings
/// with those that are asked for.
pub fn decide(present: Option<&Value>, asked: &Value) -> Decision {
    let Some(present) = present else { return Decision::Install };
    let unchanged = present["_meta"]["checksum"].as_str() == Some(&checksum(present));
    let version = present["version"].as_u64().unwrap_or(0);
    let is_as_asked = has(&present["template"]["settings"], asked);
    match (unchanged, version < VERSION || !is_as_asked) {
        (false, _) => Decision::KeepChanged,
        (true, true) => Decision::Install,
        (true, false) => Decision::Keep,
    }
}

/// True if all that is asked for is there.
fn has(present: &Value, asked: &Value) -> bool {
    match asked.as_object() {
        Some(members) => members.iter().all(|(name, asked)| has(&present[name], asked)),
        None => present == asked,
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_released_versions_installed_is_known_as_ours() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/released");
        let mut seen = 0;
        for version in fs::read_dir(folder).expect("a folder") {
            let file = version.expect("a version").path().join("templates.json");
            let text = fs::read_to_string(&file).expect("UTF-8");
            for present in serde_json::from_str::<Vec<Value>>(&text).expect("JSON") {
                let decision = decide(Some(&present), &json!({}));
                assert_ne!(decision, Decision::KeepChanged, "{}", file.display());
                seen += 1;
            }
        }
        assert!(seen >= 4);
    }

    #[test]
    fn only_an_older_template_as_we_left_it_is_replaced() {
        let decide = |present: Option<&Value>| decide(present, &json!({}));
        let ours = template(Kind::Dmarc, &["dmarc-reports".into()]);
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
    #[test]
    fn settings_asked_for_are_put_into_our_own_template_only() {
        let asked = |shards: &str| json!({ "index": { "number_of_shards": shards } });
        let mut ours = template(Kind::Tls, &["tlsrpt-reports".into()]);
        assert_eq!(decide(Some(&ours), &asked("3")), Decision::Install);
        assert_eq!(take_settings(&mut ours, &asked("3")), "index.number_of_shards=\"3\"");
        assert_eq!(decide(Some(&ours), &asked("3")), Decision::Keep);
        assert_eq!(decide(Some(&ours), &asked("4")), Decision::Install);
        assert_eq!(decide(Some(&ours), &json!({})), Decision::Keep);
        ours["priority"] = json!(300);
        assert_eq!(decide(Some(&ours), &asked("4")), Decision::KeepChanged);
    }
}
