//! An index for each month or year.

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};

use super::{SHARED, index::type_of};
use crate::support::{
    corpus::Corpus,
    program::{Ended, Running, TestMaildir, program, run, run_command, wait_until},
    server::{OpenSearch, tests_folder},
};

/// Arguments that give names by month to the indices of a test.
fn by_month(name: &str) -> [String; 2] {
    ["dmarc", "tlsrpt"].map(|kind| format!("--{kind}-index={name}-{kind}-{{yyyy}}-{{MM}}"))
}

/// Runs a command into them.
fn store(
    server: &OpenSearch,
    name: &str,
    command: &str,
    maildir: &TestMaildir,
    more: &[&str],
) -> Ended {
    let path = maildir.path().to_str().expect("UTF-8");
    let fixed = [command, "--opensearch", &server.url, path];
    let all = fixed.iter().chain(more).map(|argument| (*argument).to_owned());
    run(all.chain(by_month(name)))
}

/// Documents by index, of all indices of a kind.
fn by_index(server: &OpenSearch, name: &str) -> BTreeMap<String, u64> {
    server.count(&format!("{name}-*"));
    let answer = server.get(&format!("/_cat/indices/{name}-*?format=json"));
    let indices = answer.as_array().expect("a list").iter();
    indices
        .map(|index| {
            let name = index["index"].as_str().expect("a name").to_owned();
            (name, index["docs.count"].as_str().expect("a text").parse().expect("a number"))
        })
        .collect()
}

/// The same of a corpus.
fn expected(corpus: &Corpus, name: &str) -> BTreeMap<String, u64> {
    let mut indices = BTreeMap::new();
    for document in corpus.iter().flat_map(|mail| mail.documents()) {
        let kind = if document["feedback"].is_object() { "dmarc" } else { "tlsrpt" };
        let month = &document["@timestamp"].as_str().expect("a time")[..7];
        *indices.entry(format!("{name}-{kind}-{month}")).or_default() += 1;
    }
    indices
}

/// A DMARC report whose period begins then.
fn report_of(begin: &str) -> Vec<u8> {
    let report = tests_folder().join("fixtures/dmarc/rfc7489.xml");
    let report = fs::read_to_string(report).expect("a fixture");
    let (before, rest) = report.split_once("<begin>").expect("a period");
    let (_, rest) = rest.split_once("</end>").expect("its end");
    format!("{before}<begin>{begin}</begin><end>{begin}</end>{rest}").into_bytes()
}

#[test]
fn each_report_goes_to_the_index_of_its_month_and_comes_again_to_the_same() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(300);
    let months = expected(&corpus, "months");
    assert!(months.len() > 3, "{months:?}");
    for round in ["first", "second"] {
        let maildir = TestMaildir::new();
        maildir.deliver_all(corpus.iter());
        let ended = store(server, "months", "once", &maildir, &[]);
        assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
        assert_eq!(by_index(server, "months"), months, "{round}");
        assert_eq!(ended.log.contains("template"), round == "first", "{}", ended.log);
    }
    let index = months.keys().next().expect("one");
    assert_eq!(type_of(server, index, "feedback.record.row.source_ip"), "ip");
    let template = server.get("/_index_template/email-report-processor-months-dmarc");
    let patterns = &template["index_templates"][0]["index_template"]["index_patterns"];
    assert_eq!(*patterns, json!(["months-dmarc", "months-dmarc-*"]));
    let print = ["dashboards", "print", "dmarc"].map(str::to_owned);
    let printed = run(print.into_iter().chain(by_month("months")));
    let pattern: Value =
        serde_json::from_str(printed.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(pattern["attributes"]["title"], "months-dmarc-*");
}

