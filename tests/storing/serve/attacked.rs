//! A real browser between the pages and who means ill: sites and reports of strangers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::{Served, hostile_store, people::Home};
use crate::support::{browser::Browser, program::run_with_input};

/// A stranger's name leads to our address (DNS rebinding), so that for the browser the pages are
/// the stranger's own.
#[test]
fn a_name_of_a_strangers_that_leads_here_gets_nothing() {
    let home = Home::new();
    let rebound = ["--host-resolver-rules=MAP evil.example 127.0.0.1"];
    let Some(browser) = Browser::start_with(true, &rebound) else { return };
    let served = home.serve(&[]);
    browser.pass_over_policies();
    let (_, port) = served.url.rsplit_once(':').expect("a port");
    let evil = format!("http://evil.example:{port}");
    browser.open(&format!("{evil}/?since=all"));
    assert_eq!(browser.value("location.origin"), evil.as_str());
    assert_eq!(browser.text("h1"), "These pages have another name");
    let text = browser.value("document.documentElement.outerHTML");
    assert!(!text.as_str().expect("text").contains("example.org"), "{text}");
    for ask in [
        "fetch('/domains.json?since=all')",
        "fetch('/log-in')",
        "fetch('/mine', { method: 'POST', body: 'add=example.org+192.0.2.66' })",
    ] {
        assert_eq!(browser.value(&format!("{ask}.then(answer => answer.status)")), 421, "{ask}");
    }
    assert_eq!(home.said(), "");
    // By its own name the same browser gets them.
    browser.open(&format!("{}/?since=all", served.url));
    assert_eq!(browser.text("h1"), "Domains");
}

/// What a browser has on a page that is to be harmless: its words, those of pictures and for screen
/// readers, and what it does of itself.
const HARM: &str = "(() => {
    const texts = [document.title, document.body.textContent, ...[...document.querySelectorAll('*')]
        .flatMap(one => ['title', 'aria-label', 'content'].map(name => one.getAttribute(name))
            .concat(one.namespaceURI.endsWith('svg') ? [one.textContent] : []))];
    const foreign = performance.getEntriesByType('resource')
        .filter(one => !one.name.startsWith(location.origin)).map(one => one.name);
    const led = [...document.querySelectorAll('[href], [src], [action]')]
        .map(one => one.href?.baseVal ?? one.href ?? one.src ?? one.action)
        .filter(to => new URL(to, location).origin !== location.origin);
    const made = document.querySelectorAll('script, iframe, object, base, style, img').length;
    const hiding = /[\\u202a-\\u202e\\u2066-\\u2069\\u0000-\\u0008]/;
    const hidden = texts.filter(text => hiding.test(text));
    return [...foreign, ...led, ...hidden, ...(made ? ['elements: ' + made] : [])];
})()";

/// Pages of each kind that are looked at.
const EACH: usize = 7;

/// Pages of every kind that hostile reports lead to, by way of their links.
#[test]
fn whatever_reports_say_no_script_runs_and_nothing_leaves() {
    let (_folder, store) = hostile_store();
    let Some(browser) = Browser::start(true) else { return };
    let served = Served::start(&["--show-persons", "--store", store.to_str().expect("UTF-8")]);
    let first = ["/?since=all", "/domain?since=all", "/reports?since=all", "/tls?since=all"];
    let mut next: VecDeque<String> = first.map(str::to_owned).into();
    next.extend(["/failures?since=all", "/reports?since=all&kind=tls"].map(str::to_owned));
    let (mut seen, mut views) = (BTreeSet::new(), BTreeMap::new());
    let none: [&str; 0] = [];
    while let Some(path) = next.pop_front() {
        let view = path.split('?').next().unwrap_or_default().to_owned();
        if view.contains('.') || !seen.insert(path.clone()) {
            continue;
        }
        let count: &mut usize = views.entry(view).or_default();
        *count += 1;
        if *count > EACH {
            continue;
        }
        // An alert would fail each of these.
        browser.open(&format!("{}{path}", served.url));
        assert_eq!(browser.value(HARM), Value::from(none.as_slice()), "{path}");
        assert!(browser.count("h1") == 1, "{path}");
        let links = browser.value("[...document.links].map(one => one.pathname + one.search)");
        let links = links.as_array().expect("a list").iter();
        next.extend(links.map(|link| link.as_str().expect("text").to_owned()));
    }
    for view in ["/", "/domain", "/sender", "/address", "/reports", "/report", "/tls", "/failures"]
    {
        assert!(views.contains_key(view), "{view} was not seen: {views:?}");
    }
}

/// Names in which everything means something to somebody's address.
const ODD: [&str; 4] = ["a/b?c#d%", "x&y=z;+ 1", "%2e%2e/../%00", "ä\"'<>\\ \u{200b}|"];

#[test]
fn each_name_leads_to_its_own_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("reports.sqlite");
    let store = store.to_str().expect("UTF-8");
    for (n, name) in ODD.iter().enumerate() {
        let name = quick_xml::escape::escape(*name);
        let xml = format!(
            "<feedback><report_metadata><org_name>{name}</org_name><email>x@example.net</email>\
             <report_id>{name}</report_id><date_range><begin>1795000000</begin>\
             <end>1795086399</end></date_range></report_metadata>\
             <policy_published><domain>d{n}.example</domain><p>none</p></policy_published>\
             <record><row><source_ip>192.0.2.{n}</source_ip><count>3</count><policy_evaluated>\
             <disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated>\
             </row><identifiers><header_from>d{n}.example</header_from></identifiers>\
             <auth_results><dkim><domain>{name}</domain><result>pass</result></dkim>\
             </auth_results></record></feedback>"
        );
        let ended = run_with_input(["--store", store], xml.as_bytes());
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    let Some(browser) = Browser::start(false) else { return };
    let served = Served::start(&["--store", store]);
    for (n, _) in ODD.iter().enumerate() {
        let domain = format!("{}/domain?since=all&domain=d{n}.example", served.url);
        browser.open(&domain);
        let name = browser.text(".bucket tbody th a");
        browser.click(".bucket tbody th a");
        assert_eq!(browser.text("h1"), name, "{}", browser.url());
        assert!(browser.text(".figures").starts_with("3\nmessages"), "{name}");
        // Without it there is none left, and taken back it is there again.
        browser.open(&domain);
        browser.click(".bucket .choose a + a");
        assert_eq!(browser.count(".bucket"), 0, "{name}");
        browser.click(".chips a.not");
        assert_eq!(browser.text(".bucket tbody th a"), name);
        browser.open(&format!("{}/reports?since=all&domain=d{n}.example", served.url));
        let reporter = browser.text("#list ~ .scroll tbody th a");
        browser.click("#list ~ .scroll tbody th a");
        assert_eq!(browser.text("h1"), format!("Report of {reporter}"));
        browser.click("[aria-labelledby=records] tbody th a");
        assert_eq!(browser.text("h1"), format!("192.0.2.{n}"));
    }
}
