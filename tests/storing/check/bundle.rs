//! The file for whoever is to help: what is in it, and what is not.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use super::opensearch::{SERVER, fill, flags};
use crate::support::{
    corpus::Corpus,
    nginx::free_port,
    program::{Running, TestMaildir, program, run, run_command, wait_until},
};

fn read(file: &str) -> (String, Value) {
    let mode = fs::metadata(file).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = fs::read_to_string(file).expect("UTF-8");
    let json = serde_json::from_str(&text).expect("JSON");
    (text, json)
}

#[test]
fn a_bundle_has_settings_counters_and_findings_and_no_mail() {
    let (folder, maildir) = (tempfile::tempdir().expect("a folder"), TestMaildir::new());
    let name = |name: &str| folder.path().join(name).display().to_string();
    let (settings, bundle, path) =
        (name("settings.toml"), name("bundle.json"), maildir.path().display().to_string());
    let metrics = format!("127.0.0.1:{}", free_port());
    let text = format!("store = {:?}\nmetrics = {metrics:?}\nthreads = 2", name("x.sqlite"));
    fs::write(&settings, text).expect("written");
    let mails: Vec<_> = Corpus::new(30).iter().filter(|mail| !mail.content.is_empty()).collect();
    let count = mails.len();
    let watch = Running::start(["watch", "--config", &settings, &path]);
    watch.wait_for_log("metrics at");
    maildir.deliver_all(mails);
    wait_until("all stored", std::time::Duration::from_secs(30), || maildir.count("cur") == count);
    let arguments = ["check", "--config", &settings, "--bundle", &bundle, &path];
    let ended = run(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("look through it before you send it"), "{}", ended.log);
    let (_, json) = read(&bundle);
    assert_eq!(json["settings"]["threads"], 2);
    assert_eq!(json["settings_file"], settings.as_str());
    assert_eq!(
        (&json["maildirs"][0]["cur"], &json["maildirs"][0]["new"]),
        (&count.into(), &0.into())
    );
    assert!(json["store"]["rows"]["dmarc_reports"].as_u64() > Some(0), "{json}");
    let counters = json["metrics"].as_str().expect("counters");
    assert!(counters.contains("# TYPE "), "{counters}");
    assert!(json["findings"].as_array().is_some_and(|all| all.len() > 5), "{json}");
    assert_eq!(json["variables"], serde_json::json!(["ERP_CONFIG"]));

    // It replaces nothing.
    let ended = run(arguments);
    assert_eq!(ended.code, Some(64), "{}", ended.log);
    assert!(ended.log.contains("File exists"), "{}", ended.log);
}

#[test]
fn neither_a_secret_nor_a_subject_is_in_a_bundle() {
    let (folder, maildir) = (tempfile::tempdir().expect("a folder"), TestMaildir::new());
    let bundle = folder.path().join("bundle.json").display().to_string();
    for n in 0..10 {
        maildir.deliver(
            &format!("170000000{n}.mx"),
            b"From: x@seCret.example\nSubject: seCret\n\nseCret\n",
        );
    }
    for (url, user) in [
        ("http://127.0.0.1:1", "reports:seCret"),
        ("http://reports:seCret@127.0.0.1:1", "reports:x"),
        ("http://127.0.0.1:1/?key=seCret", "reports:x"),
        // Of several URLs, the first is none.
        ("http://reports:seCret,x@127.0.0.1:1", "reports:x"),
        ("reports:seCret,x@127.0.0.1:1", "reports:x"),
    ] {
        let mut command = program(["check", "--bundle", &bundle]);
        command.arg(maildir.path()).env("ERP_OPENSEARCH", url).env("ERP_OPENSEARCH_USER", user);
        // Nobody is to have mail, so that it is not looked at.
        command.env("ERP_SMTP", "smtps://me:seCret@127.0.0.1");
        let ended = run_command(command);
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        let (text, json) = read(&bundle);
        assert!(!text.contains("seCret"), "{text}");
        // What a mail says of itself is told on the terminal.
        let told = format!("{}{}", ended.stdout, ended.log);
        assert!(!told.contains("reports:seCret"), "{told}");
        assert!(
            json["settings"]["opensearch-user"].as_str().is_some_and(|u| u.starts_with("reports:"))
        );
        fs::remove_file(&bundle).expect("removed");
    }
}

#[test]
fn the_last_lines_of_the_log_are_in_a_bundle_without_what_they_quote() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("bundle.json").display().to_string();
    let journalctl = folder.path().join("journalctl");
    let bundled = |script: &str| {
        fs::write(&journalctl, script).expect("written");
        fs::set_permissions(&journalctl, fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut command = program(["check", "--bundle", &bundle]);
        command.env("PATH", folder.path());
        let ended = run_command(command);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let (text, json) = read(&bundle);
        assert!(!text.contains("seCret"), "{text}");
        fs::remove_file(&bundle).expect("removed");
        json["log"].clone()
    };
    let log = bundled(concat!(
        "#!/bin/sh\n",
        r#"echo '{"MESSAGE":"watching","PRIORITY":"6"}'"#,
        "\n",
        r#"echo '{"MESSAGE":"/m/new/1.x (\"seCret\" from a@b): seCret","PRIORITY":"4"}'"#,
        "\n",
    ));
    assert_eq!((&log[0]["text"], &log[1]["text"]), (&"watching".into(), &"/m/new/1.x…".into()));
    assert_eq!(bundled("#!/bin/sh\necho no rights >&2; exit 1\n"), "no rights");
}

#[test]
fn of_opensearch_a_bundle_has_template_and_mapping() {
    let Some(server) = SERVER.as_ref() else { return };
    fill(server, "bundle");
    server.count("bundle-dmarc");
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("bundle.json").display().to_string();
    let ended = run(["check", "--bundle", &bundle]
        .map(str::to_owned)
        .into_iter()
        .chain(flags(&server.url, "bundle")));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (_, json) = read(&bundle);
    let index = &json["store"]["indices"]["bundle-dmarc"];
    assert!(index["documents"].as_u64() > Some(0), "{index}");
    assert!(index["template"]["index_templates"][0].is_object(), "{index}");
    assert!(index["mapping"]["bundle-dmarc"]["mappings"].is_object(), "{index}");
    assert!(json["store"]["opensearch"]["version"]["number"].is_string());
}
