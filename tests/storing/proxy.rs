//! OpenSearch behind a real nginx: certificates, passwords and keys, and all that a proxy does to requests on a bad day.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{
    corpus::{Corpus, Manifest},
    meddler::{Meddler, Meddling},
    nginx::{Access, Certificates, Fault, Nginx, Requests, free_port},
    program::{Ended, Running, TestMaildir, program, wait_until},
    server::{OpenSearch, Shared},
};

const USER: &str = "reports";
const PASSWORD: &str = "paßword: with-colon";
const KEY: &str = "c2VjcmV0LWlkOnNlY3JldC1rZXk=";

/// One node and one set of certificates for all tests; each test has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));
static CERTIFICATES: Shared<Certificates> = Shared::new(Certificates::make);

/// What a test has at hand: nginx, the node behind it, and a Maildir with mails.
struct Setting {
    node: &'static OpenSearch,
    nginx: Nginx,
    meddler: Meddler,
    certificates: &'static Certificates,
    maildir: TestMaildir,
    manifest: Manifest,
    /// Name of the test, before the names of its indices.
    name: &'static str,
}

impl Setting {
    fn new(name: &'static str, certificate: &str, access: Access) -> Option<Setting> {
        let node = SHARED.as_ref()?;
        let certificates = CERTIFICATES.as_ref()?;
        let meddler = Meddler::start(node.url.strip_prefix("http://").expect("http"));
        let nginx = Nginx::start(certificates, certificate, access, &meddler.address)?;
        let corpus = Corpus::new(60);
        let maildir = TestMaildir::new();
        maildir.deliver_all(corpus.iter());
        Some(Setting { node, nginx, meddler, certificates, maildir, manifest: corpus.manifest(), name })
    }

    /// nginx waits for an answer that comes late, but not that long.
    fn meddle(&self, meddling: Meddling) {
        self.meddler.set(meddling);
        self.nginx.set(Fault::Impatient, Requests::Bulk, matches!(meddling, Meddling::Wait(_)));
    }

    fn mails(&self) -> usize {
        usize::try_from(self.manifest.mails).expect("small")
    }

    /// `once` without a word about certificates.
    fn once(&self, more: &[&str]) -> Command {
        let mut command = program(["once", "--opensearch", &self.nginx.url(), "-vv"]);
        command
            .arg(format!("--dmarc-index={}-dmarc", self.name))
            .arg(format!("--tlsrpt-index={}-tlsrpt", self.name))
            .args(more)
            .arg(self.maildir.path());
        command
    }

    /// `once` that trusts the right authority.
    fn trusting(&self, more: &[&str]) -> Command {
        let mut command = self.once(more);
        command.arg("--ca-file").arg(self.certificates.file("ca.pem"));
        command
    }

    fn stored(&self) -> u64 {
        self.node.count(&format!("{}-dmarc", self.name)) + self.node.count(&format!("{}-tlsrpt", self.name))
    }

    /// The run ended well, and every document is there once.
    fn assert_all_stored(&self, ended: &Ended) {
        assert_eq!((ended.code, self.maildir.count("new")), (Some(0), 0), "{}", ended.log);
        assert_eq!(self.stored(), self.manifest.documents, "{}", ended.log);
        let counts = self.node.sum(&format!("{}-dmarc", self.name), "feedback.record.row.count");
        assert_eq!(counts, self.manifest.dmarc.count_sum);
        let failed = usize::try_from(self.manifest.junk + self.manifest.broken).expect("small");
        assert_eq!((self.maildir.count("cur"), self.maildir.count(".failed/new")), (self.mails() - failed, failed));
    }

    /// The run gave up for this reason: every mail stays, and not even mail that is no report was moved.
    fn assert_all_stay(&self, ended: &Ended, reason: &str) {
        assert_eq!(ended.code, Some(75), "{}", ended.log);
        self.assert_untouched();
        assert!(ended.log.contains(reason), "no {reason:?} in {}", ended.log);
    }

    fn assert_untouched(&self) {
        let folders = ["new", "cur", ".failed/new"].map(|folder| self.maildir.count(folder));
        assert_eq!(folders, [self.mails(), 0, 0]);
    }