#[test]
fn a_month_in_trouble_holds_up_its_own_mails_only() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(200);
    let months = expected(&corpus, "closing");
    let blocked = months.keys().find(|index| index.contains("dmarc")).expect("a month");
    server.put(&format!("/{blocked}"), &json!({ "settings": { "index.blocks.write": true } }));
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let ended = store(server, "closing", "once", &maildir, &["--give-up-after=1s"]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(maildir.count("new") > 0 && maildir.count("cur") > 0, "{}", ended.log);
    let mut found = by_index(server, "closing");
    assert_eq!(found.insert(blocked.clone(), months[blocked]), Some(0));
    assert_eq!(found, months);
    server.put(&format!("/{blocked}/_settings"), &json!({ "index.blocks.write": false }));
    let ended = store(server, "closing", "once", &maildir, &[]);
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
    assert_eq!(by_index(server, "closing"), months);
}

#[test]
fn an_import_relaxes_each_month_and_restores_it() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(100);
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let ended = store(server, "imported", "import", &maildir, &[]);
    let months = expected(&corpus, "imported");
    assert_eq!(by_index(server, "imported"), months, "{}", ended.log);
    for index in months.keys() {
        let line = |text: &str| ended.log.lines().any(|l| l.contains(text) && l.contains(index));
        assert!(line("refresh relaxed") && line("refresh restored"), "{index}: {}", ended.log);
        let settings = server.get(&format!("/{index}/_settings"))[index].take();
        assert!(settings["settings"]["index"]["refresh_interval"].is_null(), "{settings}");
    }
}

#[test]
fn periods_that_can_not_be_make_no_indices_of_their_own() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    for (n, begin) in ["86400", "1000000000"].iter().enumerate() {
        maildir.deliver(&n.to_string(), &report_of(begin));
    }
    let ended = store(server, "wild", "once", &maildir, &[]);
    assert_eq!((ended.code, maildir.count("cur")), (Some(0), 2), "{}", ended.log);
    let indices: Vec<String> = by_index(server, "wild").into_keys().collect();
    assert_eq!(indices, ["wild-dmarc-0000-00"]);
}

#[test]
fn an_import_goes_on_as_long_as_its_indices_are_there() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(200);
    let folder = tempfile::tempdir().expect("a folder");
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let path = maildir.path().to_str().expect("UTF-8");
    let import = |more: &[&str]| {
        let fixed = ["import", "--opensearch", &server.url, path];
        let all = fixed.iter().chain(more).map(|argument| (*argument).to_owned());
        let mut command = program(all.chain(by_month("journal")));
        command.env("STATE_DIRECTORY", folder.path());
        run_command(command)
    };
    let skipped = "were finished by an earlier import";
    // Part of it first: the journal goes on with what another run has noted.
    let first = import(&["--until=2026-09-10"]);
    assert!(!first.log.contains(skipped), "{}", first.log);
    let months = expected(&corpus, "journal");
    for (round, is_known) in [false, true].into_iter().enumerate() {
        let ended = import(&[]);
        assert_eq!(by_index(server, "journal"), months, "{}", ended.log);
        assert_eq!(ended.log.contains(skipped), is_known, "{round}: {}", ended.log);
    }
    // A month that is gone is read again, and the journal speaks of the new one then.
    let gone = months.keys().next().expect("one");
    server.request("DELETE", &format!("/{gone}"), None);
    for is_known in [false, true] {
        let ended = import(&[]);
        assert_eq!(by_index(server, "journal"), months, "{}", ended.log);
        assert_eq!(ended.log.contains(skipped), is_known, "{}", ended.log);
    }
}

