//! What persons say and who they are, clicked and typed in a real browser.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use super::{
    Served,
    people::{Home, PASSWORD},
};
use crate::support::{browser::Browser, program::wait_until};

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
/// Buttons beside the domains in whose name somebody sends.
const DOMAINS: &str = "[aria-labelledby=domains] button.claim";
/// For a machine that has much else to do.
const LONG: Duration = Duration::from_mins(2);
const DOMAIN: &str = "/domain?since=all&domain=example.org";

/// Waits until the browser is at an address of ours.
fn wait_for(browser: &Browser, served: &Served, path: &str) {
    let url = format!("{}{path}", served.url);
    wait_until(&url, LONG, || browser.url() == url);
}

fn log_in(browser: &Browser, name: &str, password: &str) {
    browser.type_into("#name", name);
    browser.type_into("#password", password);
    browser.click(".log-in button");
}

/// Without scripts: on the page of a domain, of an address and of a sender.
#[test]
fn one_click_says_that_it_is_mine() {
    let home = Home::new();
    let Some(browser) = Browser::start(false) else { return };
    let served = home.serve(&[]);
    browser.open(&format!("{}{DOMAIN}&not-source=198.51.100.1", served.url));
    let row = ".bucket.stranger tbody tr";
    let sender = browser.text(&format!("{row} th a"));
    browser.click(&format!("{row} button.claim"));
    // The same page, with the sender among those that are the user's own.
    wait_until("it is shown", LONG, || browser.count(".said") == 1);
    wait_for(&browser, &served, &format!("{DOMAIN}&not-source=198.51.100.1"));
    assert!(home.said().contains(&format!("\"{sender}\"")), "{}", home.said());
    assert!(browser.text(".said").contains(&sender));
    browser.click(".said button.claim");
    wait_until("it is taken back", LONG, || browser.count(".said") == 0);
    wait_for(&browser, &served, &format!("{DOMAIN}&not-source=198.51.100.1"));
    assert!(!home.said().contains(&sender), "{}", home.said());

    for (table, path) in [("addresses", "/address?"), ("mine", "/sender?")] {
        browser.open(&format!("{}{DOMAIN}", served.url));
        if table == "addresses" {
            browser.click("[aria-labelledby=addresses] tbody th a");
        } else {
            browser.click(".bucket tbody th a");
        }
        assert!(browser.url().contains(path), "{}", browser.url());
        let (page, what) = (browser.url(), browser.text("h1"));
        browser.click(&format!("{DOMAINS}[name=add]"));
        let taken_back = format!("{DOMAINS}[name=remove]");
        wait_until("it is shown", LONG, || browser.count(&taken_back) > 0);
        assert_eq!(browser.url(), page);
        assert!(home.said().contains(&what), "{what}: {}", home.said());
        browser.click(&taken_back);
        wait_until("it is gone", LONG, || !home.said().contains(&what));
    }
}

#[test]
fn a_log_in_needs_no_script_and_ends() {
    let home = Home::new();
    let Some(browser) = Browser::start(false) else { return };
    let served = home.serve_users(&["--base-path", "/mail/reports"]);
    let page = format!("/mail/reports{DOMAIN}");
    browser.open(&format!("{}{page}", served.url));
    assert_eq!(browser.text("h1"), "Log in");
    log_in(&browser, "anna", "wrong horse");
    wait_until("an answer", LONG, || browser.count("[role=alert]") == 1);
    assert_eq!(browser.text("[role=alert]"), "The name or the password is wrong.");
    log_in(&browser, "anna", PASSWORD);
    // Where it was to go.
    wait_for(&browser, &served, &page);
    assert!(browser.text(".person").starts_with("anna"), "{}", browser.text(".person"));
    let cookies = browser.cookies();
    let session =
        cookies.as_array().expect("a list").iter().find(|one| one["name"] == "erp-session");
    let session = session.expect("a session");
    assert_eq!((&session["httpOnly"], &session["sameSite"]), (&true.into(), &"Strict".into()));
    assert_eq!(session["path"], "/mail/reports");
    browser.click(".bucket.stranger button.claim");
    wait_for(&browser, &served, &page);
    assert!(!home.said().is_empty());

    browser.click(".person button");
    wait_for(&browser, &served, "/mail/reports/log-in");
    // The way back leads to no page that was seen.
    browser.back();
    wait_until("the log-in", LONG, || browser.count(".log-in") == 1);
    browser.open(&format!("{}/mail/reports/", served.url));
    assert_eq!(browser.text("h1"), "Log in");

    log_in(&browser, "bert", PASSWORD);
    wait_for(&browser, &served, "/mail/reports/");
    browser.open(&format!("{}{page}", served.url));
    assert!(browser.count(".bucket tbody tr") > 0);
    assert_eq!(browser.count("button.claim"), 0);
}