    /// The store answers, but to requests with documents: mails without any may be moved, should they travel alone.
    fn assert_documents_wait(&self) {
        let [new, cur, failed] = ["new", "cur", ".failed/new"].map(|folder| self.maildir.count(folder));
        assert_eq!((new + failed, cur), (self.mails(), 0));
        let without = usize::try_from(self.manifest.junk + self.manifest.broken).expect("small");
        assert!(failed <= without, "{failed} mails of which {without} have no documents were moved");
    }
}

fn ended(command: &mut Command) -> Ended {
    command.output().expect("it runs").into()
}

/// Long enough for some attempts, short enough for a test.
const GIVE_UP: &str = "--give-up-after=1s";

#[test]
fn a_certificate_of_the_named_authority_is_trusted() {
    let Some(setting) = Setting::new("trusted", "here", Access::Anybody) else { return };
    setting.assert_all_stored(&ended(&mut setting.trusting(&[])));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let Some(setting) = Setting::new("unknown", "here", Access::Anybody) else { return };
    setting.assert_all_stay(&ended(&mut setting.once(&[GIVE_UP])), "certificate");
    assert_eq!(setting.nginx.requests(), "", "something was sent over a connection that is not trusted");

    // The system's own authorities, where this one is one of them.
    let mut with_system = setting.once(&[]);
    with_system.env("SSL_CERT_FILE", setting.certificates.file("ca.pem"));
    setting.assert_all_stored(&ended(&mut with_system));
}

#[test]
fn a_certificate_of_another_authority_is_not_trusted() {
    let Some(setting) = Setting::new("other-ca", "here", Access::Anybody) else { return };
    let other = setting.certificates.file("other-ca.pem");
    let mut command = setting.once(&[GIVE_UP, "--ca-file", other.to_str().expect("UTF-8")]);
    // The file stands in place of the system's authorities.
    command.env("SSL_CERT_FILE", setting.certificates.file("ca.pem"));
    setting.assert_all_stay(&ended(&mut command), "certificate");
    assert_eq!(setting.nginx.requests(), "");
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let Some(setting) = Setting::new("elsewhere", "elsewhere", Access::Anybody) else { return };
    setting.assert_all_stay(&ended(&mut setting.trusting(&[GIVE_UP])), "certificate");
    assert_eq!(setting.nginx.requests(), "");
}

#[test]
fn insecure_trusts_everybody() {
    let Some(setting) = Setting::new("insecure", "elsewhere", Access::Anybody) else { return };
    setting.assert_all_stored(&ended(&mut setting.once(&["--insecure"])));
}

/// A machine without any authorities, such as a small container.
#[test]
fn no_authorities_at_all() {
    let Some(setting) = Setting::new("no-ca", "here", Access::Anybody) else { return };
    let empty = tempfile::tempdir().expect("a folder");
    let without = |mut command: Command| {
        command.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", empty.path());
        ended(&mut command)
    };
    setting.assert_all_stay(&without(setting.once(&[GIVE_UP])), "certificate");
    setting.assert_all_stored(&without(setting.trusting(&[])));
}

#[test]
fn a_ca_file_that_is_none_is_a_fault_of_the_configuration() {
    let Some(setting) = Setting::new("no-file", "here", Access::Anybody) else { return };
    let key = setting.certificates.file("here.key");
    for file in [Path::new("/dev/null"), Path::new("/no/such/file"), &key] {
        let ended = ended(&mut setting.once(&["--ca-file", file.to_str().expect("UTF-8")]));
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.contains("CA file"), "{}", ended.log);
        setting.assert_untouched();
    }
}

/// A folder with the secret in a file of the name that systemd would give it.
fn secret_file(name: &str, secret: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    // As an editor leaves it.
    fs::write(&file, format!("{secret}\n")).expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    (folder, path)
}

fn assert_secret(text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// How secrets look on their way: the password, and what basic authentication makes of it.
fn password_forms() -> [String; 2] {
    use base64::{Engine, prelude::BASE64_STANDARD};
    [PASSWORD.to_owned(), BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))]
}

