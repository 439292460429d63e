//! Pattern: what it means that SPF and DKIM pass or fail as they do.

use crate::{
    answers::{Messages, RawResult},
    figures::is_share,
};

/// Hundredths that are nearly all messages.
const NEARLY_ALL: u64 = 95;

/// Whether a mechanism passes, aligned with From.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Always,
    Never,
    Sometimes,
}

impl How {
    fn of(some: u64, all: u64) -> How {
        if is_share(some, all, NEARLY_ALL) {
            How::Always
        } else if is_share(all.saturating_sub(some), all, NEARLY_ALL) {
            How::Never
        } else {
            How::Sometimes
        }
    }
}

/// What the results mean, in a sentence or two; nothing without a message.
pub(super) fn meaning(
    messages: &Messages,
    spf: &[RawResult],
    dkim: &[RawResult],
) -> Option<&'static str> {
    let all = messages.messages;
    if all == 0 {
        return None;
    }
    let passes = |results: &[RawResult]| {
        results.iter().any(|one| one.result.as_deref() == Some("pass") && one.messages * 2 > all)
    };
    let elsewhere = passes(spf) || passes(dkim);
    Some(match (How::of(messages.spf_aligned, all), How::of(messages.dkim_aligned, all)) {
        (How::Always, How::Always) => {
            "SPF and DKIM both pass for the domain in From. That is how it should be: what is \
             forwarded still passes by its signature."
        }
        (How::Always, How::Never) => {
            "SPF passes, and no signature of the domain does. It passes as long as it comes \
             straight from here; forwarded, it fails. A DKIM signature mends that."
        }
        (How::Never, How::Always) => {
            "The signature passes, and SPF does not: the envelope has another domain. That is \
             usual for services that handle their own bounces, and for mail that was forwarded. \
             One of the two is enough."
        }
        (How::Never, How::Never) if elsewhere => {
            "SPF or DKIM passes, but for another domain than the one in From, which does not count \
             for DMARC. So do services that nobody has set up for the domain, and mailing lists."
        }
        (How::Never, How::Never) => {
            "Neither SPF nor DKIM passes for the domain. It is forged, or a server of yours that \
             neither signs nor stands in the SPF record."
        }
        (How::Sometimes, How::Sometimes) => {
            "SPF and DKIM pass for some of it only: several kinds of mail come from here, or \
             something changed. The picture shows since when."
        }
        (How::Sometimes, _) => {
            "SPF passes for some of it only: not all its addresses stand in the SPF record, or \
             some of it was forwarded."
        }
        (_, How::Sometimes) => {
            "The signature passes for some of it only: not all of it is signed, a key is missing, \
             or some of it is changed on the way."
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_has_its_meaning() {
        let of = |spf_aligned, dkim_aligned, raw: &[RawResult]| {
            let messages =
                Messages { messages: 100, spf_aligned, dkim_aligned, ..Messages::default() };
            meaning(&messages, raw, &[]).expect("messages")
        };
        let elsewhere = [RawResult {
            domain: Some("service.example".into()),
            result: Some("pass".into()),
            messages: 90,
        }];
        for (spf, dkim, raw, words) in [
            (100, 97, &[][..], "how it should be"),
            (100, 0, &[], "A DKIM signature mends that"),
            (3, 100, &[], "One of the two is enough"),
            (0, 0, &elsewhere, "for another domain"),
            (0, 0, &[], "forged"),
            (50, 50, &[], "some of it only"),
            (50, 0, &[], "stand in the SPF record"),
            (0, 50, &[], "a key is missing"),
        ] {
            assert!(of(spf, dkim, raw).contains(words), "{spf} {dkim}");
        }
        assert_eq!(meaning(&Messages::default(), &[], &[]), None);
    }
}
