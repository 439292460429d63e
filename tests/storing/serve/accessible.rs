//! Whoever can't see the pages, or has no mouse, can use them, too.

use super::{Served, browser::LOOKED_AT, hostile_store, maildir_with_failed_mail, sample_store};
use crate::support::browser::{Browser, axe};

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// Elements that can have the focus, in their order.
const FOCUSABLE: &str = "[...document.querySelectorAll('a[href], button, input, summary')]\
                         .filter(one => one.type !== 'hidden' && one.checkVisibility())";

#[test]
fn axe_finds_nothing_on_any_page() {
    let (_folder, store) = sample_store();
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::start(true) else { return };
    let maildir = maildir_with_failed_mail();
    let (store, path) = (store.to_str().expect("UTF-8"), maildir.path().to_str().expect("UTF-8"));
    let served = Served::start(&["--store", store, path]);
    let list = served.page("/reports?since=all");
    let (_, report) = list.split_once("href=\"/report?").expect("a report");
    let report = report.split('"').next().expect("its address").replace("&#38;", "&");
    let report = format!("/report?{report}");
    let pages = LOOKED_AT.into_iter().chain([("report", report.as_str()), ("empty", "/tls")]);
    for (name, path) in pages {
        browser.open(&format!("{}{path}", served.url));
        for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 390)] {
            browser.show_as(width, 900, scheme);
            let none: [&str; 0] = [];
            assert_eq!(browser.complaints(&axe), none, "{name} in {scheme}, {width} wide");
        }
    }
}

#[test]
fn axe_would_find_something() {
    let (_folder, store) = hostile_store();
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::start(true) else { return };
    let served = Served::store(&store);
    browser.open(&format!("{}/?since=all", served.url));
    browser.value("document.querySelector('h1').style.color = '#ddd'");
    let found = browser.complaints(&axe);
    assert!(found.iter().any(|line| line.starts_with("color-contrast: ")), "{found:?}");
}

#[test]
fn the_keyboard_does_for_all() {
    let (_folder, store) = sample_store();
    let Some(browser) = Browser::start(true) else { return };
    let served = Served::store(&store);
    browser.open(&format!("{}/domain?since=all&domain=example.org", served.url));
    browser.press(TAB);
    assert_eq!(browser.value("document.activeElement.innerText"), "To the contents");
    // From one to the next in the order of reading, and what has the focus is seen.
    let all = browser.value(&format!("{FOCUSABLE}.length")).as_u64().expect("a number");
    assert!(all > 15, "{all}");
    for n in 0..all.min(40) {
        let place = format!("{FOCUSABLE}.indexOf(document.activeElement)");
        assert_eq!(
            browser.value(&place),
            n,
            "{}",
            browser.value("document.activeElement.outerHTML")
        );
        let outline = "getComputedStyle(document.activeElement).outlineStyle";
        assert_eq!(browser.value(outline), "solid");
        browser.press(TAB);
    }
    browser.open(&format!("{}/?since=all", served.url));
    browser.press(TAB);
    browser.press(ENTER);
    assert_eq!(browser.value("document.activeElement.id"), "main");
    // The sample's reports are old.
    browser.press(TAB);
    assert_eq!(browser.value("document.activeElement.innerText"), "is something stuck?");
    browser.press(TAB);
    browser.press(ENTER);
    assert!(browser.url().contains("/domain?"), "{}", browser.url());
}
