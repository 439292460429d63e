//! A real nginx for the tests: TLS and authentication in front of a server that has neither.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::server::skip;

/// Whom nginx lets in.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    Anybody,
    /// Basic authentication.
    User(&'static str, &'static str),
    /// `Authorization: ApiKey …`.
    ApiKey(&'static str),
    /// A certificate that `ca.pem` has signed.
    Certificate,
}

/// Faults that nginx shows while they are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503, as a proxy says it whose backends are all marked as down.
    Unavailable,
    /// A page with status 200, as in a maintenance.
    Page,
    /// A redirect to another place.
    Redirect,
    /// Some hundred bytes a second.
    Slow,
    /// A backend is waited for two seconds only.
    Impatient,
}

/// All requests, or only those that carry documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    All,
    Bulk,
}

/// What a role may lack the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Looking at templates, and installing them.
    Templates,
    /// Making an index by a request of its own.
    NewIndices,
}

const FAULTS: [Fault; 5] =
    [Fault::Unavailable, Fault::Page, Fault::Redirect, Fault::Slow, Fault::Impatient];

impl Fault {
    fn directive(self) -> &'static str {
        match self {
            Fault::Unavailable => "return 503;",
            Fault::Page => "return 200 '<html><h1>We will be back soon</h1></html>';",
            Fault::Redirect => "return 307 $scheme://$http_host/elsewhere$request_uri;",
            Fault::Slow => "set $limit_rate 500;",
            // How long is waited can't be said in an `if`.
            Fault::Impatient => "return 418;",
        }
    }
}

