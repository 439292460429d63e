//! Those who look at the pages, as programs see them: log-in, forms, tokens.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{Got, Served, sample_store};
use crate::support::program::{run, run_with_input};

pub const PASSWORD: &str = "correct horse";

/// A line for the file of users.
pub fn user(name: &str, role: &str) -> String {
    let ended = run_with_input(["generate", "user", name, "--role", role], PASSWORD.as_bytes());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.stdout
}

/// A store, a file of users (anna may edit, bert may read), and a file of what is said.
pub struct Home {
    folder: TempDir,
    store: PathBuf,
    pub users: PathBuf,
}

impl Home {
    pub fn new() -> Home {
        let (folder, store) = sample_store();
        let users = folder.path().join("users");
        let lines = user("anna", "editor") + &user("bert", "reader");
        fs::write(&users, lines).expect("written");
        Home { folder, store, users }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("mine.toml")).unwrap_or_default()
    }

    fn text(path: &Path) -> &str {
        path.to_str().expect("UTF-8")
    }

    /// Serves the pages to whoever asks.
    pub fn serve(&self, flags: &[&str]) -> Served {
        Served::start(&[&["--store", Home::text(&self.store)], flags].concat())
    }

    /// Serves them to those who log in.
    pub fn serve_users(&self, flags: &[&str]) -> Served {
        self.serve(&[&["--users", Home::text(&self.users)], flags].concat())
    }
}

/// A browser without a window: it keeps cookies and follows redirects.
pub struct Client<'s> {
    served: &'s Served,
    cookies: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl<'s> Client<'s> {
    pub fn new(served: &'s Served) -> Client<'s> {
        Client { served, cookies: Vec::new(), headers: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Client<'s> {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What it was told to keep.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let found = self.cookies.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.cookies.push((name.into(), value.into()));
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = self.headers.clone();
        if !cookies.is_empty() {
            headers.push(("cookie".into(), cookies.join("; ")));
        }
        headers
    }

    fn keep(&mut self, got: &Got) {
        for value in got.headers.get_all("set-cookie") {
            let value = value.to_str().expect("text");
            let (pair, _) = value.split_once(';').expect("attributes");
            let (name, text) = pair.split_once('=').expect("a cookie");
            self.set_cookie(name, text);
        }
    }

    pub fn get(&mut self, path: &str) -> Got {
        let headers = self.headers();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let got = self.served.ask("GET", path, &headers);
        self.keep(&got);
        got
    }

    /// Sends a form from a page of ours.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Got {
        let origin = self.served.url.clone();
        self.post_from(path, fields, &[("origin", &origin)])
    }

    pub fn post_from(&mut self, path: &str, fields: &[(&str, &str)], more: &[(&str, &str)]) -> Got {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = self.headers();
        let mut headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend(more);
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        let got = self.served.send(path, &headers, body);
        self.keep(&got);
        got
    }

    /// The token in the forms of a page.
    pub fn token(&mut self, path: &str) -> String {
        let page = self.get(path).body;
        value(&page, "token").unwrap_or_default()
    }

    /// Logs in, and gives the answer.
    pub fn log_in(&mut self, name: &str, password: &str) -> Got {
        let token = self.token("/log-in");
        self.post("/log-in", &[("token", &token), ("name", name), ("password", password)])
    }

    /// Presses a button: the answer.
    pub fn say(&mut self, change: &str, what: &str) -> Got {
        let token = self.token("/domain?domain=example.org");
        let back = ("back", "/domain?since=1y&domain=example.org");
        self.post("/mine", &[("token", &token), back, (change, what)])
    }
}

/// The value of a hidden field.
pub fn value(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    rest.split('"').next().map(str::to_owned)
}

const SAID: &str = "example.org 192.0.2.7";

#[test]
fn who_uses_this_machine_says_what_is_his() {
    let home = Home::new();
    let served = home.serve(&[]);
    let mut client = Client::new(&served);
    let got = client.say("add", SAID);
    assert_eq!(got.status, 303, "{}", got.body);
    assert_eq!(got.header("location"), "/domain?since=1y&domain=example.org");
    assert!(home.said().contains("192.0.2.7"), "{}", home.said());
    // It is on the page, with a button that takes it back.
    let page = client.get("/domain?since=1y&domain=example.org").body;
    assert!(page.contains("value=\"example.org 192.0.2.7\""), "{page}");
    assert!(page.contains("name=\"remove\""), "{page}");
    let list =
        run(["mine", "list", "--mine-file", home.path("mine.toml").to_str().expect("UTF-8")]);
    assert!(list.stdout.contains("192.0.2.7"), "{}", list.stdout);
    assert_eq!(client.say("remove", SAID).status, 303);
    assert!(!home.said().contains("192.0.2.7"), "{}", home.said());
    let log = served.stop().1;
    assert!(log.contains("says: 192.0.2.7 is example.org's own"), "{log}");
}

#[test]
fn a_form_of_another_site_changes_nothing() {
    let home = Home::new();
    let served = home.serve(&[]);
    let mut client = Client::new(&served);
    let token = client.token("/domain?domain=example.org");
    let own = served.url.clone();
    let fields = [("token", token.as_str()), ("add", SAID)];
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[],
    ] {
        assert_eq!(client.post_from("/mine", &fields, headers).status, 403, "{headers:?}");
    }
    for (token, cookie) in [("", None), ("x", None), (&*token, Some("")), (&*token, Some("y"))] {
        let mut other = Client::new(&served);
        let text = client.cookie("erp-visit").expect("a cookie").to_owned();
        let text = cookie.map_or(text, |cookie| cookie.repeat(43));
        other.set_cookie("erp-visit", &text);
        let got = other.post("/mine", &[("token", token), ("add", SAID)]);
        assert_eq!(got.status, 403, "{token} {cookie:?}: {}", got.body);
        assert!(got.body.contains("The page is too old"), "{}", got.body);
    }
    // Neither does an address, whoever leads there.
    let query = format!("/mine?token={token}&add=example.org+192.0.2.7");
    assert_eq!(client.get(&query).status, 405);
    assert_eq!(home.said(), "");
    assert_eq!(client.post_from("/mine", &fields, &[("origin", &own)]).status, 303);
    assert_ne!(home.said(), "");
}

