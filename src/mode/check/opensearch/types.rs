//! Types: whether the fields of an index are of types that documents and dashboards can live
//! with.

use serde_json::Value;

use crate::{
    mode::check::finding::{Findings, Status},
    report::Kind,
    sink::opensearch::mapping,
};

const CHECK: &str = "store.mapping";

/// A field of another type than it should be.
pub(super) struct Fault {
    status: Status,
    pub(super) found: String,
}

/// Looks at the mappings of all indices behind a name.
pub(super) fn check(found: &Value, kind: Kind, findings: &mut Findings) {
    let wanted = &mapping::mappings(kind)["properties"];
    for (name, index) in found.as_object().into_iter().flatten() {
        let mappings = &index["mappings"];
        let faults = faults(mappings, wanted);
        let is_strict = mappings["dynamic"].as_str() == Some("strict");
        if is_strict {
            let found = "its mapping is strict: a report with a field that is new is refused";
            let fix = "Set dynamic to true: such mails go to .failed";
            findings.warning(CHECK, name, found, fix);
        }
        let worst = faults.iter().map(|fault| fault.status).max();
        let Some(fault) = faults.iter().find(|fault| Some(fault.status) == worst) else {
            if !is_strict {
                findings.ok(CHECK, name, "its fields are of the right types");
            }
            continue;
        };
        let more = match faults.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} others are not what they should be"),
        };
        let found = format!("{}{more}", fault.found);
        if fault.status == Status::Wrong {
            findings.wrong(CHECK, name, found, AGAIN);
        } else {
            findings.warning(CHECK, name, found, AGAIN);
        }
    }
}

/// The first field of a wrong type.
pub(super) fn first_fault(mappings: &Value, wanted: &Value) -> Option<Fault> {
    faults(mappings, wanted).into_iter().next()
}

fn faults(mappings: &Value, wanted: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    compare(&mappings["properties"], wanted, "", &mut faults);
    faults
}

fn compare(found: &Value, wanted: &Value, path: &str, faults: &mut Vec<Fault>) {
    for (name, wanted) in wanted.as_object().into_iter().flatten() {
        let found = &found[name];
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (wanted["type"].as_str(), found["type"].as_str()) {
            // Fields that no document had yet are made as they come.
            _ if found.is_null() => {}
            (Some(wanted), found) => {
                faults.extend(fault(&path, wanted, found.unwrap_or("object")));
            }
            (None, None | Some("object" | "nested")) => {
                compare(&found["properties"], &wanted["properties"], &path, faults);
            }
            (None, Some(found)) => faults.extend(fault(&path, "object", found)),
        }
    }
}

const AGAIN: &str = "A type can't be changed: delete the index and import the mails again, or make \
                     a new one with the template and copy it with _reindex";

/// Why a field of this type is none of the wanted one; nothing where both will do.
fn fault(path: &str, wanted: &str, found: &str) -> Option<Fault> {
    const NUMBERS: [&str; 8] =
        ["long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float"];
    const TEXTS: [&str; 6] =
        ["keyword", "text", "wildcard", "match_only_text", "constant_keyword", "flat_object"];
    let is_text = TEXTS.contains(&found);
    let fault = |status, why: &str| {
        Some(Fault { status, found: format!("{path} is of the type {found}: {why}") })
    };
    match wanted {
        "date" if found.starts_with("date") => None,
        "date" if is_text || NUMBERS.contains(&found) => {
            fault(Status::Wrong, "it is no date, so no period can be shown")
        }
        "long" | "integer" if NUMBERS.contains(&found) => None,
        "long" | "integer" if is_text => fault(Status::Wrong, "it can't be summed up"),
        wanted if TEXTS.contains(&wanted) && is_text => None,
        wanted if wanted == found => None,
        "ip" if is_text => fault(Status::Warning, "ranges of addresses can't be searched for"),
        "boolean" if is_text => fault(Status::Warning, "it is no yes or no"),
        _ => fault(Status::Wrong, "reports with another value are refused, and go to .failed"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_compared_by_what_they_can() {
        for kind in [Kind::Dmarc, Kind::Tls, Kind::Failure] {
            let ours = mapping::mappings(kind);
            assert!(faults(&ours, &ours["properties"]).is_empty());
        }
        let wanted = &mapping::mappings(Kind::Dmarc);
        assert!(faults(wanted, &wanted["properties"]).is_empty());

        let of = |change: &dyn Fn(&mut Value)| {
            let mut found = wanted.clone();
            change(&mut found["properties"]);
            let faults = faults(&found, &wanted["properties"]);
            faults.into_iter().map(|fault| (fault.status, fault.found)).collect::<Vec<_>>()
        };
        let record = "/feedback/properties/record/properties/row/properties";
        let set = |found: &mut Value, path: &str, kind: &str| {
            *found.pointer_mut(path).expect("a field") = json!({ "type": kind });
        };
        for (path, kind, expected) in [
            ("/@timestamp", "text", Some(Status::Wrong)),
            ("/@timestamp", "date_nanos", None),
            (
                "/feedback/properties/report_metadata/properties/date_range/properties/begin",
                "long",
                Some(Status::Wrong),
            ),
            (&format!("{record}/source_ip"), "keyword", Some(Status::Warning)),
            (&format!("{record}/count"), "text", Some(Status::Wrong)),
            (&format!("{record}/count"), "integer", None),
            (
                "/feedback/properties/report_metadata/properties/report_id",
                "date",
                Some(Status::Wrong),
            ),
            ("/feedback/properties/report_metadata/properties/report_id", "text", None),
            ("/feedback", "keyword", Some(Status::Wrong)),
        ] {
            let found = of(&|found| set(found, path, kind));
            assert_eq!(
                found.first().map(|(status, _)| *status),
                expected,
                "{path} {kind}: {found:?}"
            );
        }
        assert!(of(&|found| found["feedback"] = Value::Null).is_empty(), "nothing stored yet");
    }
}
