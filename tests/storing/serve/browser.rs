//! The pages in a real browser.

use std::{fs, path::Path, time::Duration};

use super::{Served, hostile_store, maildir_with_failed_mail, sample_store};
use crate::support::{
    browser::Browser,
    program::{Running, program, wait_until},
};

/// Names a folder for pictures of each page, in light and dark, on desktop and phone.
const PICTURES: &str = "ERP_TEST_PICTURES";

/// A page of each kind, of the sample mails.
pub(super) const LOOKED_AT: [(&str, &str); 11] = [
    ("home", "/?since=all"),
    ("home-compared", "/?since=90d&compare=before"),
    ("domain", "/domain?since=all&domain=example.org"),
    ("all", "/domain?since=all"),
    ("sender", "/sender?since=all&sender=lists.example.org"),
    ("address", "/address?since=all&source=198.19.47.1"),
    ("reports", "/reports?since=all"),
    ("tls", "/tls?since=all"),
    ("failures", "/failures?since=all"),
    ("incoming", "/incoming"),
    ("mistake", "/?colour=red"),
];

/// The way of the guide, by links alone and without scripts: a time, a domain, a source to leave
/// out, one to keep, and back.
#[test]
fn the_way_through_the_pages_needs_no_script() {
    let (_folder, store) = sample_store();
    let Some(browser) = Browser::start(false) else { return };
    let served = Served::store(&store);
    browser.open(&format!("{}/", served.url));
    browser.follow("a year");
    assert!(browser.url().ends_with("/?since=1y"), "{}", browser.url());
    assert_eq!(browser.text(".pills a[aria-current]"), "a year");
    browser.click("article.domain h2 a, #domains ~ .scroll tbody th a");
    assert!(browser.url().contains("/domain?since=1y&domain="), "{}", browser.url());
    let all = browser.count("[aria-labelledby=addresses] tbody tr");
    let first = browser.text("[aria-labelledby=addresses] tbody th a");
    browser.click("[aria-labelledby=addresses] .choose a + a");
    let gone = browser.text("[aria-labelledby=addresses] tbody th a");
    assert_ne!(gone, first);
    assert!(browser.text(".chips a.not").contains(&first));
    browser.click("[aria-labelledby=addresses] .choose a");
    assert_eq!(browser.count("[aria-labelledby=addresses] tbody tr"), 1);
    assert_eq!(browser.text("[aria-labelledby=addresses] tbody th a"), gone);
    // Taken back, one by one.
    browser.click(".chips a.not");
    browser.click(".chips li:last-child a");
    assert_eq!(browser.count("[aria-labelledby=addresses] tbody tr"), all);
    browser.click("[aria-labelledby=addresses] tbody th a");
    assert_eq!(browser.text("h1"), first);
    browser.follow("Reports");
    browser.click("#list ~ .scroll tbody th a");
    assert!(browser.text("h1").starts_with("Report of "), "{}", browser.text("h1"));
    assert!(browser.count("[aria-labelledby=records] tbody tr") > 0);
}

#[test]
fn a_time_is_chosen_by_its_days() {
    let (_folder, store) = sample_store();
    let Some(browser) = Browser::start(false) else { return };
    let served = Served::store(&store);
    let url = format!("{}/domain?domain=example.org", served.url);
    browser.open(&format!("{url}&since=2026-01-01&until=2026-12-31"));
    browser.click("form button");
    assert_eq!(
        browser.url(),
        format!("{}/domain?domain=example.org&since=2026-01-01&until=2026-12-31", served.url)
    );
}

#[test]
fn hostile_texts_do_nothing_in_a_browser() {
    let (_folder, store) = hostile_store();
    let Some(browser) = Browser::start(true) else { return };
    let served = Served::store(&store);
    for path in ["/?since=all", "/domain?since=all", "/reports?since=all", "/tls?since=all"] {
        browser.open(&format!("{}{path}", served.url));
        // An open alert would fail each of these.
        assert_eq!(browser.value("document.scripts.length"), 0, "{path}");
        assert_eq!(browser.value("document.images.length"), 0, "{path}");
        assert_eq!(browser.value("[...document.body.innerText].includes('\\u202e')"), false);
        let loaded = "performance.getEntriesByType('resource')\
                      .every(one => one.name.startsWith(location.origin))";
        assert_eq!(browser.value(loaded), true, "{path}");
        let wide = "document.documentElement.scrollWidth <= innerWidth";
        browser.show_as(390, 844, "light");
        assert_eq!(browser.value(wide), true, "{path} is too wide for a phone");
        browser.show_as(1280, 900, "light");
        assert_eq!(browser.value(wide), true, "{path} is too wide");
    }
    browser.open(&format!("{}/reports?since=all", served.url));
    browser.click("#list ~ .scroll tbody th a");
    assert!(browser.text("h1").contains("<script>alert(1)</script>"), "{}", browser.text("h1"));
    assert_eq!(browser.value("document.scripts.length"), 0);
}

/// Each page, in light and dark, on desktop and phone: none is wider than its window, and all that
/// is to be read stands out from its ground.
#[test]
fn every_page_fits_its_window() {
    let (_folder, store) = sample_store();
    let Some(browser) = Browser::start(true) else { return };
    let maildir = maildir_with_failed_mail();
    let (store, path) = (store.to_str().expect("UTF-8"), maildir.path().to_str().expect("UTF-8"));
    let served = Served::start(&["--store", store, path]);
    let pictures = std::env::var_os(PICTURES);
    for (name, path) in LOOKED_AT {
        browser.open(&format!("{}{path}", served.url));
        for (size, width, height) in [("desktop", 1280, 1000), ("phone", 390, 844)] {
            for scheme in ["light", "dark"] {
                browser.show_as(width, height, scheme);
                let wide = "document.documentElement.scrollWidth - innerWidth";
                assert_eq!(browser.value(wide), 0, "{name} on a {size}");
                if let Some(folder) = &pictures {
                    fs::create_dir_all(folder).expect("a folder");
                    let file = format!("{name}-{size}-{scheme}.png");
                    browser.picture(&Path::new(folder).join(file));
                }
            }
        }
    }
}

/// Makes the pictures of README.md anew.
#[test]
#[ignore = "it writes into contrib/pictures"]
fn pictures_for_the_readme() {
    let Some(browser) = Browser::start(false) else { return };
    let demo = program(["demo", "--listen", "127.0.0.1:0", "--no-browser"]);
    let demo = Running::start_command(demo);
    let is_filled = || demo.log().contains("pages at http://");
    wait_until("a year of reports", Duration::from_mins(5), is_filled);
    let served = Served::of(demo);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/pictures");
    fs::create_dir_all(&folder).expect("a folder");
    for (name, path, height, scheme) in [
        ("domains", "/?since=1y", 640, "light"),
        ("domain", "/domain?since=1y&domain=example.com", 860, "light"),
        ("sender", "/sender?since=1y&sender=postwing.example", 860, "dark"),
    ] {
        browser.open(&format!("{}{path}", served.url));
        browser.show_as(1120, height, scheme);
        browser.picture(&folder.join(format!("{name}.png")));
    }
}
