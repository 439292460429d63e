//! Rules: whose a sender is. They are tried one after the other; the first that knows decides.
//!
//! What they rest on: SPF that passes and is aligned says that the domain's owner named the server
//! in the DNS. A signature in the domain's name says only that the mail began at who has the key:
//! forwarders keep it, and a signed mail can be sent again by anyone. So where a signature alone
//! passes, it counts whose key it is: one by which servers sign that SPF passes for, or another.

use super::{
    Bucket, Mechanism, Verdict, Whose,
    case::{Case, FEW_MESSAGES, FORWARDERS, NEARLY_ALL, bad_days},
    mine,
    words::{counted, number, part, sentence},
};
use crate::{
    answers::{History, Messages},
    figures::is_share,
    moment::day,
    senders::Basis,
};

/// A service that signs in its own name is the domain's own from this many messages on: its
/// customers prove whose addresses they send as.
const STEADY: u64 = 10;
/// Fewer messages than this are no replay that is worth a word.
const REPLAYED: u64 = 100;

/// What operators do that send for others in their customers' names.
const SERVICES: [&str; 7] =
    ["transactional", "newsletter", "crm", "support", "software", "shop", "social network"];
const RULES: [fn(&Case) -> Option<Verdict>; 11] = [
    nothing_sent,
    said,
    no_address,
    replayed,
    passes_on,
    too_little,
    own,
    once_own,
    service,
    signed_in_vain,
    no_results,
];

/// Whose it is.
pub(super) fn verdict(case: &Case) -> Verdict {
    RULES.iter().find_map(|rule| rule(case)).unwrap_or_else(|| stranger(case))
}

fn to_repair(case: &Case, repair: Vec<Mechanism>, why: String) -> Verdict {
    let advice = repair_advice(&repair);
    Verdict { repair, ..case.is(Bucket::NeedsRepair, why, advice) }
}

fn repair_advice(repair: &[Mechanism]) -> &'static str {
    match repair {
        [Mechanism::Spf] => {
            "Name its addresses in your SPF record, and have it use your domain in the envelope."
        }
        [Mechanism::Dkim] => {
            "Look that the DKIM key it signs with is published, and that all its mail is signed."
        }
        _ => "Have it sign with DKIM as your domain, and name it in your SPF record.",
    }
}

fn nothing_sent(case: &Case) -> Option<Verdict> {
    let why = "No message is counted in its records.";
    (case.all() == 0).then(|| case.is(Bucket::Unknown, why.into(), "Nothing."))
}

fn said(case: &Case) -> Option<Verdict> {
    // Whose the key is does not say who sends what it once signed.
    let is_of_key = case.said.iter().all(|whose| matches!(whose, Whose::Selector(_)));
    if case.said.is_empty() || is_of_key && replayed(case).is_some() {
        return None;
    }
    let front = format!("You said that {} is yours", mine::list(case.said));
    if let Some(Verdict { bucket: Bucket::Mine | Bucket::NeedsRepair, repair, why, todo, .. }) =
        own(case)
    {
        let bucket = if repair.is_empty() { Bucket::Mine } else { Bucket::NeedsRepair };
        let why = format!("{front}; {}{}", why[..1].to_lowercase(), &why[1..]);
        return Some(Verdict { repair, ..case.is(bucket, why, &todo) });
    }
    let why = format!("{front}; {} failed: {}.", case.part(case.fail()), case.by_mechanism());
    Some(to_repair(case, case.broken(), why))
}

fn no_address(case: &Case) -> Option<Verdict> {
    if case.history.sender.basis != Basis::Nothing {
        return None;
    }
    let why = format!("Reports do not say from where {} came.", counted(case.all(), "message"));
    Some(case.is(Bucket::Unknown, why, "Nothing: it can't be told who sent them."))
}

