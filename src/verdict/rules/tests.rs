//! Histories as reports have them, and what is thought of them.

use super::*;
use crate::{
    answers::{Day, Dispositions, RawResult, Selector, Signs, Tally},
    report::aggregate::PolicyPublished,
    senders::Sender,
    verdict::{Whose, case::Keys},
};

const DAY: i64 = 86_400;
/// 1 November 2026.
const BEGIN: i64 = 1_793_491_200;

/// Messages of a day: SPF and DKIM pass, DKIM only, SPF only, none.
type Messages4 = [u64; 4];

#[derive(Clone)]
struct JudgedCase {
    what: &'static str,
    name: &'static str,
    kind: Option<&'static str>,
    basis: Basis,
    days: Vec<Messages4>,
    /// Of messages that pass DKIM, and of broken signatures.
    key: Option<&'static str>,
    signs: Signs,
    rejected: bool,
    before: Option<(u64, u64)>,
    said: Vec<Whose>,
    raw: bool,
    expected: Bucket,
    repair: &'static [Mechanism],
    /// In the reason.
    says: &'static str,
}

fn row(what: &'static str, name: &'static str, days: Vec<Messages4>) -> JudgedCase {
    JudgedCase {
        what,
        name,
        kind: None,
        basis: Basis::Network,
        days,
        key: None,
        signs: Signs::default(),
        rejected: false,
        before: None,
        said: Vec::new(),
        raw: true,
        expected: Bucket::Unknown,
        repair: &[],
        says: "",
    }
}

impl JudgedCase {
    fn is(mut self, expected: Bucket, says: &'static str) -> JudgedCase {
        (self.expected, self.says) = (expected, says);
        self
    }

    fn repair(mut self, repair: &'static [Mechanism], says: &'static str) -> JudgedCase {
        self.repair = repair;
        self.is(Bucket::NeedsRepair, says)
    }

    fn kind(mut self, kind: &'static str) -> JudgedCase {
        (self.kind, self.basis) = (Some(kind), Basis::Signature);
        self
    }

    fn key(mut self, key: &'static str) -> JudgedCase {
        self.key = Some(key);
        self
    }

    fn signs(mut self, change: impl Fn(&mut Signs)) -> JudgedCase {
        change(&mut self.signs);
        self
    }

    fn before(mut self) -> JudgedCase {
        self.before = Some((300, 290));
        self
    }

    fn said(mut self, whose: &str) -> JudgedCase {
        self.said = vec![whose.parse().expect(whose)];
        self
    }

    fn rejected(mut self) -> JudgedCase {
        self.rejected = true;
        self
    }

    fn history(&self) -> History {
        let mut tally = Tally::default();
        let sum = |n: usize| self.days.iter().map(|day| day[n]).sum::<u64>();
        let [both, dkim, spf, none] = [0, 1, 2, 3].map(sum);
        let fail = if self.rejected {
            Dispositions { reject: none, ..Dispositions::default() }
        } else {
            Dispositions { none, ..Dispositions::default() }
        };
        tally.messages = Messages {
            messages: both + dkim + spf + none,
            pass: both + dkim + spf,
            spf_aligned: both + spf,
            dkim_aligned: both + dkim,
            disposition: Dispositions { pass: both + dkim + spf, ..fail },
        };
        let sent = (0..).zip(&self.days).filter(|(_, day)| day.iter().sum::<u64>() > 0);
        let days = sent.map(|(n, [both, dkim, spf, none])| Day {
            begin: BEGIN + n * DAY,
            messages: both + dkim + spf + none,
            pass: both + dkim + spf,
            spf_aligned: both + spf,
            dkim_aligned: both + dkim,
        });
        let result = RawResult { domain: None, result: Some("fail".into()), messages: 1 };
        History {
            sender: Sender {
                name: self.name.into(),
                kind: self.kind.map(Into::into),
                basis: self.basis,
            },
            addresses: 1,
            spf: self.raw.then_some(result).into_iter().collect(),
            dkim: Vec::new(),
            selectors: self
                .key
                .map(|key| Selector {
                    selector: Some(key.into()),
                    pass: both + dkim,
                    fail: self.signs.broken_signature,
                    with_spf: both,
                })
                .into_iter()
                .collect(),
            signs: self.signs,
            days: days.collect(),
            tally,
        }
    }
}

