//! Dashboards: the files in contrib, and the import into OpenSearch Dashboards, for which an HTTP
//! server of the test stands in.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use email_report_processor::{
    metrics::{BucketMessages, Metrics, RequestResult},
    settle::{Counts, MailOutcome, Origin, Settlement, Tag, apply::Moved},
};
use serde_json::{Value, json};

use crate::support::program::{Ended, program, run, run_command};

const NAMES: [&str; 4] = ["dmarc", "dmarc-networks", "tls", "failures"];

fn printed(arguments: &[&str]) -> String {
    let ended = run(["dashboards", "print"].iter().chain(arguments));
    assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""), "{arguments:?}");
    ended.stdout
}

fn objects(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_files_in_contrib_are_what_is_printed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/dashboards");
    for name in NAMES {
        let kept = fs::read_to_string(folder.join(format!("{name}.ndjson"))).unwrap_or_default();
        assert!(
            kept == printed(&[name]),
            "make it anew: email-report-processor dashboards print {name} > \
             contrib/dashboards/{name}.ndjson"
        );
    }
}

#[test]
fn every_object_comes_after_those_it_refers_to_and_has_an_id_of_our_own() {
    let all = objects(&printed(&[]));
    let mut ids: Vec<&str> = Vec::new();
    for object in &all {
        let id = object["id"].as_str().expect("an id");
        assert!(id.starts_with("erp-") && !ids.contains(&id), "{id}");
        for reference in object["references"].as_array().expect("references") {
            assert!(ids.contains(&reference["id"].as_str().expect("an id")), "{reference}");
        }
        ids.push(id);
    }
    assert_eq!(all.iter().filter(|object| object["type"] == "dashboard").count(), NAMES.len());
    let titles = |kind: &str| -> Vec<&str> {
        let of_kind = all.iter().filter(|object| object["type"] == kind);
        of_kind.filter_map(|object| object["attributes"]["title"].as_str()).collect()
    };
    assert_eq!(titles("index-pattern"), ["dmarc-reports", "tlsrpt-reports", "dmarc-failures"]);
}

#[test]
fn the_names_of_the_indices_are_those_of_the_settings() {
    let file = printed(&["tls", "failures", "--tlsrpt-index=a", "--failures-index=b"]);
    let all = objects(&file);
    let patterns = all.iter().filter(|object| object["type"] == "index-pattern");
    let found: Vec<_> = patterns.map(|one| (&one["id"], &one["attributes"]["title"])).collect();
    assert_eq!(
        found,
        [(&json!("erp-index-tls"), &json!("a")), (&json!("erp-index-failures"), &json!("b"))]
    );
    assert_eq!(run(["dashboards", "print", "--dmarc-index=A"]).code, Some(78));
    assert_eq!(run(["dashboards", "print", "--store=x"]).code, Some(64));
    assert_eq!(run(["dashboards", "print", "nothing"]).code, Some(64));
}

/// A request as it came: its first line, its other header lines in lower case, its body.
struct Request {
    line: String,
    headers: Vec<String>,
    body: String,
}

/// Answers one request with this; gives the URL, and the request in the end.
fn stand_in(status: u16, answer: String) -> (String, JoinHandle<Request>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
        let mut lines = reader.by_ref().lines().map(|line| line.expect("a line"));
        let line = lines.next().expect("a request");
        let headers: Vec<String> = lines
            .take_while(|line| !line.is_empty())
            .map(|line| line.to_ascii_lowercase())
            .collect();
        let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
        reader.read_exact(&mut body).expect("a body");
        let length = answer.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all((head + &answer).as_bytes()).expect("answered");
        Request { line, headers, body: String::from_utf8(body).expect("UTF-8") }
    });
    (url, served)
}

fn installed(status: u16, answer: &str) -> (Ended, Request) {
    let (url, served) = stand_in(status, answer.to_owned());
    let ended = run(["dashboards", "install", "--dashboards-url", &url]);
    (ended, served.join().expect("a request"))
}

