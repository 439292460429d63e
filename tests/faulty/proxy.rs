//! nginx in front for TLS and authentication: with the wrong CA, host name or credentials nothing
//! moves.

use std::{fs, path::Path};

use super::{LeftOut, Size, compare, node, seed};
use crate::support::{
    corpus::Corpus,
    nginx::{Access, Certificates, Nginx},
    program::{self, Ended, TestMaildir},
};

pub fn run(size: Size) -> LeftOut {
    if !Path::new("/usr/sbin/nginx").exists() {
        return Err("there is no nginx here".into());
    }
    let certificates = Certificates::make()?;
    let server = node::shared()?;
    let backend = server.url.trim_start_matches("http://");
    let access = Access::User("reports", "current");
    let start = |certificate| {
        Nginx::start(&certificates, certificate, access, backend).ok_or("nginx did not start")
    };
    let (right, other_host) = (start("here")?, start("elsewhere")?);
    let folder = tempfile::tempdir().expect("a folder");
    let password = |word: &str| {
        let file = folder.path().join(word);
        fs::write(&file, word).expect("written");
        file.display().to_string()
    };
    let (current, expired) = (password("current"), password("expired"));

    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(300, 10_000)) };
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let once = |nginx: &Nginx, ca: &str, password: &str, patience: &str| {
        once_through(&maildir, &nginx.url(), &certificates.file(ca), password, patience)
    };
    for (what, nginx, ca, password) in [
        ("a wrong CA", &right, "other-ca.pem", &current),
        ("a wrong host name", &other_host, "ca.pem", &current),
        ("expired credentials", &right, "ca.pem", &expired),
    ] {
        let ended = once(nginx, ca, password, "--give-up-after=1s");
        assert_eq!(
            (ended.code, maildir.count("new")),
            (Some(75), corpus.len()),
            "{what}: {}",
            ended.log
        );
    }
    let ended = once(&right, "ca.pem", &current, "--give-up-after=2m");
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    compare::opensearch(server, "tls-", &corpus.manifest());
    compare::settled(&maildir, &corpus.manifest());
    Ok(())
}

fn once_through(
    maildir: &TestMaildir,
    url: &str,
    ca: &Path,
    password: &str,
    patience: &str,
) -> Ended {
    program::run([
        "once",
        patience,
        "--opensearch",
        url,
        "--ca-file",
        ca.to_str().expect("UTF-8"),
        "--opensearch-user=reports",
        "--dmarc-index=tls-dmarc-reports",
        "--tlsrpt-index=tls-tlsrpt-reports",
        "--opensearch-password-file",
        password,
        maildir.path().to_str().expect("UTF-8"),
    ])
}