/// So many days alike.
fn days(number: usize, day: Messages4) -> Vec<Messages4> {
    vec![day; number]
}

fn joined(parts: &[(usize, Messages4)]) -> Vec<Messages4> {
    parts.iter().flat_map(|(number, day)| days(*number, *day)).collect()
}

/// The domain's own server, whose key others are compared with: 300 messages in 30 days.
fn own_server() -> JudgedCase {
    own("own server", days(30, [10, 0, 0, 0])).key("2026a")
}

fn judged(row: &JudgedCase) -> Verdict {
    let (own, history) = (own_server().history(), row.history());
    let policy = PolicyPublished { p: Some("none".into()), ..PolicyPublished::default() };
    let before =
        row.before.map(|(messages, pass)| Messages { messages, pass, ..Messages::default() });
    let said: Vec<&Whose> = row.said.iter().collect();
    verdict(&Case {
        history: &history,
        before: before.as_ref(),
        said: &said,
        keys: &Keys::of([&own, &history]),
        policy: Some(&policy),
    })
}

const BOTH: &[Mechanism] = &[Mechanism::Spf, Mechanism::Dkim];
const DKIM: &[Mechanism] = &[Mechanism::Dkim];
const SPF: &[Mechanism] = &[Mechanism::Spf];

/// Servers in the network of the own one.
fn own(what: &'static str, days: Vec<Messages4>) -> JudgedCase {
    row(what, "192.0.2.0/24", days)
}

fn own_ones() -> Vec<JudgedCase> {
    use Bucket::{Mine, Unknown};
    let broken_for_two = joined(&[(12, [10, 0, 0, 0]), (2, [0, 0, 0, 10]), (16, [10, 0, 0, 0])]);
    vec![
        own_server()
            .is(Mine, "All 300 messages passed: SPF passes for all, DKIM for all, on 30 days."),
        row("own server, IPv6", "2001:db8:1::/48", days(20, [3, 0, 0, 0]))
            .key("2026a")
            .is(Mine, "All 60 messages passed"),
        own("never signed", days(20, [0, 0, 4, 0])).is(Mine, "SPF passes for all, DKIM for none"),
        own("a few lost on the way", days(20, [98, 0, 0, 2]))
            .key("2026a")
            .is(Mine, "1,960 of 2,000 messages passed"),
        own("key broken for two days of 30", broken_for_two)
            .key("2026a")
            .is(Mine, "20 messages failed on 2 of 30 days, the last of them 14 Nov 2026"),
        own("three messages in a month", joined(&[(3, [1, 0, 0, 0])]))
            .key("2026a")
            .is(Mine, "All 3 messages passed"),
        own("one message only", days(1, [1, 0, 0, 0]))
            .is(Unknown, "Too little to tell: the only message passed"),
        own("many messages of one day", days(1, [900, 0, 0, 0]))
            .is(Unknown, "Too little to tell: all 900 messages passed, on 1 day"),
    ]
}

fn own_ones_to_repair() -> Vec<JudgedCase> {
    let broken_service = joined(&[(25, [0, 10, 0, 0]), (5, [0, 0, 0, 10])]);
    vec![
        own("key broken now, SPF passes", joined(&[(25, [10, 0, 0, 0]), (3, [0, 0, 10, 0])]))
            .key("2026a")
            .repair(DKIM, "DKIM has failed since 26 Nov 2026"),
        row("key of a service broken now", "Twilio SendGrid", broken_service)
            .kind("transactional")
            .key("sg1")
            .repair(DKIM, "DKIM has failed since 26 Nov 2026"),
        own("SPF forgotten for a new address", joined(&[(20, [0, 0, 10, 0]), (5, [0, 0, 0, 10])]))
            .repair(SPF, "SPF has failed since 21 Nov 2026"),
        own("half of it unsigned", days(20, [0, 12, 0, 8]))
            .key("other")
            .repair(DKIM, "240 of 400 messages passed: SPF passes for none, DKIM for 240"),
        own("passed in the period before", days(9, [0, 0, 0, 5]))
            .before()
            .repair(BOTH, "in the period before 290 of 300 messages passed"),
    ]
}

