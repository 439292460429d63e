//! More senders than are judged one by one: none of their mail is passed over.

use std::fs;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::program::run;

#[test]
fn forged_mail_from_all_over_the_world_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.xml").display().to_string();
    let store = format!("--store={}", folder.path().join("reports.sqlite").display());
    let begin = Timestamp::now().as_second() - 86_400;
    let records: Vec<String> = (0..1100)
        .map(|n| {
            format!(
                "<record><row><source_ip>198.{}.{}.7</source_ip><count>3</count><policy_evaluated>\
                 <disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated>\
                 </row><identifiers><header_from>example.org</header_from></identifiers>\
                 <auth_results><spf><domain>example.org</domain><result>fail</result></spf>\
                 </auth_results></record>",
                18 + n / 256,
                n % 256
            )
        })
        .collect();
    let records = records.concat();
    let text = format!(
        "<feedback><report_metadata><org_name>a.example</org_name><report_id>1</report_id>\
         <date_range><begin>{begin}</begin><end>{}</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain><p>none</p></policy_published>\
         {records}</feedback>",
        begin + 86_399
    );
    fs::write(&path, text).expect("written");
    let ended = run([&store, &path]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let report = |more: &[&str]| run(["report", &store].iter().chain(more));
    let told = report(&[]).stdout;
    // Lines are broken where the terminal ends.
    let told: Vec<&str> = told.split_whitespace().collect();
    let told = told.join(" ");
    for line in [
        "forged? 3,000 messages from 1,000 senders; 3,000 delivered",
        "and more 300 messages from 100 senders with few each, 300 fail; 300 of these delivered",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    for (limit, code) in [("3299", 1), ("3300", 0)] {
        let ended = report(&["-q", &format!("--fail-on=forged={limit}")]);
        assert_eq!(ended.code, Some(code), "{limit}: {}", ended.log);
    }
    let answer: Value = serde_json::from_str(&report(&["--json"]).stdout).expect("JSON");
    let standing = &answer["standings"][0];
    let listed = standing["senders"].as_array().map(Vec::len);
    assert_eq!((listed, &standing["senders_omitted"]), (Some(50), &1050.into()));
}
