//! Documents in an index of ours that are no reports, as only others write them.

use std::fs;

use serde_json::{Value, json};

use super::SHARED;
use crate::support::program::run;

#[test]
fn a_newer_document_that_is_no_report_hides_no_policy() {
    let Some(server) = SHARED.as_ref() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.xml").display().to_string();
    let report = "<feedback><report_metadata><org_name>a.example</org_name><report_id>1</report_id>\
        <date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>\
        <policy_published><domain>example.org</domain><p>quarantine</p></policy_published>\
        <record><row><source_ip>192.0.2.1</source_ip><count>5</count><policy_evaluated>\
        <disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>\
        <identifiers><header_from>example.org</header_from></identifiers></record></feedback>";
    fs::write(&file, report).expect("written");
    let flags = [
        &format!("--opensearch={}", server.url)[..],
        "--dmarc-index=odd-ones-dmarc",
        "--tlsrpt-index=odd-ones-tls",
        "--failures-index=odd-ones-failures",
    ];
    let stored = run(flags.into_iter().chain([&file[..]]));
    assert_eq!(stored.code, Some(0), "{}", stored.log);
    let two = json!([{ "row": { "count": 1 } }, { "row": { "count": 2 } }]);
    let documents = (1..4).map(|day| {
        let begin = 1_700_000_000_i64 + day * 86_400;
        json!({
            "@timestamp": begin * 1000,
            "feedback": {
                "report_metadata": { "org_name": "a.example", "report_id": begin.to_string(),
                    "date_range": { "begin": begin, "end": begin + 86_399 } },
                "policy_published": { "domain": "example.org", "p": "none" },
                "record": two,
            },
        })
    });
    server.store("odd-ones-dmarc", documents);
    assert_eq!(server.count("odd-ones-dmarc"), 4);
    let ended = run(["report", "--all-time", "--json"].into_iter().chain(flags));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["standings"][0]["domain"], "example.org");
    assert_eq!(report["standings"][0]["policy"], "quarantine", "{}", ended.stdout);
}