/// More signed mail than the servers that sign it have sent.
fn replayed(case: &Case) -> Option<Verdict> {
    let passed = case.messages().dkim_aligned;
    let is_by_signature = passes_by_signature(case) && !case.is_told_to_pass_on();
    let sent = case.signed_by_own_servers().filter(|_| is_by_signature)?;
    if passed < REPLAYED || passed / 2 <= sent {
        return None;
    }
    let why = format!(
        "{} with your signature came from here {}, but only {} from the servers that sign so: a \
         signed mail may be sent again and again (a replay), or this is a large mailing list.",
        sentence(&counted(passed, "message")),
        case.days(),
        number(sent),
    );
    let todo = "Look whether you know it; if not, change the DKIM key, and sign with a time to \
                expire (x=) and all of From, To and Subject.";
    Some(case.is(Bucket::Unknown, why, todo))
}

fn passes_by_signature(case: &Case) -> bool {
    let Messages { spf_aligned, dkim_aligned, .. } = *case.messages();
    is_share(dkim_aligned, case.all(), 50) && !is_share(spf_aligned, case.all(), 10)
}

fn passes_on(case: &Case) -> Option<Verdict> {
    let todo = "Nothing: it passes on mail that others sent.";
    let signs = &case.history.signs;
    if passes_by_signature(case) {
        let told = case.is_told_to_pass_on();
        let own_keys = case.signed_by_own_servers().is_some() && !case.is_kind(&SERVICES);
        if !told && !own_keys {
            return None;
        }
        let why = format!(
            "{} with a signature by which your own servers sign, and SPF is that of who passes \
             them on.",
            sentence(&format!("{} passed", case.part(case.messages().dkim_aligned))),
        );
        return Some(case.is(Bucket::Forwarder, why, todo));
    }
    let fail = case.fail();
    if is_share(case.messages().pass, case.all(), 50) {
        return None;
    }
    let todo = "Nothing that you can repair: it changes mails, so that your signature breaks.";
    if is_share(signs.forwarded, fail, 50) && signs.forwarded > 0 {
        let why = format!(
            "Receivers took {} for forwarded mail or that of a mailing list, although it failed.",
            case.part(signs.forwarded)
        );
        return Some(case.is(Bucket::Forwarder, why, todo));
    }
    let is_broken = is_share(signs.broken_signature, fail, 50) && case.has_known_key();
    if is_broken && is_share(signs.elsewhere, fail, 50) || case.is_kind(&FORWARDERS) {
        let why = format!(
            "{} failed with a signature of yours that was broken on the way{}.",
            sentence(&case.part(signs.broken_signature)),
            if signs.elsewhere > 0 { ", and SPF passes for another domain" } else { "" },
        );
        return Some(case.is(Bucket::Forwarder, why, todo));
    }
    None
}

/// Of what passes only: that nothing passes says something of a single message, too.
fn too_little(case: &Case) -> Option<Verdict> {
    if !case.is_thin() || case.messages().pass == 0 {
        return None;
    }
    let why =
        format!("Too little to tell: {} passed, {}.", case.part(case.messages().pass), case.days());
    Some(case.is(Bucket::Unknown, why, "Wait for more reports, or say that it is yours."))
}

fn own(case: &Case) -> Option<Verdict> {
    let Messages { pass, dkim_aligned, .. } = *case.messages();
    if !is_share(pass, case.all(), 20) {
        return None;
    }
    let some = sentence(&case.part(pass));
    if let Some((mechanism, since)) = case.breaks_now() {
        let why =
            format!("{some} passed, but {} has failed since {}.", mechanism.name(), day(since));
        return Some(to_repair(case, vec![mechanism], why));
    }
    let is_mended = !is_share(pass, case.all(), NEARLY_ALL) && case.is_mended();
    if is_mended {
        let bad = bad_days(&case.history.days, |day| day.pass);
        let why = format!(
            "{some} passed; {} failed on {} of {}, the last of them {}.",
            counted(case.fail(), "message"),
            bad.len(),
            counted(case.history.days.len() as u64, "day"),
            day(bad.last().copied().unwrap_or_default()),
        );
        return Some(case.is(Bucket::Mine, why, "Nothing: it passes again."));
    }
    if !is_share(pass, case.all(), NEARLY_ALL) {
        let why = format!("{some} passed: {}, {}.", case.by_mechanism(), case.days());
        return Some(to_repair(case, case.broken(), why));
    }
    let why = format!("{some} passed: {}, {}.", case.by_mechanism(), case.days());
    let todo = if is_share(dkim_aligned, case.all(), 10) {
        "Nothing."
    } else {
        "Have it sign with DKIM, too: SPF alone fails where mail is forwarded, and passes for \
         whoever else may send by these servers."
    };
    Some(case.is(Bucket::Mine, why, todo))
}

