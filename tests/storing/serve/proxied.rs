//! Behind a real nginx and a real Caddy, as contrib/proxy has them: TLS, a path, and the person's
//! name.

use std::{fs, path::Path, time::Duration};

use ureq::{
    Body,
    http::{HeaderMap, Response},
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{
    Served,
    people::{Home, value},
};
use crate::support::{
    caddy::Caddy,
    nginx::{Certificates, Nginx, whole, write_password},
    server::skip,
};

/// A file of contrib/proxy.
fn written(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/proxy").join(name);
    fs::read_to_string(path).expect("an example")
}

/// The same for this machine: each of these is replaced.
fn replaced(name: &str, places: &[(&str, String)]) -> String {
    places.iter().fold(written(name), |text, (there, here)| {
        assert!(text.contains(there), "{there}");
        text.replacen(there, here, 1)
    })
}

fn nginx_conf(folder: &Path, port: u16, certificates: &Certificates, backend: &str) -> String {
    write_password(folder, "anna", "correct horse");
    let [certificate, key] = certificates.of("here").map(|path| path.display().to_string());
    whole(&replaced(
        "nginx.conf",
        &[
            ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
            ("server_name reports.example.org", "server_name 127.0.0.1".into()),
            ("/etc/ssl/certs/reports.example.org.pem", certificate),
            ("/etc/ssl/private/reports.example.org.key", key),
            ("/etc/nginx/reports.htpasswd", folder.join("htpasswd").display().to_string()),
            ("http://127.0.0.1:8080", backend.to_owned()),
        ],
    ))
}

fn caddyfile(port: u16, hash: &str, certificates: &Certificates, backend: &str) -> String {
    let [certificate, key] = certificates.of("here").map(|path| path.display().to_string());
    let text = replaced(
        "Caddyfile",
        &[
            // Without it Caddy gets a certificate from an authority.
            (
                "reports.example.org {",
                format!("https://127.0.0.1:{port} {{\n\ttls {certificate} {key}"),
            ),
            ("$2a$14$0123456789012345678901uQ2Wv0zB0m8m8m8m8m8m8m8m8m8m8m8m", hash.to_owned()),
            ("127.0.0.1:8080", backend.trim_start_matches("http://").to_owned()),
        ],
    );
    format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}")
}

/// The flags that an example names.
fn flags(name: &str) -> Vec<String> {
    let text = written(name);
    let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
    let (_, command) = comment.split_once(" serve --").expect("a command");
    let (command, _) = command.split_once("# For").expect("an end");
    let words = format!("--{command}").replace(['\\', '#'], " ");
    words.split_whitespace().map(str::to_owned).collect()
}

/// What Anna's browser says of her.
const ANNA: &str = "Basic YW5uYTpjb3JyZWN0IGhvcnNl";

/// Who comes by way of the proxy.
struct Visitor {
    agent: ureq::Agent,
    url: String,
}

impl Visitor {
    fn new(certificates: &Certificates, url: String) -> Visitor {
        let ca = fs::read(certificates.file("ca.pem")).expect("a certificate");
        let ca = Certificate::from_pem(&ca).expect("a certificate");
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca])).build();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls)
            .timeout_global(Some(Duration::from_mins(1)));
        Visitor { agent: config.build().into(), url }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.call().expect("an answer");
        let body = answer.body_mut().read_to_string().expect("UTF-8");
        (answer.status().as_u16(), answer.headers().clone(), body)
    }

    /// Sends Anna's form from a page of this origin.
    fn post(&self, origin: &str, cookie: &str, fields: [(&str, &str); 3]) -> Response<Body> {
        self.agent
            .post(format!("{}/reports/mine", self.url))
            .header("authorization", ANNA)
            .header("cookie", cookie)
            .header("origin", origin)
            .send_form(fields)
            .expect("an answer")
    }
}

/// The program as an example says.
fn serve(home: &Home, example: &str) -> Served {
    let flags = flags(example);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(flags[..2], ["--base-path", "/reports"], "{flags:?}");
    home.serve(&flags)
}

#[test]
fn nginx_gives_tls_a_path_and_the_persons_name() {
    let Ok(certificates) = Certificates::make().map_err(skip) else { return };
    let home = Home::new();
    let served = serve(&home, "nginx.conf");
    let config = |folder: &Path, port| nginx_conf(folder, port, &certificates, &served.url);
    let Some(nginx) = Nginx::of_config(config) else { return };
    let visitor = Visitor::new(&certificates, nginx.url());
    only_anna_comes_in(&home, &visitor);
    let log = served.stop().1;
    assert!(log.contains("anna says: 192.0.2.7 is example.org's own"), "{log}");
}

#[test]
fn caddy_gives_tls_a_path_and_the_persons_name() {
    let Ok(certificates) = Certificates::make().map_err(skip) else { return };
    let Some(hash) = Caddy::hash("correct horse") else { return };
    let home = Home::new();
    let served = serve(&home, "Caddyfile");
    let config = |port| caddyfile(port, &hash, &certificates, &served.url);
    let caddy = Caddy::of_config(config);
    let visitor = Visitor::new(&certificates, caddy.url());
    only_anna_comes_in(&home, &visitor);
    let log = served.stop().1;
    assert!(log.contains("anna says: 192.0.2.7 is example.org's own"), "{log}");
}

/// What both examples promise.
fn only_anna_comes_in(home: &Home, visitor: &Visitor) {
    let get = |path: &str, headers: &[(&str, &str)]| visitor.get(path, headers);
    assert_eq!(get("/reports/", &[]).0, 401);
    assert_eq!(get("/reports/", &[("x-remote-user", "anna")]).0, 401);
    let (status, headers, _) = get("/reports", &[("authorization", ANNA)]);
    let location = headers["location"].to_str().expect("text");
    assert!(status == 308 && location.ends_with("/reports/"), "{location}");
    // What a client makes up takes no effect: its header is replaced.
    let made_up = [
        ("authorization", ANNA),
        ("x-remote-user", "evil"),
        ("X_Remote_User", "evil"),
        ("x-forwarded-proto", "http"),
        ("connection", "close, x-remote-user"),
    ];
    let page = "/reports/domain?since=all&domain=example.org";
    let (status, headers, body) = get(page, &made_up);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<bdi>anna</bdi>") && !body.contains("evil"), "{body}");
    let cookie = headers["set-cookie"].to_str().expect("text");
    assert!(cookie.starts_with("__Secure-erp-visit="), "{cookie}");
    assert!(cookie.contains("; Path=/reports;") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(headers.contains_key("strict-transport-security"));
    for link in body.split("href=\"").skip(1).chain(body.split("action=\"").skip(1)) {
        assert!(link.starts_with("/reports/") || link.starts_with("#main"), "{link}");
    }

    let token = value(&body, "token").expect("a token");
    let (cookie, _) = cookie.split_once(';').expect("a cookie");
    let back = page.replace("since=all", "since=1y");
    let fields = [("token", &*token), ("back", &back), ("add", "example.org 192.0.2.7")];
    assert_eq!(visitor.post("https://evil.example", cookie, fields).status(), 403);
    assert_eq!(home.said(), "");
    let answer = visitor.post(&visitor.url, cookie, fields);
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], back.as_str());
    assert!(home.said().contains("192.0.2.7"), "{}", home.said());
}
