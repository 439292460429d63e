//! Cluster: its health, and room on the disks of its nodes.

use bytesize::ByteSize;
use serde_json::{Value, json};

use super::{Answered, get, trouble, unseen};
use crate::{
    mode::check::{counted, finding::Findings},
    sink::opensearch::client::Client,
};

/// All settings whose names begin like those that are looked at; a name written flat can't be
/// given to the filter in full, since it splits at dots.
const SETTINGS: &str =
    "/_cluster/settings?include_defaults=true&flat_settings=true&filter_path=*.cluster*";

/// Looks at the cluster as a whole.
pub(super) fn check(client: &Client, about: &str, findings: &mut Findings) {
    health(client, about, findings);
    let settings = match get(client, SETTINGS) {
        Answered::Found(settings) => Some(settings),
        Answered::Forbidden(_) => {
            unseen("store.blocks", about, "a block", "cluster:monitor/state", findings);
            None
        }
        Answered::Missing => None,
        Answered::Trouble(answer) => {
            trouble("store.blocks", about, &answer, findings);
            None
        }
    };
    if let Some(settings) = &settings {
        blocks(settings, about, findings);
    }
    disks(client, settings.as_ref(), about, findings);
}

fn health(client: &Client, about: &str, findings: &mut Findings) {
    const CHECK: &str = "store.health";
    let health = match get(client, "/_cluster/health") {
        Answered::Found(health) => health,
        Answered::Forbidden(_) => {
            return unseen(CHECK, about, "its health", "cluster:monitor/health", findings);
        }
        Answered::Missing => return,
        Answered::Trouble(answer) => return trouble(CHECK, about, &answer, findings),
    };
    let nodes = health["number_of_nodes"].as_u64().unwrap_or(0);
    let shown = format!("the cluster of {}", counted(nodes, "node"));
    match health["status"].as_str() {
        Some("green") => findings.ok(CHECK, about, format!("{shown} is green")),
        // A copy has nowhere to go.
        Some("yellow") if nodes == 1 => {
            findings.ok(CHECK, about, format!("{shown} is yellow, as is usual with one node"));
        }
        Some("yellow") => {
            let found = format!("{shown} is yellow: some data has fewer copies than it should");
            findings.warning(CHECK, about, found, "Are all its nodes there?");
        }
        Some("red") => {
            let found = format!("{shown} is red: some data is away");
            let fix = "Bring back the nodes that are missing; mails for it wait meanwhile";
            findings.wrong(CHECK, about, found, fix);
        }
        _ => findings.ok(CHECK, about, "its health is not told"),
    }
}

/// A setting of the cluster: what was set for a while, for good, or by default.
fn setting<'s>(settings: &'s Value, name: &str) -> Option<&'s str> {
    let layers = ["transient", "persistent", "defaults"];
    layers.iter().find_map(|layer| settings[layer][name].as_str())
}

fn blocks(settings: &Value, about: &str, findings: &mut Findings) {
    for name in ["cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"] {
        if setting(settings, name) == Some("true") {
            let found = format!("the whole cluster is blocked for writing ({name})");
            let fix = format!(
                "Remove the block: PUT /_cluster/settings with {}",
                json!({ "persistent": { name: null } })
            );
            findings.wrong("store.blocks", about, found, fix);
        }
    }
}

/// Free room on each node, measured by the marks at which the cluster takes steps.
fn disks(client: &Client, settings: Option<&Value>, about: &str, findings: &mut Findings) {
    const CHECK: &str = "disk";
    let path = "/_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.fs.total";
    let stats = match get(client, path) {
        Answered::Found(stats) => stats,
        Answered::Forbidden(_) => {
            let right = "cluster:monitor/nodes/stats";
            return unseen(CHECK, about, "room on its disks", right, findings);
        }
        Answered::Missing => return,
        Answered::Trouble(answer) => return trouble(CHECK, about, &answer, findings),
    };
    let mark = |name: &str| {
        let name = format!("cluster.routing.allocation.disk.watermark.{name}");
        settings.and_then(|settings| setting(settings, &name))
    };
    let is_off = settings.is_some_and(|settings| {
        setting(settings, "cluster.routing.allocation.disk.threshold_enabled") == Some("false")
    });
    let (flood, high) = (mark("flood_stage").unwrap_or("95%"), mark("high").unwrap_or("90%"));
    for node in stats["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values()) {
        let name = node["name"].as_str().unwrap_or("a node");
        let disk = |part: &str| node["fs"]["total"][part].as_u64().unwrap_or(0);
        let (all, free) = (disk("total_in_bytes"), disk("available_in_bytes"));
        if all == 0 {
            continue;
        }
        let found = format!("{} of {} are free on {name}", ByteSize::b(free), ByteSize::b(all));
        if !is_off && is_beyond(flood, all, free) {
            let found = format!("{found}, beyond the flood stage ({flood}): indices are blocked");
            let fix = "Make room; the blocks go by themselves, and the mails follow";
            findings.wrong(CHECK, about, found, fix);
        } else if !is_off && is_beyond(high, all, free) {
            let found = format!("{found}, beyond the high watermark ({high})");
            findings.warning(CHECK, about, found, "Make room before writing is blocked");
        } else {
            findings.ok(CHECK, about, found);
        }
    }
}

/// True if a disk is fuller than a mark: a share that is used (`95%`, `0.95`), or room that is left
/// (`10gb`, in powers of 1024).
fn is_beyond(mark: &str, all: u64, free: u64) -> bool {
    let share = match mark.strip_suffix('%') {
        Some(per_cent) => per_cent.trim().parse::<f64>().ok().map(|number| number / 100.0),
        None => mark.parse::<f64>().ok(),
    };
    if let Some(share) = share {
        #[expect(clippy::cast_precision_loss, reason = "a share of a disk needs no more")]
        let (used, all) = (all.saturating_sub(free) as f64, all as f64);
        return used > share * all;
    }
    let binary = mark.to_ascii_lowercase().replace('b', "ib");
    binary.parse::<ByteSize>().is_ok_and(|left| free < left.as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_shares_or_sizes() {
        let all = 100 << 30;
        for (mark, free, expected) in [
            ("95%", 4 << 30, true),
            ("95%", 6 << 30, false),
            ("0.9", 9 << 30, true),
            ("0.9", 11 << 30, false),
            ("10gb", (10 << 30) - 1, true),
            ("10gb", 10 << 30, false),
            ("500mb", 499 << 20, true),
            ("nonsense", 0, false),
        ] {
            assert_eq!(is_beyond(mark, all, free), expected, "{mark} {free}");
        }
    }
}
