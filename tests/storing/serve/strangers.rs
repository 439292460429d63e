//! How a stranger would try to get in: requests as no browser sends them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{
    Served,
    people::{Client, Home, PASSWORD},
};

/// Sends bytes as they are, and gives all that comes back until the server closes the connection.
fn raw(served: &Served, request: &str) -> String {
    let mut stream =
        TcpStream::connect(served.url.trim_start_matches("http://")).expect("connected");
    stream.set_read_timeout(Some(Duration::from_mins(2))).expect("set");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    // A connection that is broken off has said what it had to say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_path_leads_around_the_log_in() {
    let home = Home::new();
    let served = home.serve_users(&["--base-path", "/mail/reports"]);
    for path in [
        "/",
        "/mail/reports",
        "/mail/reports/",
        "/mail/reports/tls",
        "/mail/reports//tls",
        "/mail/reports/./tls",
        "/mail/reports/log-in/../tls",
        "/mail/reports/log-in/tls",
        "/mail/reports/icon.svg%2f..%2ftls",
        "/mail/reports/icon.svg;/tls",
        "/mail/reports%2ftls",
        "/MAIL/REPORTS/tls",
        "/mail/reportsx/tls",
        "/mail/../mail/reports/tls",
        "//mail/reports/tls",
        "/tls",
        "http://localhost/mail/reports/tls",
        "*",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw(&served, &request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let is_sent_away = head.starts_with("HTTP/1.1 303") || head.starts_with("HTTP/1.1 400");
        assert!(is_sent_away && body.is_empty(), "{path}: {answer}");
        if let Some((_, rest)) = head.split_once("location: ") {
            assert!(rest.starts_with("/mail/reports/log-in?"), "{path}: {head}");
        }
    }
    // The form leads to pages of ours only, whatever the address says.
    let mut client = Client::new(&served);
    for back in ["https://evil.example/", "//evil.example/", "/tls", "/mail/reports/../x", "%00"] {
        let page = client.get(&format!("/mail/reports/log-in?back={back}")).body;
        assert!(page.contains("name=\"back\" value=\"/mail/reports/\""), "{back}: {page}");
        assert!(!page.contains("evil"), "{page}");
    }
    let token = client.token("/mail/reports/log-in");
    let fields = [("token", &*token), ("name", "anna"), ("password", PASSWORD)];
    let got = client
        .post("/mail/reports/log-in", &[&fields[..], &[("back", "//evil.example/")]].concat());
    assert_eq!((got.status, got.header("location")), (303, "/mail/reports/"));
    assert!(got.header("set-cookie").contains("; Path=/mail/reports; "));
}

#[test]
fn one_request_is_never_two() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    // What one reader takes for a body is the next request to another.
    let second = "GET /icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{second}", second.len()),
        format!("Content-Length: +{}\r\n\r\n{second}", second.len()),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{second}"),
        format!("Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n{second}"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{second}"),
        format!("X: y\r\n Content-Length: 5\r\n\r\n{second}"),
    ] {
        let answer =
            raw(&served, &format!("POST /log-in HTTP/1.1\r\nHost: localhost\r\n{framing}"));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{framing}: {answer}");
    }
}

/// A body that comes a byte at a time, or not at all, holds up nobody and is let go.
#[test]
fn slow_forms_are_let_go() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    let address = served.url.trim_start_matches("http://");
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("connected");
            let head = "POST /log-in HTTP/1.1\r\nHost: localhost\r\n\
                        Sec-Fetch-Site: same-origin\r\nContent-Length: 1000\r\n\r\nname=";
            stream.write_all(head.as_bytes()).expect("sent");
            stream
        })
        .collect();
    let mut client = Client::new(&served);
    assert_eq!(client.log_in("anna", PASSWORD).status, 303);
    let mut first = &slow[0];
    first.set_read_timeout(Some(Duration::from_mins(2))).expect("set");
    let mut rest = Vec::new();
    let ended = first.read_to_end(&mut rest);
    let is_late = ended.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!is_late, "{ended:?}");
    assert!(!rest.starts_with(b"HTTP/1.1 303"));
}

#[test]
fn what_is_no_request_is_refused() {
    let home = Home::new();
    let served = home.serve(&[]);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n",
    ] {
        let request = request.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
        let answer = raw(&served, &request);
        assert!(answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control-allow"), "{answer}");
        // In words, wherever it came to us.
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(body.contains("<h1>") || head.contains("content-length: 0"), "{request}: {answer}");
    }
}
