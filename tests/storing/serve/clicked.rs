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
const DOMAIN: &str = "/domain?since=all&domain=example.org";

/// Waits until the browser is at an address of ours.
fn wait_for(browser: &Browser, served: &Served, path: &str) {
    let url = format!("{}{path}", served.url);
    wait_until(&url, Duration::from_mins(1), || browser.url() == url);
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
    wait_for(&browser, &served, &format!("{DOMAIN}&not-source=198.51.100.1"));
    assert!(home.said().contains(&format!("\"{sender}\"")), "{}", home.said());
    assert!(browser.text(".said").contains(&sender));
    browser.click(".said button.claim");
    wait_for(&browser, &served, &format!("{DOMAIN}&not-source=198.51.100.1"));
    assert!(!home.said().contains(&sender), "{}", home.said());
    assert_eq!(browser.count(".said"), 0);

    for (table, path) in [("addresses", "/address?"), ("mine", "/sender?")] {
        browser.open(&format!("{}{DOMAIN}", served.url));
        if table == "addresses" {
            browser.click("[aria-labelledby=addresses] tbody th a");
        } else {
            browser.click(".bucket tbody th a");
        }
        assert!(browser.url().contains(path), "{}", browser.url());
        let (page, what) = (browser.url(), browser.text("h1"));
        browser.click("[aria-labelledby=domains] button.claim");
        wait_until("the same page", Duration::from_mins(1), || browser.url() == page);
        assert!(home.said().contains(&what), "{what}: {}", home.said());
        assert!(browser.text("[aria-labelledby=domains] button.claim").starts_with("not mine"));
        browser.click("[aria-labelledby=domains] button.claim");
        wait_until("it is gone", Duration::from_mins(1), || !home.said().contains(&what));
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
    wait_until("the log-in", Duration::from_mins(1), || browser.text("h1") == "Log in");
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
    wait_until("it is said", Duration::from_mins(1), || !home.said().is_empty());
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
    wait_until("an answer", Duration::from_mins(1), || browser.value("window.read") != "waits");
    assert_eq!(browser.value("window.read"), "refused");
    for form in ["f", "l"] {
        browser.open(&evil);
        browser.value(&format!("document.getElementById({form:?}).submit()"));
        wait_until("an answer", Duration::from_mins(1), || browser.url().starts_with(&served.url));
        assert_eq!(browser.text("h1"), "Refused");
        assert_eq!(home.said(), "");
    }
    // By a link from there, the session is not sent; one click more, and it is.
    browser.open(&evil);
    browser.value(&format!("location.assign({:?})", format!("{}/tls", served.url)));
    wait_until("the log-in", Duration::from_mins(1), || browser.url().contains("/log-in"));
    browser.follow("Go on to the page");
    wait_for(&browser, &served, "/tls");
    browser.open(&format!("{}/", served.url));
    assert_eq!(browser.text("h1"), "Domains");
}
