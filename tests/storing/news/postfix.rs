//! A real SMTP server: Postfix, with everything below a folder, on a free port of this machine.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{flag, shown, year};
use crate::support::{
    nginx::{Certificates, free_port},
    program::{Ended, run, wait_until},
    server::{skip, tests_folder},
};

/// Of who may send.
const PASSWORD: &str = "open-sesame";

struct Postfix {
    folder: TempDir,
    port: u16,
}

impl Postfix {
    /// One that takes mail on a port, by TLS with a certificate if there is one; nothing where it
    /// can't be had.
    fn start(certificate: Option<(&Certificates, &str)>) -> Option<Postfix> {
        Postfix::with("listen", certificate, &[])
    }

    /// One that takes mail from who has the password, as submission servers do.
    fn submission(certificates: &Certificates, name: &str, more: &[&str]) -> Option<Postfix> {
        let login = ["reports", PASSWORD];
        let more: Vec<&str> = login.iter().chain(more).copied().collect();
        Postfix::with("submission", Some((certificates, name)), &more)
    }

    fn with(
        command: &str,
        certificate: Option<(&Certificates, &str)>,
        more: &[&str],
    ) -> Option<Postfix> {
        let folder =
            tempfile::Builder::new().prefix("postfix").tempdir_in("/tmp").expect("a folder");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("open to others");
        let postfix = Postfix { folder, port: free_port() };
        if postfix.run("setup", &[]) == Some(69) {
            skip("Postfix is not installed, or this is not root");
            return None;
        }
        let port = postfix.port.to_string();
        let mut listen = vec![port.as_str()];
        let files = certificate.map(|(all, name)| {
            [".pem", ".key"].map(|end| all.file(&format!("{name}{end}")).display().to_string())
        });
        listen.extend(files.iter().flatten().map(String::as_str));
        listen.extend(more);
        assert_eq!(postfix.run(command, &listen), Some(0));
        assert_eq!(postfix.run("start", &[]), Some(0));
        let is_there = || TcpStream::connect((Ipv4Addr::LOCALHOST, postfix.port)).is_ok();
        wait_until("Postfix", Duration::from_secs(20), is_there);
        Some(postfix)
    }

    fn run(&self, command: &str, more: &[&str]) -> Option<i32> {
        let mut run = Command::new(tests_folder().join("postfix/run"));
        run.arg(command).arg(self.folder.path()).args(more).status().expect("it runs").code()
    }

    /// The mailbox of the one who gets mail.
    fn mailbox(&self) -> String {
        fs::read_to_string(self.folder.path().join("stranger.mbox")).unwrap_or_default()
    }

    fn digest(&self, scheme: &str, more: &[&str]) -> Ended {
        self.digest_to(&format!("{scheme}://127.0.0.1"), more)
    }

