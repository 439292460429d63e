//! Who sent reports week by week and sends none any more: each of them, and all.

use super::open::{Sent, Story};

const WELL: [Sent; 1] = [("192.0.2.7", 50, true)];

#[test]
fn who_sent_tls_reports_only_falls_silent() {
    let story = Story::new();
    story.tls_reported(0..60, "a.example");
    story.tls_reported(0..38, "b.example");
    story.tls_reported(50..60, "b.example");
    let told: Vec<_> = (36..50).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["opened tls_reporter_silent  b.example"]);
    let told: Vec<_> = (50..58).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["closed tls_reporter_silent  b.example"]);
    let told: Vec<_> = (58..72).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["opened tls_reporter_silent  "], "and then all");
}

#[test]
fn who_sends_two_kinds_may_end_one() {
    let story = Story::new();
    story.tls_reported(0..60, "a.example");
    story.reported(0..40, "a.example", "example.org", &WELL);
    story.reported(0..60, "b.example", "example.org", &WELL);
    let told: Vec<_> = (38..60).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["opened reporter_silent  a.example"]);
}

#[test]
fn many_that_send_seldom_are_missed_together() {
    let story = Story::new();
    for n in 0..42 {
        // Each of them once a week.
        for reporter in [n % 7 * 2, n % 7 * 2 + 1] {
            let by = format!("r{reporter}.example");
            story.reported(n..n + 1, &by, "example.org", &WELL);
        }
    }
    let told: Vec<_> = (36..52).flat_map(|n| story.told(n)).collect();
    assert_eq!(told, ["opened reporter_silent  "]);
}