#[test]
fn an_import_brings_all_with_credentials_and_tenant() {
    let all = printed(&[]).lines().count();
    let answer = json!({ "success": true, "successCount": all }).to_string();
    let (url, served) = stand_in(200, answer);
    let below = format!("{url}/_dashboards/");
    let user = "--opensearch-user=admin";
    let arguments = ["dashboards", "install", "--dashboards-url", &below, "--tenant=global", user];
    let mut command = program(arguments);
    command.env("ERP_OPENSEARCH_PASSWORD", "secret").env("ERP_OPENSEARCH", "http://elsewhere");
    let ended = run_command(command);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains(&format!("{all} saved objects are in")), "{}", ended.log);
    let request = served.join().expect("a request");
    assert_eq!(request.line, "POST /_dashboards/api/saved_objects/_import?overwrite=true HTTP/1.1");
    let has = |header: &str| request.headers.iter().any(|line| line == header);
    assert!(has("osd-xsrf: true") && has("securitytenant: global"), "{:?}", request.headers);
    assert!(has("authorization: basic ywrtaw46c2vjcmv0"), "{:?}", request.headers);
    let boundary = request
        .headers
        .iter()
        .find_map(|line| line.strip_prefix("content-type: multipart/form-data; boundary="))
        .expect("a form");
    let (head, rest) = request.body.split_once("\r\n\r\n").expect("a part");
    assert!(head.starts_with(&format!("--{boundary}\r\n")), "{head}");
    assert!(head.contains("name=\"file\"; filename=\"dashboards.ndjson\""), "{head}");
    let file = rest.strip_suffix(&format!("\r\n--{boundary}--\r\n")).expect("an end");
    assert_eq!(file, printed(&[]));
}

#[test]
fn what_is_not_taken_is_told_in_plain_words() {
    let errors = json!({ "success": false, "successCount": 3, "errors": [
        { "type": "visualization", "id": "erp-panel-dmarc-days", "error": {
            "type": "missing_references",
            "references": [{ "type": "index-pattern", "id": "erp-index-dmarc" }],
        } },
        { "type": "search", "id": "erp-panel-tls-records", "error": {
            "type": "unknown", "message": "no room", "statusCode": 500,
        } },
        { "type": "dashboard", "id": "erp-dashboard-tls", "error": { "type": "conflict" } },
    ] });
    let (ended, _) = installed(200, &errors.to_string());
    assert_eq!(ended.code, Some(78), "{}", ended.log);
    for words in [
        &format!("3 of {} saved objects were taken, not these: ", printed(&[]).lines().count()),
        "visualization erp-panel-dmarc-days (it refers to erp-index-dmarc, which is not there)",
        "search erp-panel-tls-records (no room)",
        "dashboard erp-dashboard-tls (another object has this id)",
    ] {
        assert!(ended.log.contains(words), "{}", ended.log);
    }
}

/// What is answered may be anybody's, and of any length.
#[test]
fn answers_that_lie_or_never_end() {
    for answer in [
        json!({ "success": true }),
        json!({ "success": true, "successCount": 1000, "errors": [] }),
        json!({ "success": false }),
    ] {
        let (ended, _) = installed(200, &answer.to_string());
        assert_eq!(ended.code, Some(78), "{answer}: {}", ended.log);
        assert!(ended.log.contains(" saved objects were taken"), "{answer}: {}", ended.log);
    }
    let refusal = |id: &str| json!({ "type": "search", "id": id, "error": { "message": id } });
    let many = vec![refusal(&"a".repeat(1000)); 300];
    let many = json!({ "success": false, "successCount": 0, "errors": many }).to_string();
    let (ended, _) = installed(200, &many);
    assert!(ended.log.contains("; and 295 more"), "{}", ended.log);
    assert!(ended.log.len() < 5000, "{}", ended.log.len());
    let long =
        json!({ "success": true, "successCount": 1, "errors": [refusal(&"a".repeat(2 << 20))] });
    for status in [200, 400] {
        let (ended, _) = installed(status, &long.to_string());
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.len() < 5000, "{}", ended.log.len());
    }
    let wrong = json!({ "statusCode": 400, "error": "Bad Request", "message": "no such thing" });
    let (ended, _) = installed(400, &wrong.to_string());
    assert!(ended.log.contains("no such thing"), "{}", ended.log);
}

