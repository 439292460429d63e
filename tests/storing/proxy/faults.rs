//! All that a proxy does to requests and answers on a bad day: nothing is lost in it, and the same
//! run goes on after it.

use std::time::{Duration, Instant};

use super::{CERTIFICATES, GIVE_UP, Setting, ended};
use crate::support::{
    corpus::Corpus,
    faulty_proxy::AnswerFault,
    nginx::{Access, Fault, Nginx, Requests, free_port},
    program::{Ended, Running, TestMaildir, program, wait_until},
    server::OpenSearch,
};

/// Runs into trouble, sees that nothing is lost in it, and ends the trouble: the same run must then
/// store everything once.
fn sit_out(
    setting: &Setting,
    requests: Requests,
    begin: impl FnOnce(&Setting),
    end: impl FnOnce(&Setting),
) -> String {
    let assert_mails_wait = || match requests {
        Requests::All => setting.assert_untouched(),
        Requests::Bulk => setting.assert_documents_wait(),
    };
    begin(setting);
    let gave_up = ended(&mut setting.trusting(&[GIVE_UP]));
    assert_eq!(gave_up.code, Some(75), "{}", gave_up.log);
    assert_mails_wait();

    let mut running = Running::start_command(setting.trusting(&["--give-up-after=2m"]));
    running.wait_for_log("store unavailable");
    assert_mails_wait();
    end(setting);
    let code = running.wait();
    let log = running.log();
    assert!(log.contains("store available again"), "{log}");
    setting.assert_all_stored(&Ended { code, stdout: String::new(), log: log.clone() });
    gave_up.log + &log
}

fn sit_out_fault(name: &'static str, fault: Fault, requests: Requests, reason: &str) {
    let Some(setting) = Setting::new(name, "here", Access::Anybody) else { return };
    let set = |on| move |setting: &Setting| setting.nginx.set(fault, requests, on);
    let log = sit_out(&setting, requests, set(true), set(false));
    assert!(log.contains(reason), "no {reason:?} in {log}");
    assert!(!setting.nginx.requests().contains("/elsewhere"), "a redirect was followed");
    // What was looked for in vain at first must not be missing for ever.
    let template =
        setting.node.get(&format!("/_index_template/email-report-processor-{name}-dmarc"));
    assert!(template["index_templates"].is_array(), "{template}\n{log}");
}

#[test]
fn nginx_says_503() {
    sit_out_fault("unavailable", Fault::Unavailable, Requests::All, "503");
}

#[test]
fn nginx_says_503_to_bulk_requests() {
    sit_out_fault("unavailable-bulk", Fault::Unavailable, Requests::Bulk, "503");
}

#[test]
fn nginx_answers_with_a_page() {
    sit_out_fault(
        "page",
        Fault::Page,
        Requests::All,
        "answers, but is not OpenSearch (a web page, status 200)",
    );
}

#[test]
fn nginx_answers_bulk_requests_with_a_page() {
    sit_out_fault(
        "page-bulk",
        Fault::Page,
        Requests::Bulk,
        "answers, but is not OpenSearch (a web page, status 200)",
    );
}

#[test]
fn redirects_are_not_followed() {
    sit_out_fault("redirect", Fault::Redirect, Requests::All, "307");
}

#[test]
fn redirects_of_bulk_requests_are_not_followed() {
    sit_out_fault("redirect-bulk", Fault::Redirect, Requests::Bulk, "307");
}

