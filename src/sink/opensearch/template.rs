//! The index templates: installed where they are missing or of an older version of this program.
//! What an administrator changed is never touched.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::mapping;
use crate::report::{Kind, hex};

/// Raise when the mappings change; older templates are then replaced.
const VERSION: u64 = 3;

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
    let mut template = json!({
        "index_patterns": [index, format!("{index}-*")],
        "priority": 200,
        "version": VERSION,
        "template": {
            "settings": mapping::settings(),
            "mappings": mapping::mappings(kind),
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