/// Presses Tab until what has the focus is so.
fn tab_to(browser: &Browser, condition: &str) {
    for _ in 0..200 {
        browser.press(TAB);
        if browser.value(&format!("document.activeElement.matches({condition:?})")) == true {
            let seen = "getComputedStyle(document.activeElement).outlineStyle";
            assert_ne!(browser.value(seen), "none", "{condition}: the focus is not seen");
            return;
        }
    }
    panic!("the keyboard does not reach {condition}");
}

#[test]
fn the_keyboard_does_for_log_in_and_what_is_mine() {
    let home = Home::new();
    let Some(browser) = Browser::start(true) else { return };
    let served = home.serve_users(&[]);
    browser.open(&format!("{}{DOMAIN}", served.url));
    // The field for the name has the focus.
    browser.press("anna");
    browser.press(TAB);
    browser.press(PASSWORD);
    browser.press(ENTER);
    wait_for(&browser, &served, DOMAIN);
    tab_to(&browser, "button.claim");
    browser.press(ENTER);
    wait_until("it is said", LONG, || !home.said().is_empty());
    wait_for(&browser, &served, DOMAIN);
    tab_to(&browser, ".person button");
    browser.press(ENTER);
    wait_for(&browser, &served, "/log-in");
}

/// A page of another site, at another port of this machine: it sends the forms of our pages by
/// itself, and tries to read them.
fn another_site(target: &str) -> String {
    let site = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = site.local_addr().expect("an address");
    let page = format!(
        "<!DOCTYPE html><title>evil</title>\
         <form id=f method=post action=\"{target}/mine\">\
         <input name=add value=\"example.org 192.0.2.66\"><input name=back value=\"/\"></form>\
         <form id=l method=post action=\"{target}/log-out\"></form>\
         <script>window.read='waits';fetch('{target}/',{{credentials:'include'}})\
         .then(r=>r.text()).then(t=>window.read=t,e=>window.read='refused')</script>"
    );
    thread::spawn(move || {
        for stream in site.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    format!("http://localhost:{}", address.port())
}

#[test]
fn another_site_gets_nothing_out_of_a_browser_that_is_logged_in() {
    let home = Home::new();
    let Some(browser) = Browser::start(true) else { return };
    let served = home.serve_users(&[]);
    browser.open(&format!("{}/", served.url));
    log_in(&browser, "anna", PASSWORD);
    wait_for(&browser, &served, "/");
    let evil = another_site(&served.url);
    browser.open(&evil);
    wait_until("an answer", LONG, || browser.value("window.read") != "waits");
    assert_eq!(browser.value("window.read"), "refused");
    for form in ["f", "l"] {
        browser.open(&evil);
        browser.value(&format!("document.getElementById({form:?}).submit()"));
        wait_until("an answer", LONG, || browser.url().starts_with(&served.url));
        wait_until("a page", LONG, || browser.count("h1") == 1);
        assert_eq!(browser.text("h1"), "Refused");
        assert_eq!(home.said(), "");
    }
    // By a link from there, the session is not sent; one click more, and it is.
    browser.open(&evil);
    browser.value(&format!("location.assign({:?})", format!("{}/tls", served.url)));
    wait_until("the log-in", LONG, || browser.count(".log-in") == 1);
    browser.follow("Go on to the page");
    wait_for(&browser, &served, "/tls");
    browser.open(&format!("{}/", served.url));
    assert_eq!(browser.text("h1"), "Domains");
}
