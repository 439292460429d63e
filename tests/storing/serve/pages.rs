//! What the pages show.

use serde_json::Value;

use super::{EVIL, Served, hostile_store, maildir_with_failed_mail, sample_store};
use crate::support::program::run;

/// Every page of a store that has each kind of report.
const PAGES: [&str; 6] =
    ["/?since=all", "/domain?since=all", "/tls?since=all", "/failures?since=all", "/incoming", "/"];

/// The addresses that a page leads to.
fn links(page: &str) -> Vec<String> {
    let all = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    all.filter(|link| link.starts_with('/'))
        .map(|link| link.replace("&#38;", "&").replace("&amp;", "&"))
        .collect()
}

#[test]
fn every_link_leads_to_a_page() {
    let (_folder, store) = sample_store();
    let served = Served::store(&store);
    let mut seen = std::collections::BTreeSet::new();
    let mut next: Vec<String> = PAGES.map(str::to_owned).into();
    for _ in 0..3 {
        for link in std::mem::take(&mut next) {
            if seen.len() > 300 || !seen.insert(link.clone()) {
                continue;
            }
            let got = served.get(&link);
            assert_eq!(got.status, 200, "{link}: {}", got.body);
            next.extend(links(&got.body));
        }
    }
    assert!(seen.len() > 200, "{seen:?}");
}

#[test]
fn the_numbers_are_those_of_report() {
    let (_folder, store) = sample_store();
    let path = store.to_str().expect("UTF-8");
    let report = run(["report", "--json", "--since", "10y", "--top", "200", "--store", path]);
    let expected: Value = serde_json::from_str(&report.stdout).expect("JSON");
    let served = Served::store(&store);
    let found: Value = serde_json::from_str(&served.get("/tls.json?since=all").body).expect("JSON");
    assert_eq!(found["successful_sessions"], expected["tls"]["successful_sessions"]);
    let found: Value =
        serde_json::from_str(&served.get("/failures.json?since=all").body).expect("JSON");
    assert_eq!(found["messages"], expected["failure"]["messages"]);
    let csv = served.get("/domains.csv?since=all&rows=1000");
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let domains = expected["dmarc"]["domains"].as_array().expect("a list");
    assert_eq!(csv.body.lines().count(), domains.len() + 1);
    for domain in domains {
        let start =
            format!("{},{}", domain["domain"].as_str().expect("a name"), domain["messages"]);
        assert!(csv.body.contains(&start), "{start}\n{}", csv.body);
    }
}

#[test]
fn hostile_texts_are_shown_harmlessly() {
    let (_folder, store) = hostile_store();
    let served = Served::store(&store);
    let mut paths: Vec<String> = PAGES.map(str::to_owned).into();
    let home = served.page("/?since=all");
    paths.extend(links(&home).into_iter().filter(|link| link.contains("domain=")));
    let mut shown = false;
    for path in &paths {
        let page = served.page(path);
        // What a form takes along is not seen.
        let mut parts = page.split("<input type=\"hidden\"");
        let first = parts.next().unwrap_or_default().to_owned();
        let seen = parts
            .fold(first, |seen, part| seen + part.split_once('>').map_or("", |(_, rest)| rest));
        for evil in ["<script", "<img", "\u{202e}", "onerror=alert(2)>"] {
            assert!(!seen.contains(evil), "{path}: {evil}: {page}");
        }
        assert!(!page.contains("secret"), "{path}");
        assert!(!page.contains(&"x".repeat(400)), "{path}");
        shown |= page.contains("alert(1)");
        for file in links(&page).iter().filter(|link| link.contains(".csv")) {
            let csv = served.get(file).body;
            assert!(!csv.contains('\u{202e}') && !csv.contains(",=") && !csv.contains("\n="));
        }
        for file in links(&page).iter().filter(|link| link.contains(".json")) {
            let got = served.get(file);
            assert_eq!(got.header("content-type"), "application/json");
            serde_json::from_str::<Value>(&got.body).expect("JSON");
            assert!(!got.body.contains('\u{202e}'), "{file}");
        }
    }
    assert!(shown, "the hostile texts are on no page");
    let named: Value = serde_json::from_str(&served.get("/tls.json?since=all").body).expect("JSON");
    assert_eq!(named["policies"][0]["policy_type"], EVIL);
}

