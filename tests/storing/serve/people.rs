//! Those who look at the pages, as programs see them: forms, tokens, and what is said by them.

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
    pub store: PathBuf,
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

    /// What `mine list` tells of it.
    pub fn list(&self) -> String {
        run(["mine", "list", "--mine-file", Home::text(&self.path("mine.toml"))]).stdout
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

pub const SAID: &str = "example.org 192.0.2.7";

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
    assert!(home.list().contains("192.0.2.7"), "{}", home.list());
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
    let evil = "example.org sender:\u{202e}\"]\n[\"evil.example\"]\nsenders=[\"<i>";
    assert_eq!(client.post("/mine", &[("token", token), ("add", evil)]).status, 303);
    let list = home.list();
    assert!(list.contains("example.org  sender:") && !list.contains("\nevil.example"), "{list}");
    let page = client.get("/domain?since=1y&domain=example.org").body;
    assert!(!page.contains("<i>"), "{page}");
}
