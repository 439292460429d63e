//! Templates: ours, and those of administrators.

use serde_json::{Value, json};

use super::{SHARED, index::type_of, once};
use crate::support::{
    corpus::Corpus,
    program::{TestMaildir, run},
    server::OpenSearch,
};

/// Stores some mails into indices of this name; gives the log.
fn store_some(server: &OpenSearch, name: &str, more: &[&str]) -> String {
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(10).iter());
    let ended = run(once(&server.url, name, &maildir, more));
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
    ended.log
}

/// Shards and replicas of an index.
fn shards(server: &OpenSearch, index: &str) -> [Value; 2] {
    let settings = server.get(&format!("/{index}/_settings"))[index]["settings"]["index"].take();
    [settings["number_of_shards"].clone(), settings["number_of_replicas"].clone()]
}

#[test]
fn a_template_changed_by_hand_is_left_alone_and_an_old_one_replaced() {
    let Some(server) = SHARED.as_ref() else { return };
    let path = "/_index_template/email-report-processor-tmpl-dmarc";
    let present = || server.get(path)["index_templates"][0]["index_template"].clone();
    let store_one = || {
        let maildir = TestMaildir::new();
        maildir.deliver_all(Corpus::new(10).iter());
        let ended = run(once(&server.url, "tmpl", &maildir, &[]));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    };
    store_one();
    let installed = present();
    assert!(installed["version"].as_u64().is_some_and(|version| version >= 1), "{installed}");

    let mut changed = installed.clone();
    changed["template"]["settings"]["index"]["number_of_replicas"] = json!("0");
    assert_eq!(server.put(path, &changed)["acknowledged"], true);
    store_one();
    assert_eq!(present(), changed);

    server.request("DELETE", path, None);
    store_one();
    assert_eq!(present(), installed);
}

#[test]
fn a_template_that_comes_before_ours_leaves_no_type_to_be_guessed() {
    let Some(server) = SHARED.as_ref() else { return };
    let settings = json!({ "number_of_shards": 2, "number_of_replicas": 0 });
    let theirs = json!({
        "index_patterns": ["first-*"], "priority": 900, "template": { "settings": settings },
    });
    server.put("/_index_template/comes-first", &theirs);
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(10).iter());
    let ended = run(once(&server.url, "first", &maildir, &[]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(type_of(server, "first-dmarc", "feedback.record.row.source_ip"), "ip");
    let settings = &server.get("/first-dmarc/_settings")["first-dmarc"]["settings"]["index"];
    assert_eq!(settings["number_of_shards"], "2", "{settings}");
}

#[test]
fn shards_and_replicas_are_as_asked() {
    let Some(server) = SHARED.as_ref() else { return };
    store_some(server, "shards", &["--shards=2", "--replicas=0"]);
    assert_eq!(shards(server, "shards-dmarc"), ["2", "0"]);
    let log = store_some(server, "shards", &["--replicas=3"]);
    assert!(log.contains("index template installed"), "{log}");
    assert_eq!(shards(server, "shards-dmarc"), ["2", "0"], "an index that is there stays");
    server.request("DELETE", "/shards-dmarc", None);
    let log = store_some(server, "shards", &[]);
    assert!(!log.contains("template"), "{log}");
    assert_eq!(shards(server, "shards-dmarc"), ["2", "3"], "the template keeps them");
}

#[test]
fn an_administrators_template_composed_of_our_mappings_is_left_in_force() {
    let Some(server) = SHARED.as_ref() else { return };
    store_some(server, "offer", &[]);
    let settings = json!({ "number_of_shards": 3, "number_of_replicas": 0 });
    let theirs = json!({
        "index_patterns": ["composed-dmarc*"], "priority": 50,
        "composed_of": ["email-report-processor-dmarc"], "template": { "settings": settings },
    });
    let answer = server.put("/_index_template/composed", &theirs);
    assert_eq!(answer["acknowledged"], true, "{answer}");
    let log = store_some(server, "composed", &[]);
    assert!(!log.contains("our index template"), "{log}");
    let ours = server.get("/_index_template/email-report-processor-composed-dmarc");
    assert!(ours["error"].is_object(), "{ours}");
    assert_eq!(shards(server, "composed-dmarc"), ["3", "0"]);
    assert_eq!(type_of(server, "composed-dmarc", "feedback.record.row.source_ip"), "ip");
}
