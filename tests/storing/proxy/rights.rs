//! An account that may not do everything, as nginx says it in place of the security plugin.

use std::{fs, process::Command, time::Duration};

use super::{GIVE_UP, Setting, ended};
use crate::support::{
    corpus::{Content, Corpus},
    nginx::{Access, Right},
    program::{Ended, Running, TestMaildir, program, run_command, wait_until},
};

/// A command into indices of this name, with the arguments that are its own.
fn into(setting: &Setting, name: &str, words: &[&str]) -> Command {
    let mut command = program(words);
    command.args(["--opensearch", &setting.nginx.url(), "--ca-file"]);
    command.arg(setting.certificates.file("ca.pem"));
    for kind in ["dmarc", "tlsrpt", "failures"] {
        command.arg(format!("--{kind}-index={name}-{kind}"));
    }
    command
}

fn assert_types(setting: &Setting, name: &str, log: &str) {
    let index = format!("{name}-dmarc");
    let mapping = setting.node.get(&format!("/{index}/_mapping"));
    let feedback = &mapping[&index]["mappings"]["properties"]["feedback"]["properties"];
    let range = &feedback["report_metadata"]["properties"]["date_range"]["properties"];
    let row = &feedback["record"]["properties"]["row"]["properties"];
    let types = [&range["begin"]["type"], &row["source_ip"]["type"], &row["count"]["type"]];
    assert_eq!(types, ["date", "ip", "long"], "{name}: {mapping} {log}");
}

#[test]
fn without_the_right_to_templates_indices_have_our_mapping_all_the_same() {
    let Some(setting) = Setting::new("notmpl", "here", Access::Anybody) else { return };
    setting.nginx.allow(Right::Templates, false);
    let ended = ended(&mut setting.trusting(&[]));
    setting.assert_all_stored(&ended);
    assert_types(&setting, "notmpl", &ended.log);
    assert!(ended.log.contains("can't look at the index template"), "{}", ended.log);

    let imported = TestMaildir::new();
    let corpus = Corpus::new(60);
    imported.deliver_all(corpus.iter());
    let path = imported.path().to_str().expect("UTF-8");
    let ended = run_command(into(&setting, "notmpl-import", &["import", path]));
    assert_eq!(setting.node.count("notmpl-import-*"), setting.manifest.documents, "{}", ended.log);
    assert_types(&setting, "notmpl-import", &ended.log);

    let one = corpus.iter().find(|mail| matches!(mail.content, Content::Dmarc(_))).expect("one");
    let file = imported.path().join("one.eml");
    fs::write(&file, &one.bytes).expect("written");
    let path = file.to_str().expect("UTF-8");
    let ended = run_command(into(&setting, "notmpl-file", &[path]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_types(&setting, "notmpl-file", &ended.log);
    let others = setting.node.get("/notmpl-file-tlsrpt");
    assert!(others["error"].is_object(), "no index is made that nothing came for: {others}");
}

/// Between two batches, so that a request with documents would make it anew.
#[test]
fn an_index_deleted_under_a_watcher_without_templates_has_our_mapping_again() {
    let Some(setting) = Setting::new("gone", "here", Access::Anybody) else { return };
    setting.nginx.allow(Right::Templates, false);
    let maildir = TestMaildir::new();
    let path = maildir.path().to_str().expect("UTF-8");
    let running = Running::start_command(into(&setting, "gone", &["watch", path]));
    let corpus = Corpus::new(40);
    for round in ["first", "second"] {
        for mail in corpus.iter() {
            maildir.deliver(&format!("{round}-{}", mail.name), &mail.bytes);
        }
        wait_until("all mails", Duration::from_secs(30), || maildir.count("new") == 0);
        assert_types(&setting, "gone", &running.log());
        assert_eq!(setting.node.count("gone-dmarc"), corpus.manifest().dmarc.records);
        setting.node.request("DELETE", "/gone-dmarc", None);
    }
}

#[test]
fn without_the_right_to_make_an_index_mails_wait() {
    let Some(setting) = Setting::new("nomake", "here", Access::Anybody) else { return };
    setting.nginx.allow(Right::Templates, false);
    setting.nginx.allow(Right::NewIndices, false);
    let Ended { code, log, .. } = ended(&mut setting.trusting(&[GIVE_UP]));
    assert_eq!(code, Some(75), "{log}");
    setting.assert_documents_wait();
    assert!(
        log.contains("there is no index nomake-dmarc, and this account may not make it"),
        "{log}"
    );

    let mut running = Running::start_command(setting.trusting(&["--give-up-after=2m"]));
    running.wait_for_log("part of the store unavailable");
    setting.assert_documents_wait();
    setting.nginx.allow(Right::NewIndices, true);
    let code = running.wait();
    let ended = Ended { code, stdout: String::new(), log: running.log() };
    setting.assert_all_stored(&ended);
    assert_types(&setting, "nomake", &ended.log);
}
