//! What the user says is his: kept in a file beside the store, which all that shows senders goes
//! by.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{Ended, run};

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        Home { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let store = self.path("reports.sqlite");
        let arguments = arguments.iter().map(Path::new);
        run(arguments.chain([Path::new("--store"), &store]))
    }

    fn mine(&self) -> String {
        fs::read_to_string(self.path("mine.toml")).expect("a file")
    }

    /// A store with a report a day: ten messages of a network that fail.
    fn fill(&self, days: i64) {
        let first = jiff::Timestamp::now().as_second() - days * 86_400;
        let reports: Vec<PathBuf> = (0..days)
            .map(|day| {
                let begin = first + day * 86_400;
                let path = self.path(&format!("{day}.xml"));
                let text = format!(
                    "<feedback><report_metadata><org_name>reporter.example</org_name>\
                     <report_id>{day}</report_id><date_range><begin>{begin}</begin><end>{}</end>\
                     </date_range></report_metadata><policy_published><domain>example.org</domain>\
                     <p>none</p></policy_published><record><row><source_ip>192.0.2.7</source_ip>\
                     <count>10</count><policy_evaluated><disposition>none</disposition>\
                     <dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers>\
                     <header_from>example.org</header_from></identifiers><auth_results><spf>\
                     <domain>example.org</domain><result>fail</result></spf></auth_results>\
                     </record></feedback>",
                    begin + 86_399
                );
                fs::write(&path, text).expect("written");
                path
            })
            .collect();
        let texts: Vec<&str> = reports.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(self.run(&texts).code, Some(0));
    }

    /// Bucket and reason of the only sender.
    fn judged(&self) -> (String, String) {
        let ended = self.run(&["report", "--format", "json", "--domain", "example.org"]);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let sender = &answer["standings"][0]["senders"][0];
        let text = |name: &str| sender[name].as_str().expect(name).to_owned();
        (text("bucket"), text("why"))
    }
}

