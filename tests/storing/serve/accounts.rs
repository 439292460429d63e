//! Who may: those who log in, those whom a proxy names, and nobody else.

use std::fs;

use super::people::{Client, Home, PASSWORD, SAID, user};
use crate::support::program::{run, run_with_input};

#[test]
fn nobody_reads_without_a_log_in() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    let mut client = Client::new(&served);
    for (path, expected) in [
        ("/", "/log-in?back=%2F"),
        ("/domain?domain=a%26b", "/log-in?back=%2Fdomain%3Fdomain%3Da%2526b"),
        ("/domain.csv", "/log-in?"),
        ("/nothing", "/log-in?"),
        ("//evil.example/tls", "/log-in?"),
        ("/%6cog-in", "/log-in?"),
        ("/log-in/", "/log-in?"),
        ("/log-in/../tls", "/log-in?"),
        ("/icon.svg/../tls", "/log-in?"),
        ("/log-in%2f..%2ftls", "/log-in?"),
        ("/mine", "/log-in?"),
    ] {
        let got = client.get(path);
        assert_eq!((got.status, got.header("location")), (303, expected), "{path}");
        assert_eq!(got.body, "", "{path}");
    }
    for path in ["/log-in", "/icon.svg"] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    for path in ["/mine", "/log-out", "/tls", "/nothing"] {
        let got = client.post(path, &[("add", SAID)]);
        assert_eq!(got.status, 403, "{path}");
        assert!(got.body.contains("Log in first"), "{path}: {}", got.body);
    }
    assert_eq!(home.said(), "");
}

#[test]
fn who_logs_in_is_known_until_he_logs_out() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    let mut client = Client::new(&served);
    // A session that somebody made up, or planted, is none.
    let planted = "A".repeat(43);
    client.set_cookie("erp-session", &planted);
    assert_eq!(client.get("/").status, 303);
    let got = client.log_in("anna", "wrong horse");
    assert_eq!(got.status, 403);
    assert!(got.body.contains("The name or the password is wrong"), "{}", got.body);
    assert_eq!(client.log_in("nobody", PASSWORD).status, 403);
    let got = client.log_in("anna", PASSWORD);
    assert_eq!((got.status, got.header("location")), (303, "/"), "{}", got.body);
    let cookie = got.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let session = client.cookie("erp-session").expect("a session").to_owned();
    assert_ne!(session, planted);
    let page = client.get("/");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.body.contains("<bdi>anna</bdi>") && page.body.contains("Log out"));
    assert_eq!(client.say("add", SAID).status, 303);
    assert_ne!(home.said(), "");

    // A token of the time before is of no use, nor is another one's.
    let old = Client::new(&served).token("/log-in");
    assert_eq!(client.post("/log-out", &[("token", &old)]).status, 403);
    assert_eq!(client.get("/").status, 200);
    let mut other = Client::new(&served);
    other.log_in("anna", PASSWORD);
    assert_ne!(other.cookie("erp-session"), Some(session.as_str()));
    let token = other.token("/");
    assert_eq!(client.post("/log-out", &[("token", &token)]).status, 403);

    let token = client.token("/");
    let got = client.post("/log-out", &[("token", &token)]);
    assert_eq!((got.status, got.header("location")), (303, "/log-in"));
    assert_eq!(client.cookie("erp-session"), None);
    client.set_cookie("erp-session", &session);
    assert_eq!(client.get("/").status, 303, "the session is over, whatever the browser keeps");
    assert_eq!(other.get("/").status, 200);
    let log = served.stop().1;
    assert!(log.contains("127.0.0.1 logged in as anna"), "{log}");
    assert!(log.contains("failed to log in as somebody who is not known"), "{log}");
    assert!(!log.contains("horse") && !log.contains(&session), "{log}");
}

#[test]
fn a_reader_reads_only() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    let mut client = Client::new(&served);
    assert_eq!(client.log_in("bert", PASSWORD).status, 303);
    let page = client.get("/domain?since=1y&domain=example.org").body;
    assert!(!page.contains("class=\"claim\"") && !page.contains("id=\"say\""), "{page}");
    let got = client.say("add", SAID);
    assert_eq!(got.status, 403);
    assert!(got.body.contains("You may only read here"), "{}", got.body);
    assert_eq!(home.said(), "");
    // From the next page on he may more, and then is out.
    let lines = user("anna", "editor") + &fs::read_to_string(&home.users).expect("users");
    let lines: Vec<&str> = lines.lines().collect();
    let bert = lines[2].replace("bert:reader", "bert:editor");
    fs::write(&home.users, format!("{}\n{bert}\n", lines[0])).expect("written");
    assert_eq!(client.say("add", SAID).status, 303);
    fs::write(&home.users, format!("{}\n", lines[0])).expect("written");
    assert_eq!(client.get("/").status, 303);
    // With a new password the old sessions are over.
    let mut anna = Client::new(&served);
    assert_eq!(anna.log_in("anna", PASSWORD).status, 303);
    assert_eq!(anna.get("/").status, 200);
    fs::write(&home.users, user("anna", "editor")).expect("written");
    assert_eq!(anna.get("/").status, 303);
}

