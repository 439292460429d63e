//! A sender of whose networks some are said to be the domain's own: each part is judged by itself.

use std::fs;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::program::run;

const DAY: i64 = 86_400;

/// The office sends from a network of a hoster, others from the same one.
#[test]
fn a_neighbour_is_judged_by_its_own_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let store = format!("--store={}", path("reports.sqlite"));
    let now = Timestamp::now().as_second();
    let files = (1..60).map(|ago| {
        let begin = now - ago * DAY;
        let record = |address: &str, result: &str| {
            format!(
                "<record><row><source_ip>{address}</source_ip><count>10</count><policy_evaluated>\
                 <disposition>none</disposition><dkim>{result}</dkim><spf>{result}</spf>\
                 </policy_evaluated></row><identifiers><header_from>example.org</header_from>\
                 </identifiers><auth_results><spf><domain>example.org</domain><result>{result}\
                 </result></spf></auth_results></record>"
            )
        };
        let mut records = record("192.0.2.7", "pass");
        if ago < 20 {
            records += &record("192.0.2.200", "fail");
        }
        let name = path(&format!("{ago}.xml"));
        let text = format!(
            "<feedback><report_metadata><org_name>a.example</org_name><report_id>{ago}</report_id>\
             <date_range><begin>{begin}</begin><end>{}</end></date_range></report_metadata>\
             <policy_published><domain>example.org</domain><p>none</p></policy_published>\
             {records}</feedback>",
            begin + DAY - 1
        );
        fs::write(&name, text).expect("written");
        name
    });
    let ended = run([store.clone()].into_iter().chain(files));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let said = run(["mine", "add", "192.0.2.0/28", "--domain=example.org", &store]);
    assert_eq!(said.code, Some(0), "{}", said.log);
    let ended = run(["report", "--json", &store, "--since=30d"]);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let senders = answer["standings"][0]["senders"].as_array().expect("senders");
    let found: Vec<_> = senders
        .iter()
        .map(|one| (one["bucket"].as_str().unwrap_or_default(), one["before"]["messages"].clone()))
        .collect();
    let before = answer["standings"][0]["before"]["messages"].clone();
    assert_eq!(found, [("stranger", Value::Null), ("mine", before)], "{senders:#?}");
}