#[test]
fn forms_that_make_no_sense_are_told_so() {
    let home = Home::new();
    let served = home.serve(&[]);
    let mut client = Client::new(&served);
    let token = client.token("/domain?domain=example.org");
    let token = token.as_str();
    for fields in [
        &[("token", token)][..],
        &[("token", token), ("add", SAID), ("remove", SAID)],
        &[("token", token), ("add", SAID), ("add", SAID)],
        &[("token", token), ("add", "192.0.2.7")],
        &[("token", token), ("add", "<script> 192.0.2.7")],
        &[("token", token), ("add", "example.org sender:")],
    ] {
        let got = client.post("/mine", fields);
        assert_eq!(got.status, 400, "{fields:?}: {}", got.body);
    }
    let much = "x".repeat(200 << 10);
    let got = client.post("/mine", &[("token", token), ("add", &much)]);
    assert_eq!(got.status, 413);
    assert!(got.body.contains("That is too much"), "{}", got.body);
    assert_eq!(home.said(), "");
    // A form leads back to pages of ours only.
    for back in ["https://evil.example/", "//evil.example", "/\\evil.example", "/log-out", "x"] {
        let got = client.post("/mine", &[("token", token), ("back", back), ("add", SAID)]);
        assert_eq!((got.status, got.header("location")), (303, "/"), "{back}");
    }
    // A hostile name goes into the file as it is.
    let evil = "example.org sender:\u{202e}\"]\n[\"evil.example\"]\nsenders=[\"<b>";
    assert_eq!(client.post("/mine", &[("token", token), ("add", evil)]).status, 303);
    assert!(home.said().lines().all(|line| line != "[\"evil.example\"]"), "{}", home.said());
    let page = client.get("/domain?since=1y&domain=example.org").body;
    assert!(!page.contains("<b>"), "{page}");
}

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

#[test]
fn the_proxy_names_address_and_person() {
    let home = Home::new();
    let proxy = ["--trust-proxy", "127.0.0.0/8"];
    let served = home.serve_users(&proxy);
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

    let header = ["--user-header", "X-Remote-User", "--editor", "anna"];
    let served = home.serve(&[&proxy[..], &header].concat());
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
