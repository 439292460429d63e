//! What the user said is his, where the store is a cluster: the file lies in his data folder.

use std::fs;

use serde_json::Value;

use super::SHARED;
use crate::support::program::{Ended, program, run_command};

#[test]
fn what_is_said_is_what_a_cluster_is_judged_by() {
    let Some(server) = SHARED.as_ref() else { return };
    let home = tempfile::tempdir().expect("a folder");
    let ask = |words: &[&str]| -> Ended {
        let mut command = program(words);
        let names =
            ["dmarc", "tlsrpt", "failures"].map(|kind| format!("--{kind}-index=mine-{kind}"));
        command.args(["--opensearch", &server.url]).env("XDG_DATA_HOME", home.path());
        // What is said is about no index.
        if words[0] != "mine" {
            command.args(names);
        }
        let ended = run_command(command);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.log);
        ended
    };
    let now = jiff::Timestamp::now().as_second();
    let reports = (0..40).map(|day| {
        let begin = now - (40 - day) * 86_400;
        let file = home.path().join(format!("{day}.xml"));
        fs::write(&file, report(day, begin)).expect("written");
        file.display().to_string()
    });
    let reports: Vec<String> = reports.collect();
    ask(&reports.iter().map(String::as_str).collect::<Vec<_>>());
    server.request("POST", "/mine-*/_refresh", None);
    let judged = || -> Value {
        let told = ask(&["report", "--format", "json", "--domain", "example.org"]).stdout;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        told["standings"][0]["senders"][0].clone()
    };
    assert_eq!(judged()["bucket"], "stranger");
    let said = ask(&["mine", "add", "192.0.2.0/24", "--domain", "example.org"]);
    assert!(said.stdout.contains("192.0.2.0/24 is yours now"), "{}", said.stdout);
    let file = home.path().join("email-report-processor/mine.toml");
    assert!(fs::read_to_string(file).expect("the file").contains("192.0.2.0/24"));
    assert_eq!(ask(&["mine", "list"]).stdout, "example.org  192.0.2.0/24\n");
    let sender = judged();
    assert_eq!((&sender["bucket"], &sender["said"]), (&"needs_repair".into(), &true.into()));
    let advice = ask(&["advise"]).stdout;
    assert!(advice.contains("Repair 192.0.2.0/24"), "{advice}");
    assert!(advice.contains("  400 shop.example.org\n"), "{advice}");
    ask(&["mine", "remove", "192.0.2.0/24", "--domain", "example.org"]);
    assert_eq!(judged()["bucket"], "stranger");
}

/// Mail in the name of a subdomain that fails.
fn report(day: i64, begin: i64) -> String {
    format!(
        "<feedback><report_metadata><org_name>reporter.example</org_name><report_id>{day}\
             </report_id><date_range><begin>{begin}</begin><end>{begin}</end></date_range>\
             </report_metadata><policy_published><domain>example.org</domain><p>none</p>\
             </policy_published><record><row><source_ip>192.0.2.7</source_ip><count>10</count>\
             <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf>\
             </policy_evaluated></row><identifiers><header_from>Shop.example.org</header_from>\
             </identifiers><auth_results><spf><domain>example.org</domain><result>fail</result>\
             </spf></auth_results></record></feedback>"
    )
}