#[test]
fn other_answers_are_told_in_plain_words() {
    let refused = json!({ "statusCode": 401, "error": "Unauthorized", "message": "who?" });
    for (status, answer, code, words) in [
        (401, refused.to_string(), 78, "user and password, or API key, are refused"),
        (403, "{}".into(), 78, "this user may not store saved objects"),
        (404, "{}".into(), 78, "this is not OpenSearch Dashboards"),
        (200, "<html>log in</html>".into(), 78, "this is not OpenSearch Dashboards"),
        (302, String::new(), 78, "page where people log in"),
        (413, String::new(), 78, "no request of this size"),
        (503, "not ready yet".into(), 75, "it can't do it now (HTTP status 503: not ready yet)"),
    ] {
        let (ended, _) = installed(status, &answer);
        assert_eq!(ended.code, Some(code), "{}", ended.log);
        assert!(ended.log.contains(words), "{status}: {}", ended.log);
    }
    let (url, served) = stand_in(200, String::new());
    let address = url.strip_prefix("http://").expect("a URL");
    let user_in_url = format!("http://user:secret@{address}");
    for url in ["ftp://x", "localhost:5601", &user_in_url] {
        let ended = run(["dashboards", "install", "--dashboards-url", url]);
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.contains("dashboards-url: ") && !ended.log.contains("secret"));
    }
    assert!(!served.is_finished(), "nothing was sent");
    assert_eq!(run(["dashboards", "install"]).code, Some(64));
    let ended = run(["dashboards", "install", "--dashboards-url", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
}

/// All texts under this name, anywhere in the JSON.
fn under<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| under(value, name, found)),
        Value::Object(members) => {
            for (member, value) in members {
                found.extend(value.as_str().filter(|_| member == name));
                under(value, name, found);
            }
        }
        _ => {}
    }
}

fn grafana(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/grafana").join(file);
    serde_json::from_str(&fs::read_to_string(path).expect("readable")).expect("JSON")
}

#[test]
fn every_metric_that_grafana_is_to_show_exists_and_is_shown() {
    let metrics = Metrics::default();
    metrics.store().request(RequestResult::ok, Duration::from_millis(1));
    let stored = Settlement {
        origin: Origin::Input("a mail".into()),
        tag: Tag::default(),
        outcome: MailOutcome::Stored,
        tally: Counts::default(),
        breaks_off: false,
        about: None,
    };
    metrics.settled(&stored, Moved::Yes);
    let domain = "example.org".into();
    metrics.set_standings(&[BucketMessages { domain, bucket: "mine", pass: 1, fail: 0 }]);
    let text = metrics.render(0, None);
    // A histogram is shown by its buckets; OpenMetrics adds _total to counters.
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exported: BTreeSet<String> = families
        .map(|family| match family.split_once(' ').expect("a name and a type") {
            (name, "counter") => format!("{name}_total"),
            (name, "histogram") => format!("{name}_bucket"),
            (name, _) => name.to_owned(),
        })
        .collect();
    let dashboard = grafana("program.json");
    let mut expressions = Vec::new();
    under(&dashboard, "expr", &mut expressions);
    under(&dashboard, "query", &mut expressions);
    let shown: BTreeSet<_> = expressions.iter().flat_map(|text| metrics_in(text)).collect();
    assert_eq!(shown, exported);
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/prometheus/alerts.yml");
    let rules = fs::read_to_string(rules).expect("UTF-8");
    let asked: BTreeSet<_> = metrics_in(&rules).collect();
    assert!(asked.len() > 5 && asked.is_subset(&exported), "{asked:?} {exported:?}");
}

/// The metrics that a text names.
fn metrics_in(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("erp_")).map(str::to_owned)
}

#[test]
fn every_field_that_grafana_is_to_show_is_in_our_own_dashboards() {
    let dashboard = grafana("dmarc.json");
    let mut fields = Vec::new();
    under(&dashboard, "field", &mut fields);
    under(&dashboard, "timeField", &mut fields);
    // Those were found in the mapping of a real index.
    let ours = printed(&["dmarc"]);
    assert!(fields.len() > 10);
    for field in fields {
        assert!(ours.contains(&format!("\\\"field\\\":\\\"{field}\\\"")), "no {field}");
    }
}
