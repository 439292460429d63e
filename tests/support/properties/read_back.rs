//! What was written of a report is read as the same report, out of our documents and out of those
//! of the Ruby tool.

use email_report_processor::{
    document::{Documents, read},
    message::Received,
    report::{FailureReport, Repairs, Report},
};
use serde_json::Value;

/// So many documents of a report are looked at.
const SOME: usize = 20;

/// Of a report whose values were cut at so many bytes.
pub fn check_read_back(report: &Report, received: &Received, value_bytes: usize) {
    let documents = Documents::new(report, received);
    for n in 0..documents.len().min(SOME) {
        let (mut id, mut source) = (Vec::new(), Vec::new());
        documents.write_id(n, &mut id);
        documents.write_source(n, &mut source);
        let id = String::from_utf8(id).expect("ASCII");
        let source: Value = serde_json::from_slice(&source).expect("JSON");
        let expected = by_received(only(report, n, report.repairs().clone()), received);
        let ours = read::read(&id, source.clone(), value_bytes).expect("our own document");
        assert_eq!((&ours.report, &ours.received), (&expected, received));
        let (key, part) = ours.id.expect("our own id");
        assert_eq!(format!("{}-{part:016x}", key.as_str()), id);
        if matches!(report, Report::Failure(_)) {
            continue;
        }
        let theirs =
            read::read("4XADGKIBZLqcL_jfbzTM", ruby(source), value_bytes).expect("readable");
        assert_eq!(theirs.received, Received::default());
        let expected = only(report, n, theirs.report.repairs().clone());
        assert_eq!((&theirs.report, theirs.id), (&expected, None));
        assert_eq!(theirs.report.key(), report.key());
    }
}

/// The report with one record, as a document tells it.
fn only(report: &Report, n: usize, repairs: Repairs) -> Report {
    let mut report = report.clone();
    match &mut report {
        Report::Aggregate(report) => {
            report.records = vec![report.records.swap_remove(n)];
            (report.lost, report.repairs) = (0, repairs);
        }
        Report::Tls(report) => {
            report.policies = vec![report.policies.swap_remove(n)];
            (report.lost, report.repairs) = (0, repairs);
        }
        Report::Failure(report) => report.repairs = repairs,
    }
    report
}

/// The report as its document and what that says of the mail tell it. Sender and Message-ID of a
/// failure report within another mail (as a forwarded one) only make its key, which the id holds.
fn by_received(report: Report, received: &Received) -> Report {
    match report {
        Report::Failure(report) => Report::Failure(FailureReport {
            reporter: received.from.clone(),
            report_id: received.message_id.clone(),
            ..report
        }),
        other => other,
    }
}

/// The document as the Ruby tool has it: values of XML are texts, and nothing stands beside the
/// report.
pub fn ruby(mut source: Value) -> Value {
    if let Some(members) = source.as_object_mut() {
        members.retain(|name, _| {
            !matches!(name.as_str(), "received" | "@timestamp" | "dmarc" | "tls")
        });
    }
    if let Some(feedback) = source.get_mut("feedback") {
        texts(feedback);
    }
    source
}

fn texts(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(texts),
        Value::Object(members) => members.values_mut().for_each(texts),
        Value::Number(number) => *value = number.to_string().into(),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