#[test]
fn passwords_are_not_guessed() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    let mut client = Client::new(&served);
    let mut stati = Vec::new();
    for n in 0..11 {
        stati.push(client.log_in("anna", &format!("wrong {n}")).status);
    }
    assert_eq!(stati, [vec![403; 10], vec![429]].concat());
    // Not with the right one either, nor under another name, nor from an address that it makes up.
    let got = client.log_in("anna", PASSWORD);
    assert_eq!(got.status, 429);
    assert!(got.header("retry-after").parse::<u64>().expect("seconds") > 500);
    assert_eq!(client.log_in("bert", PASSWORD).status, 429);
    let mut other = Client::new(&served).with("x-forwarded-for", "192.0.2.1");
    assert_eq!(other.log_in("anna", PASSWORD).status, 429);
    assert_eq!(client.get("/").status, 303);
}

/// Strangers who try somebody's name all the time keep out other browsers, not those that have
/// logged in before.
#[test]
fn strangers_lock_nobody_out_of_his_own_browser() {
    let home = Home::new();
    let served = home.serve_users(&[]);
    let mut own = Client::new(&served);
    assert_eq!(own.log_in("anna", PASSWORD).status, 303);
    let mark = own.cookie("erp-known").expect("a mark").to_owned();
    let token = own.token("/");
    assert_eq!(own.post("/log-out", &[("token", &token)]).status, 303);
    for _ in 0..10 {
        assert_eq!(Client::new(&served).log_in("anna", "wrong horse").status, 403);
    }
    assert_eq!(Client::new(&served).log_in("anna", PASSWORD).status, 429);
    // Not for others, nor with a mark that was made up.
    assert_eq!(own.log_in("bert", PASSWORD).status, 429);
    let mut made_up = Client::new(&served);
    made_up.set_cookie("erp-known", &"A".repeat(43));
    assert_eq!(made_up.log_in("anna", PASSWORD).status, 429);
    // It lets in nobody by itself.
    assert_eq!(own.get("/").status, 303);
    assert_eq!(own.log_in("anna", "wrong horse").status, 403);
    assert_eq!(own.log_in("anna", PASSWORD).status, 303);
    assert_eq!(own.cookie("erp-known"), Some(mark.as_str()));
    assert_eq!(own.get("/").status, 200);
    // With another password it is of no use.
    fs::write(&home.users, user("anna", "editor")).expect("written");
    assert_eq!(own.log_in("anna", PASSWORD).status, 429);
}

const PROXY: [&str; 2] = ["--trust-proxy", "127.0.0.0/8"];

