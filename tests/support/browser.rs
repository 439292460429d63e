//! A real browser: Debian's chromium, driven by WebDriver (W3C), whose few requests are sent by
//! hand.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{skip, tests_folder};

/// `EX_UNAVAILABLE`, by which the harnesses say that something can't be had.
const UNAVAILABLE: i32 = 69;

/// The script of axe-core; nothing, and the test is skipped, if it can't be had.
pub fn axe() -> Option<String> {
    let found = Command::new(tests_folder().join("axe")).output().expect("tests/axe");
    if found.status.code() == Some(UNAVAILABLE) {
        skip("axe-core can't be had here");
        return None;
    }
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let jar = String::from_utf8(found.stdout).expect("UTF-8");
    let jar = fs::File::open(jar.trim_end()).expect("a jar");
    let mut jar = zip::ZipArchive::new(jar).expect("a jar is a zip file");
    let mut script = String::new();
    let mut file = jar.by_name("axe.min.js").expect("the script");
    file.read_to_string(&mut script).expect("UTF-8");
    Some(script)
}

/// By this name WebDriver's answers give an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// It may find the port that it chose taken by another one.
const STARTS: usize = 5;

/// A driver, and the port that it listens on; nothing if there is none here.
fn start_driver() -> Option<(Child, String)> {
    for _ in 0..STARTS {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut driver) = command.spawn() else { return None };
        let stdout = BufReader::new(driver.stdout.take().expect("a pipe"));
        let port = stdout.lines().find_map(|line| {
            let line = line.expect("UTF-8");
            let (_, port) = line.rsplit_once("on port ")?;
            Some(port.trim_end_matches('.').to_owned()).filter(|_| line.contains("successfully"))
        });
        if let Some(port) = port {
            return Some((driver, port));
        }
        driver.wait().expect("it ended by itself");
    }
    panic!("chromedriver found no port in {STARTS} starts");
}

/// A window of a browser. Both end when this is dropped.
pub struct Browser {
    driver: Child,
    /// Of its session.
    url: String,
    agent: ureq::Agent,
    profile: TempDir,
}

impl Browser {
    /// Starts a browser, with or without scripts; nothing, and the test is skipped, if there is
    /// none.
    pub fn start(scripts: bool) -> Option<Browser> {
        Browser::start_with(scripts, &[])
    }

    /// The same, with more arguments.
    pub fn start_with(scripts: bool, arguments: &[&str]) -> Option<Browser> {
        let Some((driver, port)) = start_driver() else {
            skip("there is no chromedriver here");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(2)))
            .build()
            .into();
        let url = format!("http://127.0.0.1:{port}/session");
        let mut browser = Browser { driver, url, agent, profile };
        let data = format!("--user-data-dir={}", browser.profile.path().display());
        let javascript = if scripts { 1 } else { 2 };
        let usual = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", &data];
        let all = [&usual[..], arguments].concat();
        let options = json!({
            "args": all,
            "prefs": { "profile.managed_default_content_settings.javascript": javascript },
        });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let session = browser.post("", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.url.extend(["/", session["sessionId"].as_str().expect("a session")]);
        Some(browser)
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        let answer = match body {
            Some(body) => self.agent.run(request.body(body.to_string()).expect("a request")),
            None => self.agent.run(request.body(()).expect("a request")),
        };
        let mut answer = answer.expect("an answer");
        let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().expect("UTF-8");
        let mut found: Value = serde_json::from_str(&text).expect("JSON");
        assert!(found["value"]["error"].is_null(), "{method} {path} {body:?}: {text}");
        found["value"].take()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, Some(body))
    }

    /// Goes to an address.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.send("GET", "/url", None).as_str().expect("an address").to_owned()
    }

    fn find(&self, how: &str, what: &str) -> String {
        let found = self.post("/element", &json!({ "using": how, "value": what }));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// How many elements of a CSS selector there are.
    pub fn count(&self, selector: &str) -> usize {
        let query = json!({ "using": "css selector", "value": selector });
        self.post("/elements", &query).as_array().expect("a list").len()
    }

    /// Clicks the first element of a CSS selector.
    pub fn click(&self, selector: &str) {
        let element = self.find("css selector", selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Clicks the link with these words.
    pub fn follow(&self, words: &str) {
        let element = self.find("link text", words);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into the first element of a CSS selector.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.find("css selector", selector);
        self.post(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Goes back by one page.
    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Its cookies, as it keeps them.
    pub fn cookies(&self) -> Value {
        self.send("GET", "/cookie", None)
    }

    /// What is to be read in the first element of a CSS selector.
    pub fn text(&self, selector: &str) -> String {
        let element = self.find("css selector", selector);
        let text = self.send("GET", &format!("/element/{element}/text"), None);
        text.as_str().expect("text").to_owned()
    }

    /// Presses keys, whatever has the focus. Others than letters: WebDriver section 17.4.2.
    pub fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars() {
            actions.push(json!({ "type": "keyDown", "value": key.to_string() }));
            actions.push(json!({ "type": "keyUp", "value": key.to_string() }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] }));
    }

    /// What an expression is on the page.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression};");
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What axe-core finds on the page, with all of it unfolded: a line for each rule and element.
    pub fn complaints(&self, axe: &str) -> Vec<String> {
        self.value("document.querySelectorAll('details').forEach(one => one.open = true)");
        // The browser's own way in: a page's security policy does not count for it.
        self.value(&format!("(() => {{ {axe}\n; return axe.version; }})()"));
        let found = self.value(
            "axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations\
             .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html}`)))",
        );
        let lines = found.as_array().expect("a list").iter();
        lines.map(|line| line.as_str().expect("text").to_owned()).collect()
    }

    /// A window of this size, in light or dark.
    pub fn show_as(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", size), ("Emulation.setEmulatedMedia", scheme)]
        {
            self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
        }
    }

    /// From now on a page's security policy does not count, as on a page of somebody else's.
    pub fn pass_over_policies(&self) {
        let command = json!({ "cmd": "Page.setBypassCSP", "params": { "enabled": true } });
        self.post("/goog/cdp/execute", &command);
    }

    /// Keeps a picture (PNG) of what is seen.
    pub fn picture(&self, path: &Path) {
        let picture = self.send("GET", "/screenshot", None);
        let bytes = BASE64_STANDARD.decode(picture.as_str().expect("a picture")).expect("base64");
        fs::write(path, bytes).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let request = ureq::http::Request::builder().method("DELETE").uri(&self.url).body(());
        let _ = self.agent.run(request.expect("a request"));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
