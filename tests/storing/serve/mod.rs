//! `serve`: the pages as a browser gets them, from the real program.

mod accessible;
mod accounts;
mod attacked;
mod browser;
mod clicked;
mod guard;
mod kept;
mod limits;
mod lists;
mod pages;
mod people;
mod proxied;
mod strangers;
mod verdicts;

use std::{path::Path, time::Duration};

use tempfile::TempDir;

use crate::support::program::{Running, TestMaildir, program, run, run_with_input};

/// A report whose texts are written against who shows them.
pub const EVIL: &str = "\u{202e}<script>alert(1)</script>\"'><img src=x onerror=alert(2)>=1+1";

/// The program, serving a store.
pub struct Served {
    running: Running,
    /// `http://127.0.0.1:40000`.
    pub url: String,
}

/// What came back.
pub struct Got {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Served {
    pub fn start(arguments: &[&str]) -> Served {
        let listen = ["serve", "--listen", "127.0.0.1:0"];
        Served::of(Running::start_command(program(listen.iter().chain(arguments))))
    }

    pub fn of(running: Running) -> Served {
        running.wait_for_log("pages at http://");
        let log = running.log();
        let (_, rest) = log.split_once("pages at ").expect("an address");
        let address = rest.split_whitespace().next().expect("an address");
        let (host, _) = address["http://".len()..].split_once('/').expect("a path");
        Served { running, url: format!("http://{host}") }
    }

    pub fn store(path: &Path) -> Served {
        Served::start(&["--store", path.to_str().expect("UTF-8")])
    }

    pub fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[])
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        match method {
            // Without a body no length is said.
            "POST" => self.send(path, headers, String::new()),
            _ => self.run(method, path, headers, ()),
        }
    }

    /// Sends a body by POST.
    pub fn send(&self, path: &str, headers: &[(&str, &str)], body: String) -> Got {
        self.run("POST", path, headers, body)
    }

    fn run(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl ureq::AsSendBody,
    ) -> Got {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_mins(1)))
            .build()
            .into();
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = agent.run(request.body(body).expect("a request")).expect("an answer");
        let body = answer.body_mut().read_to_string().expect("UTF-8");
        Got { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
    }

    /// A page that is there.
    pub fn page(&self, path: &str) -> String {
        let got = self.get(path);
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        assert!(is_whole(&got.body), "{path}: {}", got.body);
        got.body
    }

    pub fn stop(self) -> (Option<i32>, String) {
        self.running.stop()
    }
}

/// True if each element that is opened is closed, in order.
fn is_whole(html: &str) -> bool {
    const VOID: [&str; 5] = ["meta", "link", "input", "br", "img"];
    let mut open: Vec<&str> = Vec::new();
    for part in html.split('<').skip(1) {
        let Some((tag, _)) = part.split_once('>') else { return false };
        let name = tag.split_whitespace().next().unwrap_or_default();
        if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        match tag.strip_prefix('/') {
            None => open.push(name),
            Some(name) if open.pop() == Some(name) => {}
            Some(_) => return false,
        }
    }
    open.is_empty()
}

/// A store with the sample mails.
pub fn sample_store() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.sqlite");
    let mails = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/demo/mails");
    let ended = run(["-q", "import", "--store"]
        .map(Path::new)
        .iter()
        .chain([&path.as_path(), &mails.as_path()]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    (folder, path)
}

/// A store with a DMARC, a TLS and a failure report full of hostile texts.
pub fn hostile_store() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.sqlite");
    let huge = "x".repeat(4000);
    let text = EVIL.replace('&', "&amp;").replace('<', "&lt;");
    let xml = format!(
        "<feedback><report_metadata><org_name>{text}</org_name><email>{text}</email>\
         <report_id>{text}{huge}</report_id><error>{text}</error><date_range>\
         <begin>1795000000</begin><end>1795086399</end></date_range></report_metadata>\
         <policy_published><domain>{text}</domain><p>{text}</p></policy_published>\
         <record><row><source_ip>192.0.2.1</source_ip><count>18446744073709551615</count>\
         <policy_evaluated><disposition>{text}</disposition><dkim>fail</dkim><spf>fail</spf>\
         <reason><type>{text}</type><comment>{text}</comment></reason></policy_evaluated></row>\
         <identifiers><header_from>{text}</header_from></identifiers><auth_results>\
         <dkim><domain>{text}</domain><selector>{text}</selector><result>pass</result></dkim>\
         <spf><domain>{text}</domain><result>{text}</result></spf></auth_results></record>\
         </feedback>"
    );
    let json = serde_json::json!({
        "organization-name": EVIL, "contact-info": EVIL, "report-id": EVIL,
        "date-range": {
            "start-datetime": "2026-11-18T00:00:00Z", "end-datetime": "2026-11-18T23:59:59Z"
        },
        "policies": [{
            "policy": { "policy-type": EVIL, "policy-domain": EVIL, "mx-host": [EVIL] },
            "summary": { "total-successful-session-count": 1, "total-failure-session-count": 2 },
            "failure-details": [{ "result-type": EVIL, "failed-session-count": 2,
                                  "additional-information": EVIL }],
        }],
    });
    let failure = "From: r@example.net\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
                   report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\
                   \r\n\r\nx\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
                   Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: x\r\n\
                   Auth-Failure: <script>alert(1)</script>\r\nSource-IP: 192.0.2.1\r\n\
                   Arrival-Date: Wed, 18 Nov 2026 12:00:00 +0000\r\n\
                   Reported-Domain: <img/src=x>\r\nOriginal-Rcpt-To: secret@example.org\r\n\r\n\
                   --b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: secret subject\r\n\
                   \r\n--b--\r\n";
    for input in [xml.as_bytes(), json.to_string().as_bytes(), failure.as_bytes()] {
        let store = ["--store", path.to_str().expect("UTF-8")];
        let ended = run_with_input(store, input);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    (folder, path)
}

/// A Maildir with a mail that failed.
pub fn maildir_with_failed_mail() -> TestMaildir {
    let maildir = TestMaildir::new();
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.path().join(".failed").join(folder)).expect("made");
    }
    let mail = "X-Email-Report-Processor-Error: no report <b>in it\r\nSubject: x\r\n\r\nbody\r\n";
    std::fs::write(maildir.path().join(".failed/new/1.a.host"), mail).expect("written");
    maildir
}
