//! The guide's requests, asked of a real OpenSearch; and its role, compared with what the program
//! really asks for.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::{blocks_of, root};
use crate::support::{
    program::run,
    server::{OpenSearch, Shared},
};

static SERVER: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// Held while the program stores: component templates are shared by all indices.
static STORING: Mutex<()> = Mutex::new(());

/// What a node without plugins says to a request for one.
const NO_PLUGIN: [&str; 2] = ["no handler found for uri", "No processor type exists with name"];

/// Method, path and body of each JSON block.
fn requests() -> Vec<(String, String, String, Option<Value>)> {
    let parse = |block: super::Block| {
        let (head, body) = block.text.split_once('\n').expect("a line");
        let (method, path) = head.split_once(' ').expect("a method and a path");
        let body = (!body.trim().is_empty()).then(|| {
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{}: {error}", block.place))
        });
        (block.place, method.to_owned(), format!("/{path}"), body)
    };
    blocks_of("json").into_iter().map(parse).collect()
}

/// Files of the demonstration, as they are given to `import`.
fn mails() -> String {
    root().join("contrib/demo/mails").display().to_string()
}

#[test]
fn requests_are_understood() {
    let requests = requests();
    assert!(requests.len() >= 10, "{} requests are too few: they are not found", requests.len());
    let Some(server) = SERVER.as_ref() else { return };
    let ended = {
        let _alone = STORING.lock();
        run(["import", "--opensearch", &server.url, &mails()])
    };
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let without = |path: &str| {
        let plugin = ["/_plugins/", "/_ingest/pipeline/dmarc"];
        plugin.iter().any(|start| path.starts_with(start)) || path.contains("pipeline=dmarc")
    };
    for (place, method, path, body) in requests {
        let answer = server.request(&method, &path, body.as_ref()).to_string();
        let is_plugin = NO_PLUGIN.iter().any(|reason| answer.contains(reason));
        let needs_pipeline = answer.contains("pipeline") && answer.contains("does not exist");
        let is_wrong = answer.contains("\"error\"") && !is_plugin && !needs_pipeline;
        assert!(!is_wrong && (without(&path) || !is_plugin), "{place}: {path}: {answer}");
    }
}

/// The pipeline with a processor of the same shape that needs no plugin: a record without an
/// address passes, and does not without `ignore_missing`.
#[test]
fn the_pipeline_lets_records_without_an_address_pass() {
    let Some(server) = SERVER.as_ref() else { return };
    let find = |start: &str| {
        let found = requests().into_iter().find(|(_, _, path, _)| path == start);
        found.unwrap_or_else(|| panic!("no request for {start}")).3.expect("a body")
    };
    let (pipeline, samples) =
        (find("/_ingest/pipeline/dmarc"), find("/_ingest/pipeline/dmarc/_simulate"));
    let ours = &pipeline["processors"][0]["ip2geo"];
    assert_eq!(ours["ignore_missing"], true);
    for ignore_missing in [ours["ignore_missing"].clone(), json!(false)] {
        let lowercase = json!({ "lowercase": {
            "field": ours["field"], "target_field": "ip2geo.network",
            "ignore_missing": ignore_missing
        } });
        let body = json!({ "pipeline": { "processors": [lowercase] }, "docs": samples["docs"] });
        let answer = server.request("POST", "/_ingest/pipeline/_simulate", Some(&body));
        assert_eq!(answer["docs"][0]["doc"]["_source"]["ip2geo"]["network"], "192.0.2.1");
        assert_eq!(answer["docs"][1]["doc"].is_object(), ignore_missing == true, "{answer}");
    }
}

/// Passes everything on, and keeps what the program sends.
fn recorder(backend: &str) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (backend, kept) = (backend.trim_start_matches("http://").to_owned(), Arc::clone(&sent));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let node = TcpStream::connect(&backend).expect("the node");
            let (back, front) =
                (node.try_clone().expect("a clone"), client.try_clone().expect("one"));
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                copy(client, node, |bytes| {
                    kept.lock().expect("no panic").extend_from_slice(bytes);
                })
            });
            thread::spawn(move || copy(back, front, |_| ()));
        }
    });
    (url, sent)
}