fn said_ones() -> Vec<JudgedCase> {
    use Bucket::Mine;
    vec![
        row("said, and passes", "Hoster Ltd", days(1, [2, 0, 0, 0]))
            .said("192.0.2.0/24")
            .is(Mine, "You said that 192.0.2.0/24 is yours; all 2 messages passed"),
        row("said, and fails", "Hoster Ltd", days(5, [0, 0, 0, 2]))
            .said("192.0.2.0/24")
            .repair(BOTH, "You said that 192.0.2.0/24 is yours; all 10 messages failed"),
        row("said, and a forwarder by all else", "Forward Ltd", days(5, [0, 2, 0, 0]))
            .key("2026a")
            .said("sender:Forward Ltd")
            .is(Mine, "You said that sender:Forward Ltd is yours"),
    ]
}

fn services() -> Vec<JudgedCase> {
    use Bucket::{Mine, Unknown};
    let elsewhere = |number: u64| move |signs: &mut Signs| signs.elsewhere = number;
    vec![
        row("a newsletter service that signs as you", "Mailchimp", days(4, [0, 500, 0, 0]))
            .kind("newsletter")
            .key("k1")
            .signs(elsewhere(2000))
            .is(Mine, "All 2,000 messages passed: SPF passes for none, DKIM for all"),
        row("a small service that signs as you", "service.example", days(4, [0, 5, 0, 0]))
            .key("svc")
            .signs(elsewhere(20))
            .is(Mine, "All 20 messages passed"),
        row("a newsletter service that signs as itself", "Mailchimp", days(4, [0, 0, 0, 500]))
            .kind("newsletter")
            .signs(elsewhere(2000))
            .repair(BOTH, "All 2,000 messages passed for Mailchimp (newsletter) and not for you"),
        row("the same, two messages", "Mailchimp", days(2, [0, 0, 0, 1]))
            .kind("newsletter")
            .signs(elsewhere(2))
            .is(Unknown, "All 2 messages passed for Mailchimp (newsletter) and not for you"),
        row("somebody at a mailbox provider", "Google", days(20, [0, 0, 0, 5]))
            .kind("mailbox provider")
            .signs(elsewhere(100))
            .is(Unknown, "All 100 messages passed for Google (mailbox provider) and not for you"),
    ]
}

fn forwarders() -> Vec<JudgedCase> {
    use Bucket::{Forwarder, Unknown};
    vec![
        row("a forwarder", "forwarder.example", days(9, [0, 3, 0, 0]))
            .key("2026a")
            .signs(|signs| signs.elsewhere = 27)
            .is(Forwarder, "with a signature by which your own servers sign"),
        row("a forwarder, one message", "forwarder.example", days(1, [0, 1, 0, 0]))
            .key("2026a")
            .is(Forwarder, "with a signature by which your own servers sign"),
        row("a forwarder without SRS", "198.51.100.0/24", days(9, [0, 3, 0, 0]))
            .key("2026a")
            .is(Forwarder, "with a signature by which your own servers sign"),
        row("a forwarder with ARC override", "Google", days(9, [0, 0, 0, 2]))
            .kind("mailbox provider")
            .signs(|signs| (signs.forwarded, signs.broken_signature) = (18, 18))
            .key("2026a")
            .is(Forwarder, "Receivers took all 18 messages for forwarded mail"),
        row("a mailing list that breaks DKIM", "lists.example", days(9, [0, 0, 0, 2]))
            .key("2026a")
            .signs(|signs| (signs.elsewhere, signs.broken_signature) = (18, 18))
            .is(Forwarder, "failed with a signature of yours that was broken on the way"),
        row("a known mailing list", "Groups.io", days(9, [0, 0, 0, 2]))
            .kind("mailing list")
            .is(Forwarder, "None of 18 messages failed with a signature of yours"),
        row("a forwarder that breaks a third", "forwarder.example", days(9, [0, 2, 0, 1]))
            .key("2026a")
            .signs(|signs| (signs.elsewhere, signs.broken_signature) = (27, 9))
            .is(Forwarder, "18 of 27 messages passed with a signature"),
        row("a replay", "198.51.100.0/24", days(2, [0, 6000, 0, 0])).key("2026a").is(
            Unknown,
            "12,000 messages with your signature came from here on 2 days, but only \
                          300 from the servers",
        ),
        row(
            "a replay of a key that is said to be yours",
            "198.51.100.0/24",
            days(2, [0, 6000, 0, 0]),
        )
        .key("2026a")
        .said("selector:2026a")
        .is(Unknown, "a signed mail may be sent again and again"),
        row("a large mailing list, told so", "lists.example", days(2, [0, 6000, 0, 6000]))
            .key("2026a")
            .signs(|signs| signs.forwarded = 12_000)
            .is(Forwarder, "12,000 of 24,000 messages passed"),
    ]
}

