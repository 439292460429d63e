//! Names out of reports, which anybody may write: in a header, a text, a page, JSON, a label.

use std::fs;

use serde_json::Value;

use super::{Taker, flag, shown};
use crate::support::program::{program, run, run_command};

/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

/// As XML has them.
const REPORTER: &str = "Evil&#10;Bcc: victim@example.net&#13;&#10;&#13;&#10;&lt;img src=x onerror=alert(1)&gt;&#x202E;&#x1b;[2J\"'";
const DOMAIN: &str = "&lt;script&gt;alert(1)&lt;/script&gt;&#x202E;.example";

fn report(by: &str, day: i64, about: &str, address: &str, result: &str) -> String {
    let begin = BEGIN + day * DAY;
    format!(
        "<feedback><report_metadata><org_name>{by}</org_name><email>a@b.example</email>\
         <report_id>{day}</report_id><date_range><begin>{begin}</begin><end>{}</end></date_range>\
         </report_metadata><policy_published><domain>{about}</domain><p>none</p></policy_published>\
         <record><row><source_ip>{address}</source_ip><count>400</count><policy_evaluated>\
         <disposition>none</disposition><dkim>{result}</dkim><spf>{result}</spf></policy_evaluated></row>\
         <identifiers><header_from>{about}</header_from></identifiers><auth_results><spf>\
         <domain>{about}</domain><result>{result}</result></spf></auth_results></record></feedback>",
        begin + DAY - 1
    )
}

/// Forty days: the hostile reporter ends, and the hostile domain's mail begins to fail.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for day in 0..47 {
        let result = if day < 44 { "pass" } else { "fail" };
        let mut all = vec![report("Other", day, DOMAIN, "192.0.2.7", result)];
        if day < 39 {
            all.push(report(REPORTER, day, "example.org", "192.0.2.8", "pass"));
        }
        for (n, xml) in all.into_iter().enumerate() {
            let file = folder.join(format!("{day}-{n}.xml"));
            fs::write(&file, xml).expect("written");
            files.push(file.to_str().expect("UTF-8").to_owned());
        }
    }
    files
}

/// No header, no markup, nothing that turns the direction of writing.
fn is_harmless(text: &str) {
    let dangerous = |c: char| matches!(c, '\u{202e}' | '\u{1b}' | '\r');
    assert!(!text.contains(dangerous), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text:?}");
}

#[test]
fn hostile_names_are_told_and_do_nothing() {
    let taker = Taker::new();
    let store = flag("--store", &taker.folder.path().join("reports.sqlite"));
    let ended = run([store.clone()].into_iter().chain(files(taker.folder.path())));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let to = ["--mail-to=ops@example.com".to_owned(), flag("--sendmail", &taker.program())];
    let fixed = ["digest", "--until=2026-02-16"].map(str::to_owned);
    let ended = run(fixed.into_iter().chain(to.clone()).chain([store.clone()]));
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let mail = taker.file("taken");
    assert!(mail.is_ascii(), "{mail}");
    is_harmless(mail.split("\n\n").next().expect("a header"));
    let (_, text, page) = shown(mail.as_bytes());
    for kind in ["alert(1)", "Evil", "fail"] {
        assert!(text.contains(kind) && page.contains(kind), "{kind}: {text}\n{page}");
    }
    is_harmless(&text);
    assert!(
        !page.contains("<img") && !page.contains("<script") && !page.contains('\u{202e}'),
        "{page}"
    );

    let alert = |more: &[String]| {
        let fixed = ["alert", "--at=2026-02-17"].map(str::to_owned);
        let mut alert =
            program(fixed.into_iter().chain(more.iter().cloned()).chain([store.clone()]));
        alert.env("STATE_DIRECTORY", taker.folder.path());
        run_command(alert)
    };
    let ended = alert(&["--dry-run".into()]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    is_harmless(&ended.stdout);
    let lines = ended.stdout.lines().count();
    assert!(lines >= 2, "the sender and the reporter: {}", ended.stdout);
    // First by command, then by mail, to the same program.
    let ended = alert(&[flag("--alert-command", &taker.program())]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let handed_over = taker.file("taken");
    is_harmless(&handed_over);
    let told: Value = serde_json::from_str(&handed_over).expect("JSON");
    let names = told["situations"].as_array().expect("a list").iter();
    let names: Vec<&str> = names.filter_map(|one| one["domain"].as_str()).collect();
    assert!(names.contains(&"<script>alert(1)</script>\u{202e}.example"), "as it is: {names:?}");
    assert_eq!(taker.file("arguments").trim(), "", "nothing of it is in the command line");
}

#[test]
fn a_mail_of_alerts_is_as_harmless() {
    let taker = Taker::new();
    let store = flag("--store", &taker.folder.path().join("reports.sqlite"));
    let ended = run([store.clone()].into_iter().chain(files(taker.folder.path())));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let flags = [
        "alert".to_owned(),
        "--at=2026-02-17".into(),
        "--mail-to=ops@example.com".into(),
        flag("--sendmail", &taker.program()),
        store,
    ];
    let mut alert = program(flags);
    alert.env("STATE_DIRECTORY", taker.folder.path());
    let ended = run_command(alert);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let mail = taker.file("taken");
    is_harmless(mail.split("\n\n").next().expect("a header"));
    let (subject, text, page) = shown(mail.as_bytes());
    is_harmless(&subject);
    is_harmless(&text);
    assert!(text.contains("alert(1)"), "{text}");
    assert!(
        !page.contains("<img") && !page.contains("<script") && !page.contains('\u{202e}'),
        "{page}"
    );
}
