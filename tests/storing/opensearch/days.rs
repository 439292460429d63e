//! Years of days of many senders: more than the cluster puts into one answer.

use std::fs;

use serde_json::Value;

use crate::support::{program::run, server::OpenSearch};

const DAYS: i64 = 400;
const SENDERS: usize = 60;

#[test]
fn years_of_many_senders_are_told_of() {
    // The usual limit is 65,535.
    let Some(server) = OpenSearch::start(&["search.max_buckets=20000"]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("reports.sqlite").display().to_string();
    let records: Vec<String> = (0..SENDERS)
        .map(|n| {
            format!(
                "<record><row><source_ip>192.0.2.{n}</source_ip><count>{n}</count>\
                 <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>\
                 </policy_evaluated></row><identifiers><header_from>example.org</header_from>\
                 </identifiers><auth_results><dkim><domain>s{n}.example</domain><selector>a\
                 </selector><result>pass</result></dkim></auth_results></record>"
            )
        })
        .collect();
    let records = records.concat();
    let files = (0..DAYS).map(|day| {
        let begin = 1_700_000_000 + day * 86_400;
        let path = folder.path().join(format!("{day}.xml"));
        let text = format!(
            "<feedback><report_metadata><org_name>a.example</org_name><report_id>{day}</report_id>\
             <date_range><begin>{begin}</begin><end>{}</end></date_range></report_metadata>\
             <policy_published><domain>example.org</domain><p>none</p></policy_published>\
             {records}</feedback>",
            begin + 86_399
        );
        fs::write(&path, text).expect("written");
        path.display().to_string()
    });
    let files: Vec<String> = files.collect();
    let told = |store: [&str; 2]| -> Value {
        let stored = run(store.iter().copied().chain(files.iter().map(String::as_str)));
        assert_eq!(stored.code, Some(0), "{}", stored.log);
        let asked = ["report", "--all-time", "--json", "--top", "100"];
        let ended = run(asked.into_iter().chain(store));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        serde_json::from_str::<Value>(&ended.stdout).expect("JSON")["standings"].take()
    };
    let expected = told(["--store", &store]);
    assert_eq!(expected[0]["senders"].as_array().map(Vec::len), Some(SENDERS));
    assert_eq!(told(["--opensearch", &server.url]), expected);
}
