//! OpenSearch behind certificates, credentials and rights.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use super::{Found, check, opensearch::SERVER, run_command};
use crate::support::{
    nginx::{Access, Certificates, Fault, Nginx, Requests},
    program::program,
    server::Shared,
};

static CERTIFICATES: Shared<Certificates> = Shared::new(Certificates::make);

/// nginx before a real node, with the certificate of this name.
fn nginx(certificate: &str, access: Access) -> Option<(Nginx, &'static Certificates)> {
    let (server, certificates) = (SERVER.as_ref()?, CERTIFICATES.as_ref()?);
    let backend = server.url.strip_prefix("http://").expect("http");
    Some((Nginx::start(certificates, certificate, access, backend)?, certificates))
}

fn look(nginx: &Nginx, more: &[&str]) -> Found {
    let url = nginx.url();
    check(["--opensearch", &url].iter().chain(more))
}

#[test]
fn certificates_that_are_not_trusted_are_told() {
    let Some((nginx, certificates)) = nginx("here", Access::Anybody) else { return };
    let file = |name: &str| certificates.file(name).display().to_string();
    look(&nginx, &[]).has("store.reachable", "wrong", &["certificate", "--ca-file"]);
    let trusted = look(&nginx, &["--ca-file", &file("ca.pem")]);
    assert_eq!(trusted.code, Some(0), "{:?}", trusted.troubles());
    let other = look(&nginx, &["--ca-file", &file("other-ca.pem")]);
    other.has("store.reachable", "wrong", &["certificate", "--ca-file"]);
    let insecure = look(&nginx, &["--insecure"]);
    insecure.has("store.certificate", "warning", &["not checked"]);
    assert_eq!(insecure.code, Some(0));
    let none = look(&nginx, &["--ca-file", &file("here.key")]);
    none.has("store.certificate", "wrong", &["no certificate in it", "PEM"]);
}

#[test]
fn a_certificate_of_another_host_is_told() {
    let Some((nginx, certificates)) = nginx("elsewhere", Access::Anybody) else { return };
    let authority = certificates.file("ca.pem").display().to_string();
    let found = look(&nginx, &["--ca-file", &authority]);
    found.has("store.reachable", "wrong", &["Use a name that is in its certificate"]);
}

#[test]
fn credentials_that_are_refused_are_told_and_never_shown() {
    let Some((nginx, _)) = nginx("here", Access::User("reports", "right")) else { return };
    let with = |password: Option<&str>| {
        let mut command = program(["check", "--json", "--insecure", "--opensearch", &nginx.url()]);
        if let Some(password) = password {
            command.env("ERP_OPENSEARCH_USER", "reports").env("ERP_OPENSEARCH_PASSWORD", password);
        }
        let ended = run_command(command);
        assert!(!ended.stdout.contains("seCret") && !ended.log.contains("seCret"));
        Found::from(ended)
    };
    with(None).has("store.credentials", "wrong", &["401", "Give --opensearch-user"]);
    with(Some("seCret")).has("store.credentials", "wrong", &["401", "user and password"]);
    assert_eq!(with(Some("right")).code, Some(0));
}

#[test]
fn a_proxy_in_trouble_is_told() {
    let Some((nginx, _)) = nginx("here", Access::Anybody) else { return };
    for (fault, words) in [
        (Fault::Unavailable, "try again"),
        (Fault::Page, "not like OpenSearch"),
        (Fault::Redirect, "not like OpenSearch"),
    ] {
        nginx.set(fault, Requests::All, true);
        look(&nginx, &["--insecure"]).has("store.reachable", "wrong", &[words]);
        nginx.set(fault, Requests::All, false);
    }
}

/// Answers all but `GET /` as the security plugin does, which the node of the tests has not.
fn forbidding() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let reader = BufReader::new(client.try_clone().expect("a clone"));
            let lines: Vec<String> =
                reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let (status, body) = match lines.first().map_or("", String::as_str) {
                "GET / HTTP/1.1" => (
                    "200 OK",
                    r#"{"cluster_uuid":"x","version":{"distribution":"opensearch","number":"3.0.0"}}"#,
                ),
                _ => (
                    "403 Forbidden",
                    r#"{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/x]"},"status":403}"#,
                ),
            };
            let length = body.len();
            let _ = write!(
                client,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

#[test]
fn rights_that_are_missing_are_told_by_whether_storing_needs_them() {
    let found = check(["--opensearch", &forbidding(), "--dmarc-pipeline", "geo"]);
    assert_eq!(found.code, Some(0), "{:?}", found.troubles());
    for right in [
        "indices:admin/index_template/get",
        "indices:admin/mappings/get",
        "indices:monitor/settings/get",
        "cluster:admin/ingest/pipeline/get",
    ] {
        found.has("store.account", "warning", &["no permissions for", right]);
    }
    for (check, right) in [
        ("store.health", "cluster:monitor/health"),
        ("store.blocks", "cluster:monitor/state"),
        ("disk", "cluster:monitor/nodes/stats"),
        ("store.newest", "indices:data/read/search"),
    ] {
        found.has(check, "ok", &["is not seen", right]);
    }
}