/// The documents are stored, and nobody learns of it at first.
fn sit_out_answer_fault(name: &'static str, fault: AnswerFault, reason: &str) {
    let Some(setting) = Setting::new(name, "here", Access::Anybody) else { return };
    let mut stored = 0;
    let log = sit_out(
        &setting,
        Requests::Bulk,
        |setting| setting.spoil_answers(fault),
        |setting| {
            // Not all: further requests wait for the answers to the first ones.
            wait_until("a request to arrive", Duration::from_mins(1), || setting.stored() > 0);
            stored = setting.stored();
            setting.spoil_answers(AnswerFault::None);
        },
    );
    assert!(log.contains(reason), "no {reason:?} in {log}");
    // `all 9 rows were there`, or `3 rows new in …, 6 were there`
    let before =
        log.rsplit_once(" were there").unwrap_or_else(|| panic!("no duplicates in {log}")).0;
    let number =
        before.trim_end_matches(" rows").rsplit(' ').next().and_then(|number| number.parse().ok());
    assert!(number.is_some_and(|known: u64| known >= stored), "{stored} were stored unseen: {log}");
}

#[test]
fn the_connection_ends_in_the_middle_of_the_answer() {
    sit_out_answer_fault("cut", AnswerFault::Cut, "disconnected");
}

#[test]
fn half_the_answer() {
    sit_out_answer_fault("half", AnswerFault::Half, "not the answer to a bulk request");
}

#[test]
fn nginx_says_502_although_the_documents_were_stored() {
    sit_out_answer_fault("gateway", AnswerFault::Lost, "502");
}

#[test]
fn nginx_says_504_although_the_documents_were_stored() {
    sit_out_answer_fault("timeout", AnswerFault::Late(Duration::from_mins(1)), "504");
}

#[test]
fn a_slow_answer_is_waited_for() {
    let Some(setting) = Setting::new("slow", "here", Access::Anybody) else { return };
    setting.nginx.set(Fault::Slow, Requests::Bulk, true);
    let started = Instant::now();
    let ended = ended(&mut setting.trusting(&[GIVE_UP]));
    assert!(started.elapsed() > Duration::from_secs(2), "it was not slow: {:?}", started.elapsed());
    setting.assert_all_stored(&ended);
    assert!(!ended.log.contains("were there"), "{}", ended.log);
}

/// nginx stands, the node behind it is gone.
#[test]
fn the_backend_is_gone() {
    let Some(certificates) = CERTIFICATES.as_ref() else { return };
    let data = tempfile::tempdir().expect("a folder");
    let data = data.path().to_str().expect("UTF-8");
    let port = free_port().to_string();
    let Some(nginx) =
        Nginx::start(certificates, "here", Access::Anybody, &format!("127.0.0.1:{port}"))
    else {
        return;
    };
    let corpus = Corpus::new(200);
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let mut command = program(["once", "--opensearch", &nginx.url(), "--give-up-after=2m"]);
    command.arg("--ca-file").arg(certificates.file("ca.pem")).arg(maildir.path());
    let mut running = Running::start_command(command);
    running.wait_for_log("store unavailable");
    assert!(running.log().contains("502"), "{}", running.log());
    assert_eq!(maildir.count("new"), corpus.len());
    let Some(node) = OpenSearch::start(&["--data", data, "--port", &port]) else { return };
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert_eq!(maildir.count("new"), 0);
    assert_eq!(
        node.count("dmarc-reports") + node.count("tlsrpt-reports"),
        corpus.manifest().documents
    );
}

/// A proxy that is told the next node, where one is in trouble.
#[test]
fn the_next_proxy_steps_in() {
    let Some(setting) = Setting::new("second", "here", Access::Anybody) else { return };
    let Some(sick) =
        Nginx::start(setting.certificates, "here", Access::Anybody, &setting.faulty_proxy.address)
    else {
        return;
    };
    sick.set(Fault::Unavailable, Requests::All, true);
    let mut command =
        program(["once", "--opensearch", &sick.url(), "--opensearch", &setting.nginx.url()]);
    command
        .args(["--dmarc-index=second-dmarc", "--tlsrpt-index=second-tlsrpt", "--ca-file"])
        .args([setting.certificates.file("ca.pem"), setting.maildir.path().to_owned()]);
    setting.assert_all_stored(&ended(&mut command));
    assert!(sick.requests().contains("503"), "{}", sick.requests());
}