/// A certificate authority, a server's certificate for this machine, and one for another.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Made by openssl.
    pub fn make() -> Result<Certificates, &'static str> {
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            return Err("there is no openssl here");
        }
        let certificates = Certificates { folder: tempfile::tempdir().expect("a folder") };
        let config = "[req]\ndistinguished_name = dn\n[dn]\n\
            [ca]\nbasicConstraints = critical, CA:TRUE\n\
            [here]\nsubjectAltName = \
             IP:127.0.0.1, IP:::ffff:127.0.0.1\nbasicConstraints = CA:FALSE\n\
            [person]\nbasicConstraints = CA:FALSE\n\
            [elsewhere]\nsubjectAltName = DNS:elsewhere.example, IP:192.0.2.1\nbasicConstraints = CA:FALSE\n";
        fs::write(certificates.file("config"), config).expect("written");
        for ca in ["ca", "other-ca"] {
            certificates.openssl(ca, "ca", &[]);
        }
        for server in ["here", "elsewhere"] {
            certificates.openssl(server, server, &["-CA", "ca.pem", "-CAkey", "ca.key"]);
        }
        certificates.openssl("person", "person", &["-CA", "ca.pem", "-CAkey", "ca.key"]);
        certificates.openssl(
            "stranger",
            "person",
            &["-CA", "other-ca.pem", "-CAkey", "other-ca.key"],
        );
        Ok(certificates)
    }

    /// Certificate and key of a server.
    pub fn of(&self, name: &str) -> [PathBuf; 2] {
        ["pem", "key"].map(|kind| self.file(&format!("{name}.{kind}")))
    }

    fn openssl(&self, name: &str, extensions: &str, more: &[&str]) {
        let output = Command::new("openssl")
            .current_dir(self.folder.path())
            .args("req -x509 -config config -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '))
            .args(["-extensions", extensions, "-subj", &format!("/CN={name}")])
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .args(more)
            .output()
            .expect("openssl runs");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `ca.pem`, `other-ca.pem`, or the certificate and key of a server.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A running nginx. It ends when this is dropped, and with the test's thread in any case.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Nginx {
    /// Starts nginx with the certificate of this name, before the server at `backend` (host and
    /// port). Nothing, and the test is skipped, where it is missing.
    pub fn start(
        certificates: &Certificates,
        certificate: &str,
        access: Access,
        backend: &str,
    ) -> Option<Nginx> {
        let tls = certificates.of(certificate);
        Nginx::of_config(|folder, port| config(folder, port, &tls, access, backend))
    }

    /// Starts nginx with a configuration, which is written for a folder and a port.
    pub fn of_config(config: impl Fn(&Path, u16) -> String) -> Option<Nginx> {
        // Debian keeps it where only root's PATH leads to.
        let programs = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
        let Some(program) = programs.into_iter().find(|program| Path::new(program).exists()) else {
            skip("there is no nginx here");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        // The port that was free a moment ago may be taken by another test.
        for _ in 0..5 {
            let port = free_port();
            fs::write(folder.path().join("conf"), config(folder.path(), port)).expect("written");
            // setpriv becomes nginx; what is left of a killed test must not stay behind.
            let mut child = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", program, "-e", "log", "-c", "conf", "-p"])
                .arg(folder.path())
                .stdin(Stdio::null())
                .spawn()
                .expect("nginx starts");
            for _ in 0..1000 {
                if child.try_wait().expect("a status").is_some() {
                    break;
                }
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Some(Nginx { child, folder, port });
                }
                thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!(
            "nginx does not start: {}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }

    /// Its address, as for `--opensearch`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Switches a fault on or off.
    pub fn set(&self, fault: Fault, requests: Requests, on: bool) {
        let file = fault_file(self.folder.path(), fault, requests);
        if on {
            fs::write(file, "").expect("written");
        } else if file.exists() {
            fs::remove_file(file).expect("removed");
        }
    }

    /// Gives a right, or takes it away: what needs it is answered as OpenSearch's security plugin
    /// does.
    pub fn allow(&self, right: Right, is_allowed: bool) {
        let file = forbidden_file(self.folder.path(), &format!("{right:?}"));
        if is_allowed {
            fs::remove_file(file).expect("removed");
        } else {
            fs::write(file, "").expect("written");
        }
    }

    /// The requests so far, one a line: method, path, status.
    pub fn requests(&self) -> String {
        fs::read_to_string(self.folder.path().join("access")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on, as far as one can know.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

fn forbidden_file(folder: &Path, right: &str) -> PathBuf {
    folder.join(format!("forbidden-{right}"))
}

fn fault_file(folder: &Path, fault: Fault, requests: Requests) -> PathBuf {
    folder.join(format!("{fault:?}-{requests:?}"))
}

/// The directives for the faults of some requests. Nothing is reread for one: nginx looks for its
/// file at each request.
fn faults(folder: &Path, requests: &[Requests]) -> String {
    let all = requests.iter().flat_map(|requests| FAULTS.map(|fault| (fault, *requests)));
    let switches = all.map(|(fault, requests)| {
        let file = fault_file(folder, fault, requests);
        format!("if (-f {}) {{ {} }}", file.display(), fault.directive())
    });
    switches.collect::<Vec<_>>().join("\n")
}

/// What says who is let in: directives of all servers, and of this one.
fn checks(folder: &Path, certificate: &Path, access: Access) -> (String, String) {
    match access {
        Access::Anybody => (String::new(), String::new()),
        Access::Certificate => {
            let authority = certificate.with_file_name("ca.pem").display().to_string();
            let check = format!("ssl_verify_client on; ssl_client_certificate {authority};");
            (String::new(), check)
        }
        Access::User(user, password) => {
            write_password(folder, user, password);
            let check = "auth_basic OpenSearch; auth_basic_user_file htpasswd;";
            (String::new(), check.into())
        }
        Access::ApiKey(key) => (
            format!("map $http_authorization $allowed {{ default 0; 'ApiKey {key}' 1; }}"),
            "if ($allowed = 0) { return 401; }".into(),
        ),
    }
}

fn config(
    folder: &Path,
    port: u16,
    [certificate, key]: &[PathBuf; 2],
    access: Access,
    backend: &str,
) -> String {
    let faults_of_all = faults(folder, &[Requests::All]);
    let faults_of_bulk = faults(folder, &[Requests::All, Requests::Bulk]);
    let (allowed, check) = checks(folder, certificate, access);
    let forbidden = format!(
        "if (-f {}) {{ return 403 '{{\"error\":{{\"reason\":\"no permissions for $right\"}}}}'; }}",
        forbidden_file(folder, "$right").display()
    );
    whole(&format!(
        "client_max_body_size 0;
            default_type text/html;
            {allowed}
            map '$request_method $uri' $right {{
                default Nothing;
                '~ /_(index|component)_template' Templates;
                '~^PUT /[^_/][^/]*$' NewIndices;
            }}
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {certificate}; ssl_certificate_key {key};
                {check}
                error_page 418 = @impatient;
                location / {{ {faults_of_all} {forbidden} proxy_pass http://{backend}; }}
                location = /_bulk {{ {faults_of_bulk} proxy_pass http://{backend}; }}
                location @impatient {{ proxy_read_timeout 2s; proxy_pass http://{backend}; }}
                location /elsewhere/ {{ proxy_pass http://{backend}/; }}
            }}",
        certificate = certificate.display(),
        key = key.display(),
    ))
}

/// Writes `htpasswd` with one user.
pub fn write_password(folder: &Path, user: &str, password: &str) {
    let output =
        Command::new("openssl").args(["passwd", "-apr1", password]).output().expect("openssl runs");
    let hash = String::from_utf8(output.stdout).expect("UTF-8");
    fs::write(folder.join("htpasswd"), format!("{user}:{hash}")).expect("written");
}

/// A configuration around what is to stand within `http`.
pub fn whole(http: &str) -> String {
    // Configuration files are looked for beside the configuration, the others below the prefix:
    // both are the folder. One process alone, so that the end of it is the end of all.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off; master_process off; {user} pid pid; error_log log;
        events {{}}
        http {{
            log_format short '$request_method $uri $status';
            access_log access short;
            client_body_temp_path body; proxy_temp_path proxy;
            fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            {http}
        }}"
    )
}