#[test]
fn a_password_comes_from_a_file_the_environment_or_systemd() {
    for (name, source) in [("pass-file", "file"), ("pass-env", "environment"), ("pass-cred", "credential")] {
        let Some(setting) = Setting::new(name, "here", Access::User(USER, PASSWORD)) else { return };
        let (folder, file) = secret_file("opensearch-password", PASSWORD);
        let mut command = setting.trusting(&["--opensearch-user", USER]);
        match source {
            "file" => command.args(["--opensearch-password-file", &file]),
            "environment" => command.env("ERP_OPENSEARCH_PASSWORD", PASSWORD),
            _ => command.env("CREDENTIALS_DIRECTORY", folder.path()),
        };
        let ended = ended(&mut command);
        setting.assert_all_stored(&ended);
        assert_secret(&ended.log, &password_forms().each_ref().map(String::as_str));
    }
}

#[test]
fn an_api_key_comes_from_a_file_the_environment_or_systemd() {
    for (name, source) in [("key-file", "file"), ("key-env", "environment"), ("key-cred", "credential")] {
        let Some(setting) = Setting::new(name, "here", Access::ApiKey(KEY)) else { return };
        let (folder, file) = secret_file("opensearch-api-key", KEY);
        let mut command = setting.trusting(&[]);
        match source {
            "file" => command.args(["--opensearch-api-key-file", &file]),
            "environment" => command.env("ERP_OPENSEARCH_API_KEY", KEY),
            _ => command.env("CREDENTIALS_DIRECTORY", folder.path()),
        };
        let ended = ended(&mut command);
        setting.assert_all_stored(&ended);
        assert_secret(&ended.log, &[KEY]);
    }
}

#[test]
fn with_a_wrong_secret_or_none_every_mail_stays() {
    let Some(setting) = Setting::new("denied", "here", Access::User(USER, PASSWORD)) else { return };
    let (_folder, wrong) = secret_file("opensearch-password", "wrong-password");
    let refused =
        ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-user", USER, "--opensearch-password-file", &wrong]));
    setting.assert_all_stay(&refused, "401");
    assert_secret(&refused.log, &["wrong-password"]);
    setting.assert_all_stay(&ended(&mut setting.trusting(&[GIVE_UP])), "401");

    let Some(setting) = Setting::new("denied-key", "here", Access::ApiKey(KEY)) else { return };
    let (_folder, wrong) = secret_file("opensearch-api-key", "d3Jvbmctd3Jvbmc=");
    let refused = ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-api-key-file", &wrong]));
    setting.assert_all_stay(&refused, "401");
    assert_secret(&refused.log, &["d3Jvbmctd3Jvbmc"]);
}

/// What a secret that can't be sent is must not be told either.
#[test]
fn a_secret_that_can_not_be_sent_is_not_told() {
    let Some(setting) = Setting::new("unsendable", "here", Access::ApiKey(KEY)) else { return };
    for secret in ["hidden\nsecond line", "hidden\u{1}", "hidden ß", ""] {
        let (_folder, file) = secret_file("opensearch-api-key", secret);
        let ended = ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-api-key-file", &file]));
        assert_eq!(ended.code, Some(78), "{secret:?}: {}", ended.log);
        assert_secret(&ended.log, &["hidden"]);
        setting.assert_untouched();
    }
}

/// Other users see the command line of every process.
#[test]
fn secrets_are_not_on_the_command_line_of_a_running_program() {
    let Some(setting) = Setting::new("cmdline", "here", Access::User(USER, PASSWORD)) else { return };
    let (_folder, file) = secret_file("opensearch-password", PASSWORD);
    let command =
        setting.trusting(&["--give-up-after=1m", "--opensearch-user", USER, "--opensearch-password-file", &file]);
    setting.nginx.set(Fault::Unavailable, Requests::All, true);
    let mut running = Running::start_command(command);
    running.wait_for_log("store unavailable");
    let proc = Path::new("/proc").join(running.pid().as_raw_nonzero().to_string());
    let forms = password_forms();
    for file in ["cmdline", "environ", "comm"] {
        let text = fs::read(proc.join(file)).expect("it runs");
        assert_secret(&String::from_utf8_lossy(&text), &forms.each_ref().map(String::as_str));
    }
    setting.nginx.set(Fault::Unavailable, Requests::All, false);
    let code = running.wait();
    setting.assert_all_stored(&Ended { code, stdout: String::new(), log: running.log() });
    assert_secret(&running.log(), &forms.each_ref().map(String::as_str));
}

