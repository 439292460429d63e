//! Indices that others delete or write to at the same time.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::told;
use crate::support::{
    program::{Ended, Running, program, run_command},
    server::{OpenSearch, Shared},
};

/// One node for all tests; each has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// A record of this month and day.
fn record(day: &str) -> Value {
    let day_of = day.parse::<jiff::civil::Date>().expect("a day");
    let begin = TimeZone::UTC.to_timestamp(day_of.at(0, 0, 0, 0)).expect("a moment").as_second();
    json!({ "feedback": {
        "report_metadata": { "report_id": day, "date_range": { "begin": begin } },
        "record": { "row": { "count": 1 } },
    } })
}

fn prune(server: &OpenSearch, test: &str, more: &[&str]) -> std::process::Command {
    let mut command = program(["prune", "--older-than=2020-01-01", "--opensearch", &server.url]);
    for kind in ["dmarc", "tlsrpt", "failures"] {
        command.arg(format!("--{kind}-index={test}-{kind}-{{yyyy}}-{{MM}}"));
    }
    command.args(more);
    command
}

/// Indices of two years, each with a record.
fn years(server: &OpenSearch, test: &str) {
    for (year, month) in [2018, 2019].into_iter().flat_map(|y| (1..=12).map(move |m| (y, m))) {
        let date = format!("{year}-{month:02}");
        server.store(&format!("{test}-dmarc-{date}"), [record(&format!("{date}-28"))]);
    }
}

fn indices(server: &OpenSearch, test: &str) -> Vec<String> {
    let all = server.get(&format!("/{test}-dmarc-*/_settings?expand_wildcards=all"));
    all.as_object().expect("indices").keys().cloned().collect()
}

#[test]
fn two_at_once_delete_it_all_between_them() {
    let Some(server) = SHARED.as_ref() else { return };
    years(server, "two");
    let both = [0, 1].map(|_| Running::start_command(prune(server, "two", &[])));
    for mut one in both {
        let code = one.wait();
        assert_eq!(code, Some(0), "{}", one.log());
    }
    assert!(indices(server, "two").is_empty());
}

/// No search finds what was not refreshed.
#[test]
fn an_index_with_what_is_not_ours_is_not_deleted() {
    let Some(server) = SHARED.as_ref() else { return };
    let index = "mixed-dmarc-2019-02";
    let unrefreshed = json!({ "settings": { "index.refresh_interval": "-1" } });
    server.put(&format!("/{index}"), &unrefreshed);
    server.store(index, [record("2019-02-03"), record("2019-02-04")]);
    server.request("POST", &format!("/{index}/_refresh"), None);
    server.store(index, [json!({ "note": "another's" })]);
    let Ended { code, log, .. } = run_command(prune(server, "mixed", &[]));
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(server.count(index), 1, "{log}");
}

#[test]
fn what_can_not_be_looked_into_stays_and_is_told() {
    let Some(server) = SHARED.as_ref() else { return };
    years(server, "shut");
    server.request("POST", "/shut-dmarc-2018-03/_close", None);
    // Another's, which is none of this program's business.
    server.put("/shut-dmarc-2018-03-old", &json!({}));
    server.request("POST", "/shut-dmarc-2018-03-old/_close", None);
    // In this there is nothing old.
    server.put("/shut-dmarc-2020-02", &json!({}));
    server.request("POST", "/shut-dmarc-2020-02/_close", None);
    let Ended { code, log, .. } = run_command(prune(server, "shut", &[]));
    assert_eq!(code, Some(75), "{log}");
    let expected = "what is in closed indices stays: shut-dmarc-2018-03; open them";
    assert!(log.contains(expected), "{log}");
    let kept = ["2018-03-old", "2020-02"].map(|month| format!("shut-dmarc-{month}"));
    assert_eq!(indices(server, "shut")[1..], kept, "{log}");
    server.request("POST", "/shut-dmarc-2018-03/_open?wait_for_active_shards=1", None);
    let ended = run_command(prune(server, "shut", &[]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(told(&ended).starts_with("1 DMARC record,"), "{}", ended.log);
    assert_eq!(indices(server, "shut"), kept);
}
