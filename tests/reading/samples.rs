//! Compares what this program reads in reports from the wild with a second opinion, parsedmarc's.
//! Every difference is explained in the table in `tests/samples.md`; one that is not listed there,
//! and one that is listed and gone, fails.
//!
//! The samples are not part of the project: `ERP_SAMPLES` names their folder.

use std::{collections::BTreeSet, env, fs, path::Path};

use email_report_processor::{document::Documents, limits::Limits, message, report::rfc3339};
use serde_json::{Map, Value, json};

/// sample, field, ours, the second opinion's
type Difference = (String, String, String, String);

#[test]
fn differences_from_the_second_opinion_are_explained() {
    let Some(folder) = env::var_os("ERP_SAMPLES") else {
        eprintln!("skipped: ERP_SAMPLES does not name the folder of the samples");
        return;
    };
    let folder = Path::new(&folder);
    let expected =
        fs::read_to_string(folder.join("expected.jsonl")).expect("expected.jsonl in ERP_SAMPLES");
    let mut found = BTreeSet::new();
    let mut compared = 0;
    for line in expected.lines().filter(|line| !line.trim().is_empty()) {
        let theirs: Value = serde_json::from_str(line).expect("a line of expected.jsonl is JSON");
        let sample = text(&theirs["file"]);
        let bytes =
            fs::read(folder.join(&sample)).unwrap_or_else(|error| panic!("{sample}: {error}"));
        let ours = read(&bytes);
        let refused = theirs["kind"] == "rejected";
        assert!(
            refused || ours["kind"] != "rejected",
            "refused here, not there: {sample}: {}",
            ours["error"]
        );
        compare(&sample, "", &ours, &theirs, &mut found);
        compared += 1;
    }
    let explained = explained(&fs::read_to_string("tests/samples.md").expect("tests/samples.md"));
    let row = |d: &Difference| format!("| {} | {} | {} | {} | |", d.0, d.1, d.2, d.3);
    let list = |set: Vec<&Difference>| set.into_iter().map(row).collect::<Vec<_>>().join("\n");
    let unexplained = list(found.difference(&explained).collect());
    let gone = list(explained.difference(&found).collect());
    assert!(unexplained.is_empty(), "not explained in tests/samples.md:\n{unexplained}");
    assert!(gone.is_empty(), "in tests/samples.md, but no longer so:\n{gone}");
    println!("{compared} samples, {} differences, all explained", found.len());
    assert!(compared > 0, "no samples");
}

/// Walks down both; `error` is worded differently by nature.
fn compare(
    sample: &str,
    path: &str,
    ours: &Value,
    theirs: &Value,
    found: &mut BTreeSet<Difference>,
) {
    let mut differ =
        |ours: String, theirs: String| found.insert((sample.into(), path.into(), ours, theirs));
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for name in
                a.keys().chain(b.keys()).filter(|name| !matches!(name.as_str(), "file" | "error"))
            {
                let below = format!("{path}/{name}");
                compare(sample, &below, &ours[name], &theirs[name], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() != b.len() => {
            differ(format!("{} entries", a.len()), format!("{} entries", b.len()));
        }
        (Value::Array(a), Value::Array(b)) => {
            // One line in the table for all records in which the same value differs in the same
            // way.
            for (ours, theirs) in a.iter().zip(b) {
                compare(sample, &format!("{path}/*"), ours, theirs, found);
            }
        }
        _ if ours != theirs => {
            differ(text(ours), text(theirs));
        }
        _ => {}
    }
}

/// The rows of the table, without their last column, which must say why.
fn explained(markdown: &str) -> BTreeSet<Difference> {
    let rows = markdown.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, sample, field, ours, theirs, why, _] = cells[..] else {
            panic!("not five columns: {row}")
        };
        assert!(!why.is_empty(), "no reason given: {row}");
        (sample.into(), field.into(), ours.into(), theirs.into())
    })
    .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::String(text) if text.is_empty() => "an empty text".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What this program reads, in the shape of `expected.jsonl`: taken from the documents, as a store
/// gets them.
fn read(bytes: &[u8]) -> Value {
    let contents = message::read(bytes, &Limits::default());
    let Some(report) = contents.reports.first() else {
        return json!({ "kind": "rejected", "error": contents.complaint() });
    };
    assert_eq!(contents.reports.len(), 1, "several reports");
    assert_eq!((contents.complaint(), report.lost()), (None, 0));
    let documents = Documents::new(report, &contents.received);
    let documents: Vec<Value> = (0..documents.len())
        .map(|n| {
            let mut source = Vec::new();
            documents.write_source(n, &mut source);
            serde_json::from_slice(&source).expect("a document is JSON")
        })
        .collect();
    let first = &documents[0];
    if first.get("feedback").is_some() {
        dmarc(first, &documents)
    } else if first.get("failure").is_some() {
        failure(&first["failure"])
    } else {
        tls(first, &documents)
    }
}

fn dmarc(first: &Value, documents: &[Value]) -> Value {
    let metadata = &first["feedback"]["report_metadata"];
    let policy = &first["feedback"]["policy_published"];
    let time = |value: &Value| {
        rfc3339(value.as_i64().expect("seconds"))
            .map(|time| time.replace('T', " ").replace('Z', ""))
    };
    let record = |document: &Value| {
        let record = &document["feedback"]["record"];
        let (row, results) = (&record["row"], &record["auth_results"]);
        json!({
            "source_ip": row["source_ip"],
            "count": row["count"],
            "disposition": row["policy_evaluated"]["disposition"],
            "dkim": row["policy_evaluated"]["dkim"],
            "spf": row["policy_evaluated"]["spf"],
            "header_from": record["identifiers"]["header_from"],
            "auth_dkim": results["dkim"].as_object().map_or(0, Map::len),
            "auth_spf": one_or_many(&results["spf"]).len(),
        })
    };
    json!({
        "kind": "dmarc",
        "org_name": metadata["org_name"],
        "report_id": metadata["report_id"],
        "begin": time(&metadata["date_range"]["begin"]),
        "end": time(&metadata["date_range"]["end"]),
        "domain": policy["domain"],
        "p": policy["p"],
        "records": documents.iter().map(record).collect::<Vec<_>>(),
    })
}

fn tls(first: &Value, documents: &[Value]) -> Value {
    let policy = |document: &Value| {
        let result = &document["policies"];
        json!({
            "domain": result["policy"]["policy-domain"],
            "type": result["policy"]["policy-type"],
            "ok": result["summary"]["total-successful-session-count"],
            "failed": result["summary"]["total-failure-session-count"],
            "failure_details": one_or_many(&result["failure-details"]).len(),
        })
    };
    json!({
        "kind": "tls",
        "org_name": first["organization-name"],
        "report_id": first["report-id"],
        "begin": first["date-range"]["start-datetime"],
        "end": first["date-range"]["end-datetime"],
        "policies": documents.iter().map(policy).collect::<Vec<_>>(),
    })
}

fn failure(failure: &Value) -> Value {
    let time = failure["arrival_date"].as_str().map(|time| time.replace('T', " ").replace('Z', ""));
    json!({
        "kind": "failure",
        "feedback_type": failure["feedback_type"],
        "source_ip": failure["source_ip"],
        "reported_domain": failure["reported_domain"],
        "auth_failure": one_or_many(&failure["auth_failure"]),
        "arrival_date_utc": time,
    })
}

fn one_or_many(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    }
}
