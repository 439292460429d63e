//! How long a page may take, and what it asks for then.

use std::{
    io::Read,
    net::TcpListener,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::Served;

/// A node that takes questions and never answers is not left with them when the page is given up.
#[test]
fn a_page_that_is_given_up_asks_no_longer() {
    let node = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = node.local_addr().expect("an address");
    let (ended, when) = mpsc::channel();
    thread::spawn(move || {
        let (mut asked, _) = node.accept().expect("a question");
        let begun = Instant::now();
        let mut question = Vec::new();
        let _ = asked.read_to_end(&mut question);
        let _ = ended.send((begun.elapsed(), question));
    });
    let served = Served::start(&["--opensearch", &format!("http://{address}")]);
    let got = served.get("/");
    assert_eq!(got.status, 503, "{}", got.body);
    assert!(got.body.contains("The answer took too long"), "{}", got.body);
    let (lasted, question) = when.recv_timeout(Duration::from_mins(2)).expect("it ends");
    assert!(question.starts_with(b"POST /"), "{}", String::from_utf8_lossy(&question));
    // The client's own limit is a minute.
    assert!(lasted < Duration::from_secs(45), "{lasted:?}");
}
