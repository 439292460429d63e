//! The filters of `report` choose single records.

use serde_json::Value;

use super::{Setup, is_tls, sorted, table, values};
use crate::support::corpus::Corpus;

fn record<'v>(document: &'v Value, path: &str) -> &'v str {
    document.pointer(&format!("/feedback/record/{path}")).and_then(Value::as_str).unwrap_or("")
}

fn organization(document: &Value) -> &str {
    let dmarc = document.pointer("/feedback/report_metadata/org_name");
    dmarc.or_else(|| document.get("organization-name")).and_then(Value::as_str).unwrap_or("")
}

fn passes(document: &Value) -> bool {
    ["spf", "dkim"]
        .iter()
        .any(|way| record(document, &format!("row/policy_evaluated/{way}")) == "pass")
}

/// Which documents are meant.
type Wanted<'w> = &'w dyn Fn(&Value) -> bool;

#[test]
fn records_are_chosen_one_by_one() {
    let setup = Setup::new(&Corpus::new(400));
    let all = setup.ndjson();
    let dmarc = || all.iter().filter(|document| !is_tls(document));
    let source = |document: &Value| record(document, "row/source_ip").to_owned();
    let one = dmarc().map(source).find(|address| address.contains('.')).expect("an address");
    let network = format!("{}.0.0.0/8", one.split('.').next().expect("a number"));
    let reporter = organization(dmarc().next().expect("one")).to_owned();
    let is_in = |document: &Value| {
        let source = source(document);
        source.contains('.') && source.split('.').next() == one.split('.').next()
    };
    let is_refused =
        |document: &Value| record(document, "row/policy_evaluated/disposition") == "reject";
    let chosen: [(&[&str], Wanted); 6] = [
        (&["--source", &network], &is_in),
        (&["--except", &format!("source={network}")], &|document| !is_in(document)),
        (&["--only", "failing"], &|document| !passes(document)),
        (&["--only", "passing", "--source", &network], &|one| passes(one) && is_in(one)),
        (&["--disposition", "reject"], &is_refused),
        (&["--organization", &reporter, "--only", "failing"], &|document| {
            organization(document) == reporter && !passes(document)
        }),
    ];
    for (flags, is_meant) in chosen {
        // TLS policies say nothing of any of these, so none is meant.
        let expected = sorted(dmarc().filter(|document| is_meant(document)).cloned());
        assert!(!expected.is_empty() && expected.len() < dmarc().count(), "{flags:?}");
        let lines = values(&setup.export(flags));
        assert_eq!(sorted(lines), expected, "{flags:?}");
        let flags: Vec<&str> = flags.iter().copied().chain(["--format", "csv"]).collect();
        assert_eq!(table(&setup.export(&flags)).len(), expected.len(), "{flags:?}");
    }
    let of = |document: &&Value| organization(document) == reporter;
    let of_reporter = sorted(all.iter().filter(of).cloned());
    assert_eq!(sorted(values(&setup.export(&["--organization", &reporter]))), of_reporter);
}

#[test]
fn a_sender_is_who_the_table_says() {
    let setup = Setup::new(&Corpus::new(400));
    let rows = table(&setup.export(&["--format", "csv"]));
    let names: Vec<&String> = rows.iter().map(|row| &row["sender"]).collect();
    let most = names.iter().max_by_key(|name| names.iter().filter(|one| one == name).count());
    let most = most.expect("a sender");
    let of = rows.iter().filter(|row| &&row["sender"] == most).count();
    assert!(of > 0 && of < rows.len());
    let lines = values(&setup.export(&["--sender", &most.to_uppercase()]));
    assert_eq!(lines.len(), of);
    let others = values(&setup.export(&["--except", &format!("sender={most}")]));
    assert_eq!(others.len(), rows.len() - of);
}