    fn digest_to(&self, server: &str, more: &[&str]) -> Ended {
        let server = format!("--smtp={server}:{}", self.port);
        let store = flag("--store", year::store());
        let fixed =
            ["digest", "--until=2026-05-20", "--mail-to=stranger@mail.example", &server, &store];
        run(fixed.iter().chain(more))
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.run("stop", &[]);
        // Its processes end a moment later.
        thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_server_takes_the_digest() {
    let Some(postfix) = Postfix::start(None) else { return };
    let ended = postfix.digest("smtp", &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    wait_until("a mail", Duration::from_secs(20), || postfix.mailbox().contains("</html>"));
    let (subject, text, _) =
        shown(postfix.mailbox().split_once('\n').expect("a mail").1.as_bytes());
    assert!(subject.ends_with(": 1 thing needs attention"), "{subject}");
    assert_eq!(text.lines().next(), Some("1 thing needs attention."));
    // It refuses a recipient: the other one has it all the same.
    let mails = || postfix.mailbox().matches("\nMessage-ID: ").count();
    assert_eq!(mails(), 1);
    let ended = postfix.digest("smtp", &["--mail-to=no-such-user@mail.example"]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("was not sent to no-such-user@mail.example: "), "{}", ended.log);
    assert!(!ended.log.contains("stranger@mail.example"), "{}", ended.log);
    wait_until("the other's mail", Duration::from_secs(20), || mails() == 2);
    // By TLS nobody answers.
    let ended = postfix.digest("smtps", &[]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
}

#[test]
fn a_server_is_known_by_its_certificate() {
    let Ok(certificates) = Certificates::make() else { return };
    for (name, is_known) in [("here", true), ("elsewhere", false)] {
        let Some(postfix) = Postfix::start(Some((&certificates, name))) else { return };
        let authority = flag("--smtp-ca-file", &certificates.file("ca.pem"));
        let ended = postfix.digest("smtps", &[&authority]);
        assert_eq!(ended.code, Some(if is_known { 1 } else { 75 }), "{name}: {}", ended.log);
        // The system's authorities do not know it.
        let ended = postfix.digest("smtps", &[]);
        assert_eq!(ended.code, Some(75), "{name}: {}", ended.log);
        if is_known {
            wait_until("a mail", Duration::from_secs(20), || postfix.mailbox().contains("</html>"));
        } else {
            assert_eq!(postfix.mailbox(), "");
        }
    }
}

/// By STARTTLS, and by TLS from the first byte, with a user and a password. The address is one by
/// which this machine is not known to be this one: there is no mail without TLS.
#[test]
fn who_logs_in_may_send() {
    let Ok(certificates) = Certificates::make() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let login = |password: &str| {
        let file = folder.path().join(password);
        fs::write(&file, password).expect("written");
        ["--smtp-user=reports".to_owned(), flag("--smtp-password-file", &file)]
    };
    let authority = flag("--smtp-ca-file", &certificates.file("ca.pem"));
    for (scheme, more) in [("smtp", &[][..]), ("smtps", &["wrapped"][..])] {
        let Some(postfix) = Postfix::submission(&certificates, "here", more) else { return };
        let digest = |flags: &[String]| {
            let flags = [&authority].into_iter().chain(flags);
            let flags: Vec<&str> = flags.map(String::as_str).collect();
            postfix.digest_to(&format!("{scheme}://[::ffff:127.0.0.1]"), &flags)
        };
        let ended = digest(&login("wrong"));
        assert_eq!(ended.code, Some(75), "{scheme}: {}", ended.log);
        assert!(ended.log.contains("authentication failed"), "{scheme}: {}", ended.log);
        // Who is not let in does not try for each of those who are to have it.
        let mut several = login("wrong").to_vec();
        several.push("--mail-to=other@mail.example".into());
        let ended = digest(&several);
        assert!(ended.log.contains("to other@mail.example: the same"), "{scheme}: {}", ended.log);
        let ended = digest(&[]);
        assert_eq!(ended.code, Some(75), "{scheme}: nobody said who it is: {}", ended.log);
        assert_eq!(postfix.mailbox(), "", "{scheme}");
        let ended = digest(&login(PASSWORD));
        assert_eq!(ended.code, Some(1), "{scheme}: {}", ended.log);
        wait_until("a mail", Duration::from_secs(20), || postfix.mailbox().contains("</html>"));
        let log = fs::read_to_string(postfix.folder.path().join("maillog")).expect("a log");
        assert!(log.contains("sasl_username=reports"), "{scheme}: {log}");
    }
}

#[test]
fn starttls_with_the_certificate_of_another_is_none() {
    let Ok(certificates) = Certificates::make() else { return };
    let Some(postfix) = Postfix::submission(&certificates, "elsewhere", &[]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, PASSWORD).expect("written");
    let flags = [
        "--smtp-user=reports".to_owned(),
        flag("--smtp-password-file", &file),
        flag("--smtp-ca-file", &certificates.file("ca.pem")),
    ];
    let ended =
        postfix.digest_to("smtp://[::ffff:127.0.0.1]", &flags.each_ref().map(String::as_str));
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("certificate"), "{}", ended.log);
    let log = fs::read_to_string(postfix.folder.path().join("maillog")).expect("a log");
    assert!(!log.contains("auth="), "the password was not sent: {log}");
    assert_eq!(postfix.mailbox(), "");
}

#[test]
fn a_password_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "open-sesame\n").expect("written");
    let port = free_port();
    let ended = run([
        "digest".to_owned(),
        "-vv".into(),
        "--until=2026-05-20".into(),
        "--mail-to=ops@example.com".into(),
        format!("--smtp=smtp://127.0.0.1:{port}"),
        "--smtp-user=me".into(),
        flag("--smtp-password-file", &file),
        flag("--store", year::store()),
    ]);
    assert_eq!(ended.code, Some(75), "nobody listens: {}", ended.log);
    assert!(ended.log.contains(&port.to_string()), "{}", ended.log);
    assert!(!ended.log.contains("open-sesame"), "{}", ended.log);
}
