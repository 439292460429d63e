//! What the pages think of senders is what `report` and `advise` tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use super::{Served, sample_store};
use crate::support::program::run;

/// Verdicts by domain and sender: bucket, reasons, what to do.
type Verdicts = BTreeMap<(String, String), [Value; 4]>;

const PERIOD: [&str; 4] = ["--since", "2026-01-01", "--until", "2026-12-31"];

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// Those of the terminal, of the domains that have a block.
fn told(flags: &[&str]) -> Verdicts {
    let told = run([&["report", "--json"], &PERIOD[..], flags].concat());
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let mut verdicts = Verdicts::new();
    for standing in told["standings"].as_array().expect("a list") {
        for one in standing["senders"].as_array().expect("a list") {
            let what = ["bucket", "why", "todo", "said"].map(|key| one[key].clone());
            verdicts.insert((text(&standing["domain"]), text(&one["name"])), what);
        }
    }
    verdicts
}

/// Those of the pages about the same domains.
fn shown(served: &Served, of: &Verdicts) -> Verdicts {
    let mut verdicts = Verdicts::new();
    let domains: BTreeSet<&String> = of.keys().map(|(domain, _)| domain).collect();
    for domain in domains {
        let path = format!("/domain.json?since=2026-01-01&until=2026-12-31&domain={domain}");
        let page: Value = serde_json::from_str(&served.get(&path).body).expect("JSON");
        for table in page["buckets"].as_array().expect("a list") {
            for one in table["senders"].as_array().expect("a list") {
                let [why, todo, said] = ["why", "todo", "said"].map(|key| one[key].clone());
                let what = [table["bucket"].clone(), why, todo, said];
                verdicts.insert((domain.clone(), text(&one["sender"])), what);
            }
        }
    }
    verdicts
}

#[test]
fn the_pages_think_of_senders_what_report_does() {
    let (folder, store) = sample_store();
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (mine, names) = (file("said.toml"), file("names.csv"));
    let head = "base_reverse_dns,name,type";
    let flags = ["--store", store.to_str().expect("UTF-8"), "--mine-file", &mine];
    let before = told(&flags);
    let served = Served::start(&flags);
    assert!(before.len() > 5, "{before:?}");
    assert_eq!(shown(&served, &before), before);

    // Said while the pages are served, on the terminal or in an editor.
    let stranger = before.iter().find(|(_, what)| what[0] == "stranger").expect("a stranger").0;
    let (domain, sender) = stranger;
    let said = format!("sender:{sender}");
    let ended = run(["mine", "add", &said, "--domain", domain, "--mine-file", &mine]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let after = told(&flags);
    assert_eq!(after[stranger][3], true, "{after:?}");
    assert_eq!(shown(&served, &after), after);
    let home = served.get("/domains.json?since=2026-01-01&until=2026-12-31").body;
    assert!(home.contains(&format!("\"sender\": \"{sender}\"")), "{home}");

    // A mistake in it is told, never passed over.
    fs::write(&mine, "[\"example.org\"\n").expect("written");
    let got = served.get("/");
    assert_eq!(got.status, 503);
    assert!(
        got.body.contains("said to be yours") && !got.body.contains("said.toml"),
        "{}",
        got.body
    );
    fs::remove_file(&mine).expect("removed");
    assert_eq!(shown(&served, &before), before);
    let (_, log) = served.stop();
    assert!(log.contains("said.toml: line 1"), "{log}");

    // A name of one's own for a service.
    let is_domain = |name: &str| name.matches('.').count() == 1 && !name.contains('/');
    let service = before.keys().find(|(_, name)| is_domain(name));
    let (_, service) = service.expect("a sender that is a domain");
    fs::write(&names, format!("{head}\n{service},Our own name,service\n")).expect("written");
    let flags = [&flags[..], &["--source-names", &names]].concat();
    let served = Served::start(&flags);
    let renamed = told(&flags);
    assert!(renamed.keys().any(|(_, name)| name == "Our own name"), "{renamed:?}");
    assert_eq!(shown(&served, &renamed), renamed);
}
