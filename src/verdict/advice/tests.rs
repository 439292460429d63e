use super::*;
use crate::{
    answers::{History, Messages, Tally},
    senders::{Basis, Sender},
    verdict::Verdict,
};

const BEGIN: i64 = 1_793_491_200;

fn judged(name: &str, bucket: Bucket, messages: u64, pass: u64, signs: Signs) -> Judged {
    let tally =
        Tally { messages: Messages { messages, pass, ..Messages::default() }, ..Tally::default() };
    let sender = Sender { name: name.into(), kind: None, basis: Basis::Host };
    let history = History {
        sender,
        tally,
        addresses: 1,
        spf: Vec::new(),
        dkim: Vec::new(),
        selectors: Vec::new(),
        signs,
        days: Vec::new(),
    };
    let (why, todo) = (String::new(), String::new());
    let verdict = Verdict { bucket, repair: Vec::new(), said: false, thin: false, why, todo };
    Judged { history, before: None, verdict }
}

/// A domain whose own server is well, with strangers and a forwarder.
fn standing(p: &str, testing: Option<&str>) -> Standing {
    let signs = Signs { lost_by_adkim: 7, lost_by_aspf: 20, lost_by_both: 30, ..Signs::default() };
    let below = Signs { below: 9, below_fail: 9, ..Signs::default() };
    Standing {
        domain: "example.org".into(),
        tally: Tally {
            first: Some(BEGIN),
            last: Some(BEGIN + 29 * DAY),
            messages: Messages { messages: 1000, pass: 870, ..Messages::default() },
            ..Tally::default()
        },
        before: None,
        policy: Some(PolicyPublished {
            p: Some(p.into()),
            testing: testing.map(Into::into),
            ..PolicyPublished::default()
        }),
        senders: vec![
            judged("203.0.113.0/24", Bucket::Stranger, 118, 0, below),
            judged("forwarder.example", Bucket::Forwarder, 82, 70, Signs::default()),
            judged("mail.example.org", Bucket::Mine, 800, 800, signs),
        ],
        omitted: 0,
        rest: Messages::default(),
    }
}

fn next_of(standing: &Standing) -> (Option<&'static str>, String) {
    let Step { publish, why, .. } = advice(standing).next;
    (publish, why)
}

#[test]
fn each_tag_hits_its_messages() {
    let advice = advice(&standing("none", None));
    let hits: Vec<_> = advice
        .hits
        .iter()
        .map(|hit| (hit.tag, hit.messages, hit.yours, hit.forwarded, hit.strangers))
        .collect();
    let expected = [
        ("p", 121, 0, 12, 109),
        ("sp", 9, 0, 0, 9),
        ("np", 9, 0, 0, 9),
        ("adkim=s", 7, 7, 0, 0),
        ("aspf=s", 20, 20, 0, 0),
        ("adkim=s; aspf=s", 30, 30, 0, 0),
    ];
    assert_eq!(hits, expected);
    let senders = &advice.hits[3].senders;
    assert_eq!((&*senders[0].name, senders[0].messages), ("mail.example.org", 7));
    assert_eq!(advice.policy.as_deref(), Some("p=none"));
}

#[test]
fn one_step_follows_the_other() {
    for (p, testing, expected) in [
        ("none", None, Some("p=quarantine; t=y")),
        ("quarantine", Some("y"), Some("p=quarantine")),
        ("quarantine", None, Some("p=reject; t=y")),
        ("reject", Some("y"), Some("p=reject")),
        ("reject", None, None),
        ("nonsense", None, None),
    ] {
        let (publish, why) = next_of(&standing(p, testing));
        assert_eq!(publish, expected, "{p}: {why}");
        assert!(why.ends_with('.'), "{why}");
    }
    for (p, expected) in [("quarantine", "p=quarantine"), ("reject", "p=reject")] {
        let mut part = standing(p, None);
        part.policy.as_mut().expect("a policy").pct = Some(10);
        let (publish, why) = next_of(&part);
        assert_eq!(publish, Some(expected), "a part of the mail only: {why}");
    }
    let (_, why) = next_of(&standing("none", None));
    assert!(
        why.starts_with("It would hit 118 messages of strangers, 12 passed on, and 0 of yours")
    );
    let mut mild = standing("reject", None);
    mild.policy.as_mut().expect("a policy").sp = Some("none".into());
    assert_eq!(next_of(&mild).0, Some("sp=reject"));
    let mut silent = standing("none", None);
    silent.policy = None;
    assert_eq!(next_of(&silent).1, "No report tells a policy of this domain.");
}

#[test]
fn a_step_waits_for_what_would_be_hit() {
    let mut repair = standing("none", None);
    repair.senders.push(judged("SendGrid", Bucket::NeedsRepair, 206, 0, Signs::default()));
    let (publish, why) = next_of(&repair);
    assert_eq!(publish, None);
    assert_eq!(why, "Not yet: 206 messages of yours would be hit. Repair SendGrid (206) first.");
    let mut unknown = standing("none", None);
    unknown.senders.push(judged("Google", Bucket::Unknown, 20, 0, Signs::default()));
    let (publish, why) = next_of(&unknown);
    assert_eq!((publish, why.contains("Find out whose Google (20) are")), (None, true), "{why}");
    let mut short = standing("none", None);
    short.tally.last = Some(BEGIN + 5 * DAY);
    assert!(next_of(&short).1.starts_with("Not yet: reports of 6 days only"));
    let mut little = standing("none", None);
    little.senders.truncate(2);
    assert!(next_of(&little).1.starts_with("Not yet: only 0 messages of yours"));
    // Repaired already, and nothing of it fails.
    let mut repaired = standing("none", None);
    repaired.senders.push(judged("SendGrid", Bucket::NeedsRepair, 206, 206, Signs::default()));
    assert_eq!(next_of(&repaired).0, Some("p=quarantine; t=y"));
}

#[test]
fn what_is_not_judged_is_not_called_a_strangers() {
    for (p, said) in [
        ("none", "0 of yours, and 500 of senders too small to be judged;"),
        ("reject", "none of your mail; it hits 500 of senders too small to be judged."),
    ] {
        let mut many = standing(p, None);
        many.rest = Messages { messages: 600, pass: 100, ..Messages::default() };
        let (_, why) = next_of(&many);
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn only_what_is_in_force_is_the_strictest() {
    let of = |standing: &Standing| {
        let Step { publish, is_strictest, .. } = advice(standing).next;
        (publish, is_strictest)
    };
    assert_eq!(of(&standing("reject", None)), (None, true));
    assert_eq!(of(&standing("nonsense", None)), (None, false));
    // Tried, or for a part of the mail, and more is not advised yet.
    for (testing, pct) in [(Some("y"), None), (None, Some(10))] {
        let mut tried = standing("reject", testing);
        tried.policy.as_mut().expect("a policy").pct = pct;
        tried.tally.last = Some(BEGIN + 5 * DAY);
        assert_eq!(of(&tried), (None, false));
    }
}