/// Today it would go to one index, and once it has begun to another.
#[test]
fn a_report_of_the_future_is_refused_until_it_has_begun() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    let now = jiff::Timestamp::now().as_second();
    let begins = [now + 40 * 86_400, 4_000_000_000, 5_000_000_000, now + 86_400, now];
    for (n, begin) in begins.iter().enumerate() {
        maildir.deliver(&n.to_string(), &report_of(&begin.to_string()));
    }
    let ended = store(server, "future", "once", &maildir, &[]);
    assert_eq!((maildir.count("new"), maildir.count("cur")), (0, 2), "{}", ended.log);
    assert_eq!(maildir.count(".failed/new"), 3, "{}", ended.log);
    assert!(ended.log.contains("its period begins in the future (2096-10-02T07:06:40Z)"));
    let found = by_index(server, "future");
    // Two records each.
    assert_eq!(found.values().sum::<u64>(), 4, "{found:?}");
    assert!(found.keys().all(|index| index.starts_with("future-dmarc-20")), "{found:?}");

    // One index takes them whenever they begin, and a store that is away is waited for first.
    let path = maildir.path().to_str().expect("UTF-8");
    assert_eq!(run(["retry", path]).code, Some(0));
    let away = ["once", "--opensearch=http://127.0.0.1:1", "--give-up-after=1s", path];
    let ended = run(away.map(str::to_owned).into_iter().chain(by_month("future")));
    assert_eq!((ended.code, maildir.count("new")), (Some(75), 3), "{}", ended.log);
    let ended = run(["once", "--opensearch", &server.url, "--dmarc-index=future-all", path]);
    assert_eq!((ended.code, maildir.count("cur")), (Some(0), 5), "{}", ended.log);
}

#[test]
fn what_rolls_over_is_refused_with_words() {
    let Some(server) = SHARED.as_ref() else { return };
    let template = json!({ "index_patterns": ["stream-*"], "priority": 900, "data_stream": {} });
    server.put("/_index_template/streams", &template);
    server.put("/_data_stream/stream-dmarc", &json!({}));
    for (index, is_written) in [("rolled-1", false), ("rolled-2", true)] {
        let alias = json!({ "rolled-dmarc": { "is_write_index": is_written } });
        server.put(&format!("/{index}"), &json!({ "aliases": alias }));
    }
    for (name, what) in [("stream", "a data stream"), ("rolled", "an alias of several indices")] {
        let maildir = TestMaildir::new();
        maildir.deliver("one", &report_of("1790035200"));
        let path = maildir.path().to_str().expect("UTF-8");
        let index = format!("--dmarc-index={name}-dmarc");
        let once = ["once", "--opensearch", &server.url, &index, "--give-up-after=1s", path];
        let ended = run(once);
        assert_eq!((ended.code, maildir.count("new")), (Some(75), 1), "{}", ended.log);
        assert!(ended.log.contains(what), "{}", ended.log);
        assert_eq!(server.count(&format!("{name}-dmarc")), 0);
    }
}

#[test]
fn an_alias_is_good_as_long_as_it_is_one_index() {
    let Some(server) = SHARED.as_ref() else { return };
    let alias = |written| json!({ "aliases": { "alias-dmarc": { "is_write_index": written } } });
    server.put("/alias-1", &alias(true));
    let maildir = TestMaildir::new();
    let path = maildir.path().to_str().expect("UTF-8");
    let index = "--dmarc-index=alias-dmarc";
    let watch = Running::start(["watch", "--opensearch", &server.url, index, path]);
    let report = report_of("1790035200");
    maildir.deliver("first", &report);
    wait_until("the first", Duration::from_secs(30), || maildir.count("cur") == 1);
    let mapping = server.get("/alias-1/_mapping")["alias-1"]["mappings"].take();
    assert_eq!(mapping["date_detection"], false, "{mapping}");

    // It rolls over while the program runs.
    server.put("/alias-2", &json!({}));
    let add = |index: &str, written: bool| json!({ "add": { "index": index, "alias": "alias-dmarc", "is_write_index": written } });
    let actions = json!({ "actions": [add("alias-1", false), add("alias-2", true)] });
    assert_eq!(server.request("POST", "/_aliases", Some(&actions))["acknowledged"], true);
    maildir.deliver("again", &report);
    watch.wait_for_log("alias-dmarc is an alias of several indices");
    // Its two records, once.
    assert_eq!((server.count("alias-dmarc"), maildir.count("new")), (2, 1), "{}", watch.log());
}