/// Servers in a network that nothing else is known of.
fn other(what: &'static str, days: Vec<Messages4>) -> JudgedCase {
    row(what, "203.0.113.0/24", days)
}

fn strangers() -> Vec<JudgedCase> {
    use Bucket::{Stranger, Unknown};
    let one_aligned = joined(&[(1, [0, 0, 1, 19]), (20, [0, 0, 0, 20])]);
    vec![
        other("a spoofer", days(9, [0, 0, 0, 13])).is(
            Stranger,
            "None of 117 messages passed with SPF or DKIM as you, and nothing else says \
                           that it is yours; none was refused (policy p=none).",
        ),
        other("a spoofer that is refused", days(9, [0, 0, 0, 13]))
            .rejected()
            .is(Stranger, "117 rejected"),
        other("one forged message", days(1, [0, 0, 0, 1])).is(Stranger, "Not one message passed"),
        other("a stranger who sends one aligned pass", one_aligned)
            .is(Stranger, "1 of 420 messages passed"),
        row("a spammer with a domain of his own", "spam.example", days(9, [0, 0, 0, 13]))
            .signs(|signs| signs.elsewhere = 117)
            .is(Stranger, "None of 117 messages"),
        other("with a signature that names no key of yours", days(9, [0, 0, 0, 13]))
            .key("guessed")
            .signs(|signs| signs.broken_signature = 117)
            .is(Stranger, "None of 117 messages"),
        other("with a signature that names your key", days(9, [0, 0, 0, 13]))
            .key("2026a")
            .signs(|signs| signs.broken_signature = 117)
            .is(Unknown, "All 117 messages came with a signature of yours that failed"),
        other("seen once before, failing as well", days(9, [0, 0, 0, 1]))
            .is(Stranger, "None of 9 messages"),
        JudgedCase { basis: Basis::Nothing, ..row("no address", "unknown", days(9, [3, 0, 0, 1])) }
            .is(Unknown, "Reports do not say from where 36 messages came."),
        JudgedCase { raw: false, ..other("no result", days(9, [0, 0, 0, 1])) }
            .is(Unknown, "Reports say no result of SPF or DKIM"),
        other("records that count nothing", days(2, [0, 0, 0, 0]))
            .is(Unknown, "No message is counted"),
    ]
}

#[test]
fn histories_are_judged() {
    let tables =
        [own_ones(), own_ones_to_repair(), said_ones(), services(), forwarders(), strangers()];
    let rows = tables.concat();
    assert!(rows.len() >= 25);
    let wrong = rows.iter().filter_map(|row| {
        let verdict = judged(row);
        let is_right = (verdict.bucket, &*verdict.repair) == (row.expected, row.repair)
            && verdict.why.contains(row.says)
            && verdict.why.ends_with('.')
            && verdict.todo.ends_with('.')
            && verdict.said != row.said.is_empty();
        (!is_right).then(|| format!("{}: {verdict:?}\n", row.what))
    });
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn numbers_of_any_size_are_judged() {
    for day in [[u64::MAX >> 2, 0, 0, 0], [0, u64::MAX >> 2, 0, 0], [0, 0, 0, u64::MAX >> 2]] {
        let row = row("huge", "192.0.2.0/24", days(1, day)).key("2026a");
        assert!(!judged(&row).why.is_empty());
    }
}