/// Text of a JSON document that hides or turns others is written otherwise on a page, too.
#[test]
fn the_document_of_a_report_hides_nothing() {
    let (_folder, store) = hostile_store();
    let served = Served::store(&store);
    for kind in ["dmarc", "tls"] {
        let list = served.page(&format!("/reports?since=all&kind={kind}"));
        let all = links(&list);
        let report = all.iter().find(|link| link.starts_with("/report?")).expect("a report");
        let page = served.page(report);
        let (_, document) = page.split_once("<pre").expect("a document");
        assert!(document.contains("\\u202e"), "{document}");
        assert!(!document.contains('\u{202e}'), "{document}");
    }
}

#[test]
fn what_is_known_of_persons_is_shown_only_if_that_was_said() {
    let (_folder, store) = hostile_store();
    let path = store.to_str().expect("UTF-8");
    let files = ["/failures", "/failures.csv", "/failures.json"];
    let secrets = ["secret@example.org", "secret subject"];
    for (flags, is_shown) in [(&[][..], false), (&["--show-persons"], true)] {
        let served = Served::start(&[&["--store", path], flags].concat());
        for file in files {
            let body = served.get(&format!("{file}?since=all")).body;
            for secret in secrets {
                assert_eq!(body.contains(secret), is_shown, "{flags:?} {file}: {body}");
            }
        }
        let page = served.page("/failures?since=all");
        assert_eq!(page.contains("serve --show-persons"), !is_shown, "{page}");
    }
}

#[test]
fn mail_that_nothing_takes_up_is_told() {
    let (_folder, store) = sample_store();
    let maildir = crate::support::program::TestMaildir::new();
    let (store, path) = (store.to_str().expect("UTF-8"), maildir.path().to_str().expect("UTF-8"));
    let served = Served::start(&["--store", store, path]);
    let page = served.page("/incoming");
    assert!(page.contains("All that came was taken up"), "{page}");
    let mail = |name: &str| std::fs::write(maildir.path().join("new").join(name), "x");
    mail("fresh.host").expect("written");
    let page = served.page("/incoming");
    assert!(page.contains("1 mail in new") && !page.contains("nothing takes it up"), "{page}");
    mail("1700000000.M1P1.host").expect("written");
    let page = served.page("/incoming");
    assert!(page.contains("2 mails in new") && page.contains("nothing takes it up"), "{page}");
    assert!(page.contains("2023-11-14T22:13:20Z"), "{page}");
}

#[test]
fn incoming_names_what_could_not_be_read() {
    let (_folder, store) = sample_store();
    let maildir = maildir_with_failed_mail();
    let (store, path) = (store.to_str().expect("UTF-8"), maildir.path().to_str().expect("UTF-8"));
    let served = Served::start(&["--store", store, path]);
    let page = served.page("/incoming");
    assert!(page.contains("no report &#60;b&#62;in it"), "{page}");
    assert!(page.contains("0 mails in new, 1 in .failed"), "{page}");
    let csv = served.get("/incoming.csv").body;
    assert!(csv.contains("no report <b>in it"), "{csv}");
}

#[test]
fn an_empty_store_names_the_next_step() {
    let (folder, _store) = sample_store();
    let empty = folder.path().join("empty.sqlite");
    let path = empty.to_str().expect("UTF-8");
    let nothing = folder.path().join("nothing.json");
    std::fs::write(&nothing, "").expect("written");
    let ended = run(["import", "--store", path, nothing.to_str().expect("UTF-8")]);
    assert!(empty.exists(), "{}", ended.log);
    let served = Served::start(&["--store", path]);
    for (page, words) in [
        ("/", "email-report-processor once MAILDIR"),
        ("/tls", "_smtp._tls.example.org."),
        ("/failures", "ruf=mailto:"),
        ("/incoming", "email-report-processor watch MAILDIR"),
    ] {
        let page = served.page(page);
        assert!(page.contains(words), "{words}: {page}");
    }
}