fn copy(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 1 << 14];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        keep(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}

/// Methods and paths of all requests in what was sent; a body may end without a new line.
fn asked(sent: &[u8]) -> BTreeSet<(String, String)> {
    let text = String::from_utf8_lossy(sent);
    let heads = text.match_indices(" HTTP/1.1\r\n").map(|(at, _)| &text[..at]);
    heads
        .map(|before| {
            let starts = ["GET /", "PUT /", "POST /", "DELETE /"];
            let at = starts.iter().filter_map(|start| before.rfind(start)).max().expect("a method");
            let (method, path) = before[at..].split_once(' ').expect("both");
            (method.to_owned(), path.split('?').next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// No node of the tests has the plugin. What can be seen without it: each state is there that is
/// gone to, the ages are ones that a node understands, and the patterns are those of the indices
/// that the page has the program make.
#[test]
fn the_policy_deletes_the_indices_of_the_page() {
    let policies = requests().into_iter().filter(|(_, _, path, _)| path.contains("/_ism/"));
    let policies: Vec<Value> = policies.filter_map(|(.., body)| body).collect();
    let [policy] = policies.as_slice() else { panic!("{policies:?}") };
    let policy = &policy["policy"];
    let states = policy["states"].as_array().expect("states");
    let find = |name: &Value| {
        let found = states.iter().find(|state| state["name"] == *name);
        found.unwrap_or_else(|| panic!("no state {name}"))
    };
    let start = find(&policy["default_state"]);
    assert_eq!(start["actions"], json!([]));
    let next = &start["transitions"][0];
    assert_eq!(find(&next["state_name"])["actions"], json!([{ "delete": {} }]));
    assert_eq!(find(&next["state_name"])["transitions"], json!([]));
    let Some(server) = SERVER.as_ref() else { return };
    let age = &next["conditions"]["min_index_age"];
    let delayed = json!({ "settings": { "index.search.idle.after": age } });
    let answer = server.put("/of-an-age", &delayed);
    assert_eq!(answer["acknowledged"], true, "{answer}");

    let settings = blocks_of("toml").into_iter().find(|block| {
        block.place.starts_with("pipelines.md") && block.text.contains("dmarc-index")
    });
    let settings = settings.expect("names by month").text;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), settings).expect("written");
    let flags = ["import", "--opensearch", &server.url, "--config"].map(str::to_owned);
    let config = file.path().display().to_string();
    let _alone = STORING.lock();
    let ended = run(flags.into_iter().chain([config, mails()]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let found = |pattern: &str| {
        let answer = server.get(&format!("/_resolve/index/{pattern}"));
        let indices = answer["indices"].as_array().expect("a list").iter();
        indices.map(|one| one["name"].to_string()).collect::<BTreeSet<String>>()
    };
    let template = &policy["ism_template"][0];
    let patterns = template["index_patterns"].as_array().expect("a list");
    let patterns: Vec<&str> = patterns.iter().filter_map(Value::as_str).collect();
    for pattern in patterns.iter().filter(|pattern| !pattern.contains("failures")) {
        assert!(!found(pattern).is_empty(), "{pattern} is of no index");
    }
    // Those without a date are not among them: in these all years are mixed.
    let found = found(&patterns.join(","));
    for name in ["dmarc-reports", "tlsrpt-reports", "dmarc-failures"] {
        assert!(!found.contains(&format!("{name:?}")), "{found:?}");
    }
}

/// The rights that OpenSearch's security plugin asks for, by request.
fn rights(method: &str, path: &str) -> &'static [&'static str] {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        // Any answer will do, also that it is forbidden.
        ("GET", [""]) => &[],
        ("POST", ["_bulk"]) => &[
            "indices:data/write/bulk",
            "indices:data/write/bulk[s]",
            "indices:data/write/index",
            "indices:admin/create",
            "indices:admin/mapping/put",
        ],
        ("GET", ["_ingest", "pipeline", _]) => &["cluster:admin/ingest/pipeline/get"],
        ("GET", ["_index_template", _]) => &["indices:admin/index_template/get"],
        ("PUT", ["_index_template", _]) => &["indices:admin/index_template/put"],
        ("GET", ["_component_template", _]) => &["cluster:admin/component_template/get"],
        ("PUT", ["_component_template", _]) => &["cluster:admin/component_template/put"],
        ("POST", ["_index_template", "_simulate_index", _]) => {
            &["indices:admin/index_template/simulate_index"]
        }
        ("POST", ["_index_template", "_simulate"]) => &["indices:admin/index_template/simulate"],
        ("PUT", [_]) => &["indices:admin/create"],
        ("GET", [_, "_settings"]) => &["indices:monitor/settings/get"],
        ("PUT", [_, "_settings"]) => &["indices:admin/settings/update"],
        ("GET", [_, "_mapping"]) => &["indices:admin/mappings/get"],
        ("PUT", [_, "_mapping"]) => &["indices:admin/mapping/put"],
        ("GET", [_, "_refresh"]) => &["indices:admin/refresh", "indices:admin/refresh[s]"],
        _ => panic!("which right does {method} {path} need? Say so here and in opensearch.md"),
    }
}

#[test]
fn the_role_has_the_rights_that_are_used_and_no_others() {
    let Some(server) = SERVER.as_ref() else { return };
    let template = json!({ "index_patterns": ["rights-*"], "priority": 1, "template": {} });
    server.put("/_index_template/of-somebody-else", &template);
    let _alone = STORING.lock();
    // Other tests have left it there.
    server.request("DELETE", "/_component_template/email-report-processor-tlsrpt", None);
    server.put("/_ingest/pipeline/rights", &json!({ "processors": [] }));
    let (url, sent) = recorder(&server.url);
    let indices =
        ["dmarc", "tlsrpt", "failures"].map(|kind| format!("--{kind}-index=rights-{kind}"));
    let fixed = ["import", "--opensearch", &url, "--dmarc-pipeline=rights"].map(str::to_owned);
    let ended = run(fixed.into_iter().chain(indices).chain([mails()]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let asked = asked(&sent.lock().expect("no panic"));
    let needed: BTreeSet<&str> =
        asked.iter().flat_map(|(method, path)| rights(method, path)).copied().collect();

    let (.., role) = requests()
        .into_iter()
        .find(|(_, _, path, _)| path.starts_with("/_plugins/_security/api/roles/"))
        .expect("the role");
    let role = role.expect("a body");
    let given = [&role["cluster_permissions"], &role["index_permissions"][0]["allowed_actions"]];
    let given: Vec<&str> = given
        .iter()
        .flat_map(|list| list.as_array().expect("a list"))
        .map(|right| right.as_str().expect("a right"))
        .collect();
    let matches = |given: &str, needed: &str| match given.strip_suffix('*') {
        Some(start) => needed.starts_with(start),
        None => given == needed,
    };
    for right in &needed {
        assert!(given.iter().any(|given| matches(given, right)), "the role lacks {right}");
    }
    for right in given {
        assert!(needed.iter().any(|needed| matches(right, needed)), "{right} is never used");
    }
}

#[test]
fn what_export_asks_for_is_named() {
    let Some(server) = SERVER.as_ref() else { return };
    let indices = ["dmarc", "tlsrpt", "failures"].map(|kind| format!("--{kind}-index=out-{kind}"));
    let fill = ["import", "--opensearch", &server.url].map(str::to_owned);
    let ended = run(fill.into_iter().chain(indices.clone()).chain([mails()]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (url, sent) = recorder(&server.url);
    let export = ["export", "--opensearch", &url, "--output=/dev/null"].map(str::to_owned);
    let ended = run(export.into_iter().chain(indices));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (_, page) =
        super::pages().into_iter().find(|(page, _)| page == "opensearch.md").expect("the page");
    let (_, section) = page.split_once("## Look at it").expect("the section");
    for (method, path) in &asked(&sent.lock().expect("no panic")) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let needed = match (method.as_str(), parts.as_slice()) {
            ("GET", [_, "_field_caps"]) => "field_caps*",
            ("POST", [_, "_search", "point_in_time"]) => "point_in_time/create",
            ("DELETE", ["_search", "point_in_time"]) => "point_in_time/delete",
            ("POST", ["_search"] | [_, "_search"]) => "search*",
            _ => panic!("which right does {method} {path} need? Say so here and in opensearch.md"),
        };
        assert!(section.contains(&format!("`indices:data/read/{needed}`")), "{needed}");
    }
}

#[test]
fn what_prune_asks_for_is_named() {
    let Some(server) = SERVER.as_ref() else { return };
    let indices = ["dmarc", "tlsrpt", "failures"];
    let indices = indices.map(|kind| format!("--{kind}-index=old-{kind}-{{yyyy}}-{{MM}}"));
    let fill = ["import", "--opensearch", &server.url].map(str::to_owned);
    let ended = run(fill.into_iter().chain(indices.clone()).chain([mails()]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (url, sent) = recorder(&server.url);
    // The middle of a month that has reports.
    let prune = ["prune", "--older-than=2026-10-15", "--opensearch", &url].map(str::to_owned);
    let ended = run(prune.into_iter().chain(indices));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (_, page) =
        super::pages().into_iter().find(|(page, _)| page == "pipelines.md").expect("the page");
    let mut all = BTreeSet::new();
    for (method, path) in &asked(&sent.lock().expect("no panic")) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let needed = match (method.as_str(), parts.as_slice()) {
            ("GET", [_, "_field_caps"]) => "indices:data/read/field_caps*",
            ("GET", [_, "_settings"]) => "indices:monitor/settings/get",
            ("POST", [_, "_search"]) => "indices:data/read/search*",
            ("POST", [_, "_refresh"]) => "indices:admin/refresh*",
            ("POST", [_, "_delete_by_query"]) => "indices:data/write/delete/byquery",
            ("DELETE", [_]) => "indices:admin/delete",
            _ => panic!("which right does {method} {path} need? Say so here and in pipelines.md"),
        };
        assert!(page.contains(&format!("`{needed}`")), "{needed}");
        all.insert(needed);
    }
    assert!(all.len() >= 4, "{all:?}: {}", ended.log);
}

/// `check` only asks; what it may not see is told, and named in the guide.
#[test]
fn check_asks_for_what_the_role_or_the_page_on_it_names() {
    let Some(server) = SERVER.as_ref() else { return };
    let indices = ["dmarc", "tlsrpt", "failures"].map(|kind| format!("--{kind}-index=ask-{kind}"));
    server.put("/_ingest/pipeline/ask", &json!({ "processors": [] }));
    let fill = ["import", "--opensearch", &server.url].map(str::to_owned);
    let ended = run(fill.into_iter().chain(indices.clone()).chain([mails()]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (url, sent) = recorder(&server.url);
    let fixed = ["check", "--opensearch", &url, "--dmarc-pipeline=ask"].map(str::to_owned);
    let ended = run(fixed.into_iter().chain(indices));
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let asked = asked(&sent.lock().expect("no panic"));
    assert!(asked.len() > 8, "{asked:?}");
    let named = ["opensearch.md", "checking.md"];
    let pages = super::pages().into_iter().filter(|(page, _)| named.contains(&page.as_str()));
    let role: String = pages.map(|(_, text)| text).collect();
    for (method, path) in &asked {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let needed = match (method.as_str(), parts.as_slice()) {
            ("GET", [""]) => "cluster:monitor/main",
            ("GET", ["_cluster", "health"]) => "cluster:monitor/health",
            ("GET", ["_cluster", "settings"]) => "cluster:monitor/state",
            ("GET", ["_nodes", "stats", "fs"]) => "cluster:monitor/nodes/stats",
            ("POST", [_, "_search"]) => "indices:data/read/search",
            ("GET", _) | ("POST", ["_index_template", "_simulate_index", _]) => {
                rights(method, path)[0]
            }
            _ => panic!("{method} {path} changes something"),
        };
        assert!(role.contains(needed), "no page names {needed}, for {method} {path}");
    }
}
