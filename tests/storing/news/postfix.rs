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

struct Postfix {
    folder: TempDir,
    port: u16,
}

impl Postfix {
    /// One that takes mail on a port, by TLS with a certificate if there is one; nothing where it
    /// can't be had.
    fn start(certificate: Option<(&Certificates, &str)>) -> Option<Postfix> {
        let folder =
            tempfile::Builder::new().prefix("postfix").tempdir_in("/tmp").expect("a folder");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), mode).expect("open to others");
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
        assert_eq!(postfix.run("listen", &listen), Some(0));
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
        let server = format!("--smtp={scheme}://127.0.0.1:{}", self.port);
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
    // It refuses the recipient.
    let ended = postfix.digest("smtp", &["--mail-to=no-such-user@mail.example"]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
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