#[test]
fn what_is_said_is_kept_and_taken_back() {
    let home = Home::new();
    let said = |change: &str, what: &[&str]| {
        let ended = home.run(&[&["mine", change, "--domain", "Example.ORG"], what].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        ended.stdout
    };
    let told = said("add", &["192.0.2.77/24", "selector:s1", "sender:Amazon SES"]);
    assert!(told.contains("192.0.2.0/24 is yours now, when it sends as example.org"), "{told}");
    assert!(told.contains("mine.toml"), "{told}");
    assert!(said("add", &["192.0.2.0/24"]).contains("192.0.2.0/24 was yours"));
    let kept = home.mine().replace("networks = [", "# the office\nnetworks = [");
    fs::write(home.path("mine.toml"), kept).expect("written");
    assert!(said("remove", &["selector:s1"]).contains("is not yours any more"));
    assert!(said("remove", &["selector:s1"]).contains("was not"));
    assert!(home.mine().contains("# the office\n"), "{}", home.mine());
    let list = home.run(&["mine", "list"]).stdout;
    assert_eq!(list, "example.org  192.0.2.0/24\nexample.org  sender:Amazon SES\n");
    assert!(home.run(&["mine", "list", "--domain", "example.net"]).stdout.starts_with("Nothing"));
    for bad in
        [&["mine", "add", "s1", "--domain", "example.org"][..], &["mine", "add", "192.0.2.7"]]
    {
        assert_eq!(home.run(bad).code, Some(64), "{bad:?}");
    }
    assert_eq!(home.run(&["mine", "add", "192.0.2.7", "--domain", "a b"]).code, Some(64));
}

#[test]
fn several_at_once_lose_nothing() {
    let home = Home::new();
    fs::write(home.path("real.toml"), "").expect("written");
    symlink("real.toml", home.path("mine.toml")).expect("linked");
    thread::scope(|scope| {
        for n in 0..8 {
            let home = &home;
            scope.spawn(move || {
                let network = format!("198.51.100.{n}");
                let ended = home.run(&["mine", "add", &network, "--domain", "example.org"]);
                assert_eq!(ended.code, Some(0), "{}", ended.log);
            });
        }
    });
    assert_eq!(home.run(&["mine", "list"]).stdout.lines().count(), 8);
    assert!(home.path("mine.toml").is_symlink());
    let left = fs::read_dir(home.folder.path()).expect("read").count();
    assert_eq!(left, 2, "nothing else is left");
}

#[test]
fn a_broken_file_is_told_and_never_passed_over() {
    let home = Home::new();
    home.fill(3);
    for (text, told) in [
        (&b"[\"example.org\"]\nnetworks = [\"192.0.2.0/33\"]\n"[..], "line 2"),
        (b"\n\n[\"example.org\"]\nnetwork = []\n", "line 4"),
        (b"[\"example.org\"]\nsenders = [\"\xff\"]\n", "line 2: not UTF-8"),
    ] {
        fs::write(home.path("mine.toml"), text).expect("written");
        for command in [
            &["report"][..],
            &["advise"],
            &["mine", "list"],
            &["mine", "add", "192.0.2.7", "--domain", "example.org"],
        ] {
            let ended = home.run(command);
            assert_eq!(ended.code, Some(78), "{command:?}: {}{}", ended.log, ended.stdout);
            assert!(ended.log.contains(told) && ended.log.contains("mine.toml"), "{}", ended.log);
        }
        assert_eq!(fs::read(home.path("mine.toml")).expect("there"), text);
    }
}

#[test]
fn a_decision_changes_the_verdict() {
    let home = Home::new();
    home.fill(20);
    let (bucket, why) = home.judged();
    assert_eq!(bucket, "stranger", "{why}");
    let add = ["mine", "add", "192.0.2.0/24", "--domain", "example.org"];
    assert_eq!(home.run(&add).code, Some(0));
    let (bucket, why) = home.judged();
    assert_eq!(bucket, "needs_repair");
    assert!(why.starts_with("You said that 192.0.2.0/24 is yours; all"), "{why}");
    let other = home.path("other.toml");
    let other = other.to_str().expect("UTF-8");
    let list = home.run(&["mine", "list", "--mine-file", other]).stdout;
    assert!(list.starts_with("Nothing is said in"), "{list}");
}

#[test]
fn advice_tells_what_would_be_hit() {
    let home = Home::new();
    home.fill(40);
    let ended = home.run(&["advise"]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let text = ended.stdout;
    assert!(text.starts_with("example.org · since "), "{text}");
    assert!(text.contains("policy p=none"), "{text}");
    assert!(text.contains("Next: Not yet: only 0 messages of yours"), "{text}");
    let json = home.run(&["advise", "--json", "--domain", "example.org"]).stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let hit = &json["domains"][0]["hits"][0];
    assert_eq!((&hit["tag"], &hit["strangers"]), (&"p".into(), &400.into()), "{json}");
    assert_eq!(home.run(&["advise", "--since", "2001-01", "--until", "2002-01"]).code, Some(0));
}

/// What `sp` and `np` would hit is in the names of subdomains; which of them exist nobody says.
#[test]
fn advice_names_the_subdomains_in_which_mail_fails() {
    let home = Home::new();
    home.fill(40);
    let report = fs::read_to_string(home.path("39.xml")).expect("a report");
    let other = |from: &str, id: &str, result: &str| {
        let text = report
            .replace("<header_from>example.org<", &format!("<header_from>{from}<"))
            .replace("<report_id>39<", &format!("<report_id>{id}<"))
            .replace("<dkim>fail<", &format!("<dkim>{result}<"));
        let path = home.path(&format!("{id}.xml"));
        fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let files = [
        other("Shop.Example.ORG.", "a", "fail"),
        other("shop.example.org", "b", "pass"),
        other("qwerty\u{1b}[2J.example.org", "c", "fail"),
        other("example.org", "d", "fail"),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(home.run(&files).code, Some(0));
    let text = home.run(&["advise"]).stdout;
    let names = text.split("sp and np: ").nth(1).expect("a list");
    assert!(names.contains("look them up in the DNS"), "{text}");
    assert!(names.contains("\n  10 shop.example.org (10 pass)\n"), "{text}");
    assert!(names.contains("  10 qwerty") && !names.contains('\u{1b}'), "{text}");
    let json = home.run(&["advise", "--json"]).stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let names = json["domains"][0]["names"].as_array().expect("a list");
    assert_eq!(names.len(), 2, "{json}");
    assert_eq!(
        names[1],
        serde_json::json!({"name": "shop.example.org", "messages": 10, "pass": 10})
    );
}

/// A file that can't be read again is never written.
#[test]
fn the_file_does_not_outgrow_what_is_read() {
    let home = Home::new();
    let text = format!("# {}\n[\"example.org\"]\nsenders = []\n", "x".repeat((1 << 20) - 60));
    fs::write(home.path("mine.toml"), &text).expect("written");
    let long = format!("sender:{}", "y".repeat(60));
    let ended = home.run(&["mine", "add", &long, "--domain", "example.org"]);
    assert_eq!(ended.code, Some(78), "{}", ended.log);
    assert!(ended.log.contains("it would be larger than 1 MiB"), "{}", ended.log);
    assert_eq!(home.mine(), text);
    assert_eq!(home.run(&["mine", "list"]).code, Some(0));
}
