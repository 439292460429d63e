//! A real OpenSearch (`tests/opensearch/run`) for the tests that need one.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::Duration,
};

use serde_json::Value;

/// Set where a missing OpenSearch, Dovecot or nginx is a failure and not a reason to skip a test.
const REQUIRED: &str = "ERP_TEST_REQUIRE_ALL";

/// `EX_UNAVAILABLE`, by which the harnesses say that something is not installed.
const UNAVAILABLE: i32 = 69;

/// Names a file that gets a line for each skipped test: the test harness has no word for them and
/// counts them as passed.
const SKIPPED: &str = "ERP_TEST_SKIPPED";

/// True if a test is to be skipped for this reason, which is told.
pub fn skip(reason: &str) -> bool {
    assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and {reason}");
    leave_out(reason)
}

/// The same where nothing that could be installed would change it.
pub fn leave_out(reason: &str) -> bool {
    eprintln!("SKIPPED: {reason}");
    if let Some(file) = std::env::var_os(SKIPPED) {
        let line = format!("{}: {reason}\n", thread::current().name().unwrap_or("a test"));
        let mut file = fs::File::options()
            .append(true)
            .create(true)
            .open(file)
            .expect("the list of skipped tests");
        // In one piece, since others write to it, too.
        file.write_all(line.as_bytes()).expect("written");
    }
    true
}

/// What all tests of a file share, made when the first one asks for it. Where it can't be had, each
/// is skipped.
pub struct Shared<T>(LazyLock<Result<T, &'static str>>);

impl<T> Shared<T> {
    pub const fn new(make: fn() -> Result<T, &'static str>) -> Shared<T> {
        Shared(LazyLock::new(make))
    }

    pub fn as_ref(&self) -> Option<&T> {
        self.0.as_ref().map_err(|reason| skip(reason)).ok()
    }
}

/// Where the harnesses are.
pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// A running node. It ends when this is dropped, and, since its standard input then ends, with the
/// test process.
pub struct OpenSearch {
    child: Child,
    /// Its address, as for `--opensearch`.
    pub url: String,
}

impl OpenSearch {
    /// Starts a node with these settings (`key=value`) and flags; nothing, and the test is skipped,
    /// if it can't be had here.
    pub fn start(arguments: &[&str]) -> Option<OpenSearch> {
        OpenSearch::launch(arguments).map_err(skip).ok()
    }

    /// Starts a node, or says why it can't be had here.
    pub fn launch(arguments: &[&str]) -> Result<OpenSearch, &'static str> {
        let mut child = Command::new(tests_folder().join("opensearch/run"))
            .arg("--quick")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("tests/opensearch/run starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        if let Some((url, _)) = line.strip_prefix("READY ").and_then(|rest| rest.split_once(' ')) {
            return Ok(OpenSearch { child, url: url.to_owned() });
        }
        let status = child.wait().expect("an end");
        assert_eq!(status.code(), Some(UNAVAILABLE), "OpenSearch did not start: {status}");
        Err("there is no OpenSearch here")
    }

    /// The port it listens on.
    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().expect("a port")
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid")
    }

    /// Ends it at once, without any goodbye.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("an end");
    }

    /// Sends a request and gives the answer, whatever its status.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send(method, path, body.map(Value::to_string))
    }

    fn send(&self, method: &str, path: &str, body: Option<String>) -> Value {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        let answer = match body {
            Some(body) => agent.run(request.body(body).expect("a request")),
            None => agent.run(request.body(()).expect("a request")),
        };
        let text =
            answer.expect("an answer").body_mut().with_config().limit(1 << 30).read_to_string();
        serde_json::from_str(&text.expect("UTF-8")).expect("JSON")
    }

    /// GET.
    pub fn get(&self, path: &str) -> Value {
        self.request("GET", path, None)
    }

    /// PUT.
    pub fn put(&self, path: &str, body: &Value) -> Value {
        self.request("PUT", path, Some(body))
    }

    /// Stores documents under ids of the node's own.
    pub fn store(&self, index: &str, documents: impl IntoIterator<Item = Value>) {
        let lines =
            documents.into_iter().map(|document| format!("{{\"index\":{{}}}}\n{document}\n"));
        let answer = self.send("POST", &format!("/{index}/_bulk"), Some(lines.collect()));
        assert_eq!(answer["errors"], false, "{answer}");
    }

    /// Sends lines to `_bulk`.
    pub fn bulk(&self, lines: &str) -> Value {
        self.send("POST", "/_bulk?refresh=true", Some(lines.to_owned()))
    }

    /// How many documents an index holds, after a refresh.
    pub fn count(&self, index: &str) -> u64 {
        self.request("POST", &format!("/{index}/_refresh?ignore_unavailable=true"), None);
        self.get(&format!("/{index}/_count?ignore_unavailable=true"))["count"]
            .as_u64()
            .expect("a count")
    }

    /// The sum of a field over an index.
    pub fn sum(&self, index: &str, field: &str) -> u64 {
        let query =
            serde_json::json!({ "size": 0, "aggs": { "sum": { "sum": { "field": field } } } });
        let answer = self.request("POST", &format!("/{index}/_search"), Some(&query));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sums in tests are small"
        )]
        let sum = answer["aggregations"]["sum"]["value"].as_f64().expect("a sum") as u64;
        sum
    }

    /// All documents of an index with their ids.
    pub fn documents(&self, index: &str) -> Vec<(String, Value)> {
        self.count(index);
        let mut all = Vec::new();
        let mut page = self.request("POST", &format!("/{index}/_search?scroll=1m&size=5000"), None);
        loop {
            let hits = page["hits"]["hits"].as_array_mut().expect("hits");
            if hits.is_empty() {
                return all;
            }
            all.extend(hits.drain(..).map(|mut hit| {
                (hit["_id"].as_str().expect("an id").to_owned(), hit["_source"].take())
            }));
            let next = serde_json::json!({ "scroll": "1m", "scroll_id": page["_scroll_id"] });
            page = self.request("POST", "/_search/scroll", Some(&next));
        }
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        // Its own end of input is the signal; a node that does not heed it is ended all the same.
        drop(self.child.stdin.take());
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