/// Runs into trouble, sees that nothing is lost in it, and ends the trouble: the same run must then store everything once.
fn sit_out(setting: &Setting, requests: Requests, begin: impl FnOnce(&Setting), end: impl FnOnce(&Setting)) -> String {
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
    let template = setting.node.get(&format!("/_index_template/email-report-processor-{name}-dmarc"));
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
    sit_out_fault("page", Fault::Page, Requests::All, "a web page, and not an answer of OpenSearch");
}

#[test]
fn nginx_answers_bulk_requests_with_a_page() {
    sit_out_fault("page-bulk", Fault::Page, Requests::Bulk, "a web page, and not an answer of OpenSearch");
}

#[test]
fn redirects_are_not_followed() {
    sit_out_fault("redirect", Fault::Redirect, Requests::All, "307");
}

#[test]
fn redirects_of_bulk_requests_are_not_followed() {
    sit_out_fault("redirect-bulk", Fault::Redirect, Requests::Bulk, "307");
}

/// The secret goes to nobody else.
#[test]
fn the_secret_does_not_follow_a_redirect() {
    let Some(setting) = Setting::new("redirect-key", "here", Access::ApiKey(KEY)) else { return };
    setting.nginx.set(Fault::Redirect, Requests::All, true);
    let (_folder, file) = secret_file("opensearch-api-key", KEY);
    let ended = ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-api-key-file", &file]));
    setting.assert_all_stay(&ended, "307");
    assert!(!setting.nginx.requests().contains("/elsewhere"), "{}", setting.nginx.requests());
}

/// The documents are stored, and nobody learns of it at first.
fn sit_out_meddling(name: &'static str, meddling: Meddling, reason: &str) {
    let Some(setting) = Setting::new(name, "here", Access::Anybody) else { return };
    let mut stored = 0;
    let log = sit_out(
        &setting,
        Requests::Bulk,
        |setting| setting.meddle(meddling),
        |setting| {
            // Not all: further requests wait for the answers to the first ones.
            wait_until("a request to arrive", Duration::from_mins(1), || setting.stored() > 0);
            stored = setting.stored();
            setting.meddle(Meddling::Nothing);
        },
    );
    assert!(log.contains(reason), "no {reason:?} in {log}");
    // `all 9 rows were there`, or `3 rows new in …, 6 were there`
    let before = log.rsplit_once(" were there").unwrap_or_else(|| panic!("no duplicates in {log}")).0;
    let number = before.trim_end_matches(" rows").rsplit(' ').next().and_then(|number| number.parse().ok());
    assert!(number.is_some_and(|known: u64| known >= stored), "{stored} were stored unseen: {log}");
}

#[test]
fn the_connection_ends_in_the_middle_of_the_answer() {
    sit_out_meddling("cut", Meddling::Cut, "disconnected");
}

#[test]
fn half_the_answer() {
    sit_out_meddling("half", Meddling::Half, "not the answer to a bulk request");
}

#[test]
fn nginx_says_502_although_the_documents_were_stored() {
    sit_out_meddling("gateway", Meddling::Drop, "502");
}

#[test]
fn nginx_says_504_although_the_documents_were_stored() {
    sit_out_meddling("timeout", Meddling::Wait(Duration::from_mins(1)), "504");
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
    let Some(nginx) = Nginx::start(certificates, "here", Access::Anybody, &format!("127.0.0.1:{port}")) else { return };
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
    assert_eq!(node.count("dmarc-reports") + node.count("tlsrpt-reports"), corpus.manifest().documents);
}

/// A proxy that is told the next node, where one is in trouble.
#[test]
fn the_next_proxy_steps_in() {
    let Some(setting) = Setting::new("second", "here", Access::Anybody) else { return };
    let Some(sick) = Nginx::start(setting.certificates, "here", Access::Anybody, &setting.meddler.address) else {
        return;
    };
    sick.set(Fault::Unavailable, Requests::All, true);
    let mut command = program(["once", "--opensearch", &sick.url(), "--opensearch", &setting.nginx.url()]);
    command
        .args(["--dmarc-index=second-dmarc", "--tlsrpt-index=second-tlsrpt", "--ca-file"])
        .args([setting.certificates.file("ca.pem"), setting.maildir.path().to_owned()]);
    setting.assert_all_stored(&ended(&mut command));
    assert!(sick.requests().contains("503"), "{}", sick.requests());
}
