//! Who may ask, and what the answers tell a browser.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use super::{Served, sample_store};
use crate::support::{
    program::{Running, below, program, run},
    server::skip,
};

#[test]
fn every_answer_forbids_scripts_and_other_sites() {
    let (_folder, store) = sample_store();
    let served = Served::store(&store);
    for path in ["/", "/domain?since=all", "/nothing", "/?colour=red", "/icon.svg"] {
        let got = served.get(path);
        let policy = got.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(got.header("referrer-policy"), "same-origin", "{path}");
        assert!(!got.header("cache-control").is_empty(), "{path}");
        assert!(!got.body.contains("<script") && !got.body.contains(" style="), "{path}");
        let foreign = got.body.replace("http://www.w3.org/2000/svg", "").contains("://");
        assert!(!foreign, "{path} names another site: {}", got.body);
    }
}

#[test]
fn the_style_sheet_is_kept_and_pages_are_asked_for_again() {
    let (_folder, store) = sample_store();
    let served = Served::store(&store);
    let page = served.get("/");
    assert_eq!(page.header("cache-control"), "private, no-cache");
    let (_, rest) = page.body.split_once("href=\"/style-").expect("a style sheet");
    let style = served.get(&format!("/style-{}", rest.split('"').next().expect("a name")));
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    assert!(style.body.contains("prefers-color-scheme: dark"));
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_told_without_secrets() {
    let (_folder, store) = sample_store();
    let served = Served::store(&store);
    for (method, path, status, words) in [
        ("GET", "/nothing", 404, "There is no such page"),
        ("GET", "/%3Cscript%3E", 404, "There is no such page"),
        ("POST", "/", 405, "This can&#39;t be done here"),
        ("DELETE", "/tls", 405, "This can&#39;t be done here"),
        ("GET", "/?colour=red", 400, "colour: there is no such setting"),
        ("GET", "/?since=never", 400, "since: expected a day"),
        ("GET", "/address?source=x", 400, "source: expected an address"),
        ("GET", "/address", 400, "about one address or network"),
        ("GET", "/sender", 400, "about one sender"),
        ("GET", "/sender?sender=", 400, "about one sender"),
        ("GET", "/report?kind=dmarc&id=x", 400, "begin: it is missing"),
        ("GET", "/report?kind=dmarc&id=x&begin=1", 404, "There is no such report"),
        ("GET", "/domain?domain=%ff%00%F0%9F%92%A9&since=all", 200, "No mail in its name"),
    ] {
        let got = served.ask(method, path, &[("sec-fetch-site", "same-origin")]);
        assert_eq!(got.status, status, "{method} {path}: {}", got.body);
        let body = got.body.replace("&#39;", "'");
        assert!(body.contains(&words.replace("&#39;", "'")), "{method} {path}: {body}");
    }
    assert_eq!(
        served.ask("POST", "/", &[("sec-fetch-site", "same-origin")]).header("allow"),
        "GET,HEAD"
    );
    // A store that went away: its name is for the log.
    std::fs::remove_file(&store).expect("removed");
    let got = served.get("/");
    assert_eq!(got.status, 503);
    assert!(!got.body.contains("sqlite"), "{}", got.body);
    let (code, log) = served.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("there is no store "), "{log}");
}

#[test]
fn a_head_request_gets_the_head_of_the_page() {
    let (_folder, store) = sample_store();
    let served = Served::store(&store);
    let (page, head) = (served.get("/tls?since=all"), served.ask("HEAD", "/tls?since=all", &[]));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), page.header("content-length"));
}

#[test]
fn other_names_and_other_sites_are_refused() {
    let (_folder, store) = sample_store();
    let path = store.to_str().expect("UTF-8");
    let served = Served::start(&["--store", path, "--host", "reports.example.org"]);
    for (headers, expected) in [
        (&[("host", "localhost:1")][..], 200),
        (&[("host", "reports.example.org")], 200),
        (&[("host", "evil.example")], 421),
        (&[("host", "127.0.0.1.evil.example")], 421),
        (&[("origin", "https://evil.example")], 403),
    ] {
        assert_eq!(served.ask("GET", "/", headers).status, expected, "{headers:?}");
    }
    assert_eq!(served.ask("POST", "/", &[]).status, 403);
}

#[test]
fn below_a_path_all_links_stay_below_it() {
    let (_folder, store) = sample_store();
    let path = store.to_str().expect("UTF-8");
    let served = Served::start(&["--store", path, "--base-path", "/mail/reports/"]);
    for path in ["/mail/reports", "/mail/reports/", "/mail/reports/tls?since=all"] {
        let page = served.page(path);
        for link in page.split("href=\"").skip(1).chain(page.split("action=\"").skip(1)) {
            assert!(link.starts_with("/mail/reports/") || link.starts_with("#main"), "{link}");
        }
    }
    assert_eq!(served.get("/").status, 404);
    assert_eq!(served.get("/mail/reports/icon.svg").status, 200);
}

#[test]
fn only_this_machine_can_be_listened_on() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let ended = run(["serve", "--listen", address, "--store", "/nowhere/x.sqlite"]);
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.contains("without --users or --user-header"), "{}", ended.log);
    }
}

/// It begins a request, and goes on at its leisure.
#[test]
fn slow_clients_and_many_of_them_leave_room_for_others() {
    let (_folder, store) = sample_store();
    let served = Served::store(&store);
    let address = served.url.trim_start_matches("http://");
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("connected");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").expect("sent");
            stream
        })
        .collect();
    served.page("/");
    let mut first = &slow[0];
    first.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
    let mut rest = Vec::new();
    // It is let go, with or without a word.
    let _ = first.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    let mut long = TcpStream::connect(address).expect("connected");
    let line = "x".repeat(1 << 20);
    let _ = write!(long, "GET /?{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    let _ = long.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_socket_of_systemd_is_taken() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        skip("there is no systemd-socket-activate here");
        return;
    }
    let (_folder, store) = sample_store();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("free");
    let mut activate = Command::new("systemd-socket-activate");
    activate.arg("--listen").arg(port.to_string());
    let serve = program(["serve", "--store", store.to_str().expect("UTF-8")]);
    let running = Running::start_command(below(activate, &serve));
    running.wait_for_log("Listening on");
    // It is started by the first one that connects.
    let mut stream = TcpStream::connect(port).expect("connected");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let served = Served::of(running);
    assert_eq!(served.url, format!("http://{port}"));
    assert_eq!(served.stop().0, Some(0));
}
