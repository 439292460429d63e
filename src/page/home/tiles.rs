//! Tiles: the answers to what is asked first, each in a number and a sentence.

use super::card::Card;
use crate::{
    answers::overview::Tls,
    changes::Change,
    figures::{is_share, share, things, thousands},
    page::{asked::Asked, frame::Place, news::DAYS, policy::NextStep, view::View, words::Said},
};

/// A question and its answer.
#[derive(Debug)]
pub(super) struct Tile {
    pub(super) question: String,
    pub(super) figure: Said,
    pub(super) words: Said,
    pub(super) mood: Mood,
    /// Where more is said.
    pub(super) href: String,
}

/// Whether somebody is to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Todo,
    /// It can't be told, or does not matter.
    Quiet,
}

impl Mood {
    /// The class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Mood::Good => "good",
            Mood::Todo => "todo",
            Mood::Quiet => "calm",
        }
    }

    fn todo_if(is_todo: bool) -> Mood {
        if is_todo { Mood::Todo } else { Mood::Good }
    }
}

/// The answers, from cards with the worst first.
pub(super) fn tiles(
    place: Place,
    asked: &Asked,
    cards: &[Card],
    news: Option<&[Change]>,
    tls: &Tls,
) -> Vec<Tile> {
    vec![own(cards), changed(news), policy(cards), over_tls(place, asked, cards, tls)]
}

fn own(cards: &[Card]) -> Tile {
    let sum = |of: fn(&Card) -> u64| cards.iter().map(of).fold(0, u64::saturating_add);
    let (messages, pass) = (sum(|card| card.own.messages), sum(|card| card.own.pass));
    let broken: Vec<&Card> = cards.iter().filter(|card| !card.to_repair.is_empty()).collect();
    let senders = broken.iter().map(|card| card.to_repair.len() as u64).sum::<u64>();
    let words = match broken.as_slice() {
        _ if messages == 0 => "No mail of this time is surely yours.".into(),
        [] => format!("of {} pass. Nothing to mend.", things(messages, "message")),
        [one] => format!("passes. {} to mend, for {}.", things(senders, "sender"), one.domain),
        all => format!(
            "passes. {} to mend, for {}.",
            things(senders, "sender"),
            things(all.len() as u64, "domain")
        ),
    };
    Tile {
        question: "Is my own mail safe?".into(),
        figure: if messages == 0 { "–".into() } else { share(pass, messages).into() },
        words: words.into(),
        mood: match (messages, broken.is_empty()) {
            (0, _) => Mood::Quiet,
            (_, is_well) => Mood::todo_if(!is_well),
        },
        href: broken
            .first()
            .or(cards.first().as_ref())
            .map(|card| card.href.clone())
            .unwrap_or_default(),
    }
}

fn changed(news: Option<&[Change]>) -> Tile {
    let question = format!("What changed in {DAYS} days?");
    let Some(news) = news else {
        return Tile {
            question,
            figure: "–".into(),
            words: "There are many reports: email-report-processor digest --print tells.".into(),
            mood: Mood::Quiet,
            href: String::new(),
        };
    };
    let urgent = news.iter().filter(|change| change.needs_attention).count() as u64;
    let rest = (news.len() as u64).saturating_sub(urgent);
    let (figure, words) = match (urgent, rest) {
        (0, 0) => ("Nothing".into(), "that is out of the usual.".into()),
        (0, _) => (things(rest, "thing"), "Nothing of it needs you.".into()),
        (1, 0) => ("1 thing".into(), "It needs attention.".into()),
        (_, 0) => (things(urgent, "thing"), "They need attention.".into()),
        _ => (
            things(urgent.saturating_add(rest), "thing"),
            format!(
                "{} of them {} attention.",
                thousands(urgent),
                if urgent == 1 { "needs" } else { "need" }
            ),
        ),
    };
    Tile {
        question,
        figure: figure.into(),
        words: words.into(),
        mood: if news.is_empty() { Mood::Quiet } else { Mood::todo_if(urgent > 0) },
        href: if news.is_empty() { String::new() } else { "#changes".into() },
    }
}

fn policy(cards: &[Card]) -> Tile {
    let told: Vec<(&Card, &NextStep)> =
        cards.iter().filter_map(|card| Some((card, card.next.as_ref()?))).collect();
    let ready: Vec<_> = told.iter().filter(|(_, next)| next.publish.is_some()).collect();
    let waits: Vec<_> =
        told.iter().filter(|(_, next)| next.publish.is_none() && !next.is_strictest).collect();
    let hits = told.iter().map(|(_, next)| next.hits_own).fold(0, u64::saturating_add);
    let (figure, words, mood) = match (ready.as_slice(), waits.as_slice()) {
        _ if cards.is_empty() => ("–", "No report of this time tells.".into(), Mood::Quiet),
        _ if told.is_empty() => {
            ("–", "Choose 30 days or more: a shorter time says too little.".into(), Mood::Quiet)
        }
        ([(card, next)], _) => {
            let tags = next.publish.unwrap_or_default();
            ("Yes", format!("for {}: {tags}", card.domain), Mood::Good)
        }
        ([_, _, ..], _) => {
            ("Yes", format!("for {}.", things(ready.len() as u64, "domain")), Mood::Good)
        }
        ([], [(card, _)]) => ("Not yet", format!("for {}.", card.domain), Mood::Quiet),
        ([], [_, _, ..]) => {
            ("Not yet", format!("for {}.", things(waits.len() as u64, "domain")), Mood::Quiet)
        }
        ([], []) if hits == 0 => {
            ("p=reject", "is in force, and hits nothing of yours.".into(), Mood::Good)
        }
        ([], []) => {
            let words = format!("is in force, and {} of yours failed.", things(hits, "message"));
            ("p=reject", words, Mood::Quiet)
        }
    };
    let first = ready.first().or(waits.first()).map(|(card, _)| *card).or(cards.first());
    Tile {
        question: "May I tighten the policy?".into(),
        figure: figure.into(),
        words: words.into(),
        mood,
        href: first.map(|card| format!("{}#policy", card.href)).unwrap_or_default(),
    }
}

fn over_tls(place: Place, asked: &Asked, cards: &[Card], tls: &Tls) -> Tile {
    let all = tls.successful_sessions.saturating_add(tls.failed_sessions);
    let worst = cards.iter().max_by_key(|card| card.tls.failed());
    let words = match worst.filter(|card| card.tls.failed() > 0) {
        _ if all == 0 => "No TLS report of this time.".into(),
        _ if tls.failed_sessions == 0 => format!("of {} succeeded.", things(all, "session")),
        Some(card) => format!(
            "{} failed{} for {}: {}.",
            things(tls.failed_sessions, "session"),
            if card.tls.failed() < tls.failed_sessions { "; most" } else { "," },
            card.domain,
            card.tls.failure.clone().unwrap_or_default()
        ),
        None => format!("{} failed.", things(tls.failed_sessions, "session")),
    };
    // One in a hundred fails everywhere.
    let is_bad = tls.failed_sessions > 0 && is_share(tls.failed_sessions, all, 1);
    Tile {
        question: "Does mail come over TLS?".into(),
        figure: if all == 0 { "–".into() } else { share(tls.successful_sessions, all).into() },
        words: words.into(),
        mood: if all == 0 { Mood::Quiet } else { Mood::todo_if(is_bad) },
        href: place.link(View::Tls, &asked.period_only()),
    }
}