/// It passed in the period before.
fn once_own(case: &Case) -> Option<Verdict> {
    let before = case.before?;
    if before.messages < FEW_MESSAGES || !is_share(before.pass, before.messages, 80) {
        return None;
    }
    let why = format!(
        "{} failed, but in the period before {} passed.",
        sentence(&case.part(case.fail())),
        part(before.pass, before.messages, "message"),
    );
    Some(to_repair(case, case.broken(), why))
}

/// One that is known, and signs in its own name.
fn service(case: &Case) -> Option<Verdict> {
    let elsewhere = case.history.signs.elsewhere;
    let is_mailbox = case.is_kind(&["mailbox provider"]);
    if !(is_mailbox || case.is_kind(&SERVICES)) || !is_share(elsewhere, case.all(), 80) {
        return None;
    }
    let kind = case.history.sender.kind.as_deref().unwrap_or_default();
    let front = format!(
        "{} passed for {} ({kind}) and not for you",
        sentence(&case.part(elsewhere)),
        case.history.sender.name
    );
    if !is_mailbox && !case.is_thin() && case.all() >= STEADY {
        let why = format!("{front}, {}: probably a service that you use.", case.days());
        return Some(to_repair(case, vec![Mechanism::Spf, Mechanism::Dkim], why));
    }
    let why = format!("{front}, {}.", case.days());
    let todo = "Ask in your house who uses it; if it is yours, say so and have it sign as you.";
    Some(case.is(Bucket::Unknown, why, todo))
}

/// With the name of a key that is in use, but no signature is good.
fn signed_in_vain(case: &Case) -> Option<Verdict> {
    let broken = case.history.signs.broken_signature;
    if !is_share(broken, case.all(), 50) || !case.has_known_key() {
        return None;
    }
    let why = format!(
        "{} came with a signature of yours that failed, and SPF did not pass: a server of yours \
         with a wrong key, a forwarder that changes mails, or a copy of your signature.",
        sentence(&case.part(broken))
    );
    Some(case.is(Bucket::Unknown, why, "Look whether the address is yours; if so, say so."))
}

fn no_results(case: &Case) -> Option<Verdict> {
    let History { spf, dkim, .. } = case.history;
    if !(spf.is_empty() && dkim.is_empty()) || case.messages().pass > 0 {
        return None;
    }
    let why = format!("Reports say no result of SPF or DKIM for {}.", case.part(case.all()));
    Some(case.is(Bucket::Unknown, why, "Nothing: it can't be told."))
}

fn stranger(case: &Case) -> Verdict {
    let Messages { pass, .. } = *case.messages();
    let p = case.policy.and_then(|policy| policy.p.as_deref());
    let policy = p.map(|p| format!(" (policy p={p})")).unwrap_or_default();
    let why = format!(
        "{} with SPF or DKIM as you, and nothing else says that it is yours; {}{policy}.",
        sentence(&format!("{} passed", case.part(pass))),
        case.done()
    );
    let todo = if case.is_refused() {
        "Nothing: it is refused already."
    } else {
        "Nothing to repair, unless it is yours; p=quarantine or p=reject has it refused."
    };
    case.is(Bucket::Stranger, why, todo)
}

#[cfg(test)]
mod tests;