#[test]
fn the_proxy_names_the_address() {
    let home = Home::new();
    let served = home.serve_users(&PROXY);
    for n in 0..10 {
        let address = format!("198.51.100.9, 192.0.2.{n}, 127.0.0.3");
        let mut client = Client::new(&served).with("x-forwarded-for", &address);
        for _ in 0..2 {
            assert_eq!(client.log_in("bert", "wrong horse").status, 403);
        }
    }
    let secure = [("x-forwarded-proto", "https")];
    let client = Client::new(&served).with(secure[0].0, secure[0].1);
    let mut client = client.with("x-forwarded-for", "203.0.113.5");
    let got = client.log_in("anna", PASSWORD);
    assert_eq!(got.status, 303, "{}", got.body);
    let cookie = got.header("set-cookie");
    assert!(cookie.starts_with("__Host-erp-session=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(client.get("/").status, 200);
    let log = served.stop().1;
    assert!(log.contains("203.0.113.5 logged in as anna"), "{log}");
}

#[test]
fn the_proxy_names_the_person() {
    let home = Home::new();
    let header = ["--user-header", "X-Remote-User", "--editor", "anna"];
    let served = home.serve(&[&PROXY[..], &header].concat());
    let as_user = |name: &str| Client::new(&served).with("x-remote-user", name);
    assert_eq!(as_user("anna").say("add", SAID).status, 303);
    assert_eq!(as_user("Anna").say("add", SAID).status, 403);
    let page = as_user("<b>\u{202e}x").get("/");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("&#60;b&#62;\u{fffd}x"), "{}", page.body);
    for client in [
        &mut Client::new(&served),
        &mut as_user(""),
        &mut as_user(" "),
        &mut as_user(&"x".repeat(300)),
        &mut as_user("anna").with("x-remote-user", "anna"),
        &mut Client::new(&served).with("x_remote_user", "anna"),
        &mut Client::new(&served).with("x-remote-user-", "anna"),
    ] {
        let got = client.get("/");
        assert_eq!(got.status, 403, "{}", got.body);
        assert!(got.body.contains("does not say who asks"), "{}", got.body);
    }
    // The form is of one person.
    let mut anna = as_user("anna");
    let token = anna.token("/domain?domain=example.org");
    let mut bert = as_user("bert");
    let visit = anna.cookie("erp-visit").expect("a cookie").to_owned();
    bert.set_cookie("erp-visit", &visit);
    let got = bert.post("/mine", &[("token", &token), ("remove", SAID)]);
    assert_eq!(got.status, 403);
    assert!(got.body.contains("too old"), "{}", got.body);

    // Who is not the proxy is nobody, whatever he says.
    let served = home.serve(&[&["--trust-proxy", "192.0.2.1"][..], &header].concat());
    let got = Client::new(&served).with("x-remote-user", "anna").get("/");
    assert_eq!(got.status, 403);
    assert!(got.body.contains("Only the proxy"), "{}", got.body);
}

#[test]
fn through_a_proxy_that_names_nobody_all_only_read() {
    let home = Home::new();
    let served = home.serve(&["--host", "reports.example.org"]);
    let mut client = Client::new(&served);
    assert!(!client.get("/domain?domain=example.org&since=all").body.contains("id=\"say\""));
    assert_eq!(client.say("add", SAID).status, 403);
    drop(served);
    let served = home.serve(&[]);
    for header in ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] {
        let mut client = Client::new(&served).with(header, "192.0.2.1");
        assert!(!client.get("/domain?domain=example.org&since=all").body.contains("id=\"say\""));
        let mut local = Client::new(&served);
        let token = local.token("/domain?domain=example.org");
        let visit = local.cookie("erp-visit").expect("a cookie").to_owned();
        client.set_cookie("erp-visit", &visit);
        let got = client.post("/mine", &[("token", &token), ("add", SAID)]);
        assert_eq!(got.status, 403, "{header}");
    }
    drop(served);
    let served = home.serve(&["--read-only"]);
    assert_eq!(Client::new(&served).say("add", SAID).status, 403);
    assert_eq!(home.said(), "");
}

#[test]
fn what_can_not_work_is_told_at_the_start() {
    let home = Home::new();
    let nobody = home.path("nobody");
    fs::write(&nobody, "# nobody\n").expect("written");
    let users = home.users.to_str().expect("UTF-8");
    for (flags, code, words) in [
        (&["--users", nobody.to_str().expect("UTF-8")][..], 78, "nobody is in it"),
        (&["--users", "/nowhere/users"], 78, "it is not there"),
        (&["--user-header", "X-User"], 64, "--trust-proxy"),
        (&["--user-header", "X User", "--trust-proxy", "127.0.0.1"], 64, "X-Remote-User"),
        (&["--editor", "anna"], 64, "--user-header"),
        (&["--users", users, "--user-header", "X", "--trust-proxy", "::1"], 64, "cannot be used"),
    ] {
        let store = home.store.to_str().expect("UTF-8");
        let ended = run([&["serve", "--listen", "127.0.0.1:0", "--store", store], flags].concat());
        assert_eq!(ended.code, Some(code), "{flags:?}: {}", ended.log);
        assert!(ended.log.contains(words), "{flags:?}: {}", ended.log);
    }
    for (name, password, words) in [
        ("anna", "short", "fewer than 8"),
        ("an:na", PASSWORD, "no colon"),
        ("", PASSWORD, "1 to 256"),
    ] {
        let ended = run_with_input(["generate", "user", name], password.as_bytes());
        assert_eq!(ended.code, Some(64), "{name}: {}", ended.log);
        assert!(ended.log.contains(words), "{name}: {}", ended.log);
    }
}
