//! Stories for the model test: how they are made up, and how they are told.

use std::fmt;

use proptest::{collection::vec, option, prelude::*};

use crate::support::faulty_store::{DocumentFault, Moment, RequestFault};

/// Mails, a sink, and what happens to the program, run after run. After the last run comes one
/// without any fault.
#[derive(Clone, Debug)]
pub struct Story {
    pub sink: Sink,
    pub letters: Vec<Letter>,
    pub runs: Vec<Run>,
    /// How the last run, without faults, is done.
    pub last: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    OpenSearch,
    Sqlite,
    NdJson,
}

/// A mail that is delivered.
#[derive(Clone, Debug)]
pub struct Letter {
    pub kind: Kind,
    pub name: Name,
    /// The store refuses its last document for good (OpenSearch only).
    pub refused: bool,
    /// Before or during which run it comes, counted round; see [`Story::coming`].
    pub comes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A DMARC report of a few records.
    Dmarc,
    /// One of more records than go into one request.
    Large,
    Tls,
    Failure,
    /// Mail of another kind.
    Junk,
    /// A report whose archive is cut off.
    Broken,
    /// A good report beside a broken one.
    Mixed,
    /// The same mail as an earlier letter, or the first one.
    Again,
    /// A report under an id that is also another's.
    SameId,
}

/// How the file of a mail is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// As Dovecot does.
    Dovecot,
    /// With blanks and colons, as somebody saved it.
    Prose,
    /// A time of day in front.
    Clock,
    /// A comma in the middle.
    Comma,
}

#[derive(Clone, Debug)]
pub struct Run {
    pub mode: Mode,
    pub requests: Vec<RequestFault>,
    pub documents: Vec<DocumentFault>,
    /// The store answers nothing at all during this run (OpenSearch only).
    pub away: bool,
    pub end: End,
    pub company: Option<Company>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Once,
    Watch,
    Import,
    ImportSettling,
    /// The letter of this number (counted round) on standard input.
    Stdin(usize),
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, or by SIGTERM when `watch` has nothing more to do.
    Natural,
    /// Killed at this request (OpenSearch only).
    KilledAtRequest(usize, Moment),
    /// Killed when so many mails have left `new/`.
    KilledAtMove(usize),
    /// Killed after so many milliseconds.
    KilledAfter(u64),
    /// SIGTERM after so many milliseconds.
    Terminated(u64),
    /// Killed as one of its threads begins one of these system calls for this time, counted from 1.
    KilledAtCall(&'static str, usize),
}

/// Who else is at the Maildir meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Another `once` into the same store.
    Once,
    /// A mail reader that takes one mail from `new/` to `cur/`.
    Reader,
}

impl Story {
    pub fn strategy() -> impl Strategy<Value = Story> {
        let sink = prop_oneof![
            4 => Just(Sink::OpenSearch), 2 => Just(Sink::Sqlite), 1 => Just(Sink::NdJson),
        ];
        // What comes first is made shorter first.
        (vec(letter(), 1..12), vec(run(), 1..4), sink, mode())
            .prop_map(|(letters, runs, sink, last)| Story { sink, letters, runs, last })
    }

    /// The numbers of the letters that come before (even) or during (odd) a run, whose number is
    /// half of `when`.
    pub fn coming(&self, when: usize) -> impl Iterator<Item = usize> {
        let times = self.runs.len() * 2;
        (0..self.letters.len()).filter(move |n| self.letters[*n].comes % times == when)
    }
}

fn letter() -> impl Strategy<Value = Letter> {
    let kind = prop_oneof![
        6 => Just(Kind::Dmarc), 1 => Just(Kind::Large), 3 => Just(Kind::Tls),
        2 => Just(Kind::Failure), 3 => Just(Kind::Junk), 3 => Just(Kind::Broken),
        1 => Just(Kind::Mixed), 2 => Just(Kind::Again), 1 => Just(Kind::SameId),
    ];
    let name = prop_oneof![
        5 => Just(Name::Dovecot), 1 => Just(Name::Prose), 1 => Just(Name::Clock),
        1 => Just(Name::Comma),
    ];
    (kind, name, prop::bool::weighted(0.1), 0..6_usize)
        .prop_map(|(kind, name, refused, comes)| Letter { kind, name, refused, comes })
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        4 => Just(Mode::Once), 3 => Just(Mode::Watch), 2 => Just(Mode::Import),
        2 => Just(Mode::ImportSettling), 1 => (0..12_usize).prop_map(Mode::Stdin),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let request = prop_oneof![
        4 => Just(RequestFault::None), 2 => Just(RequestFault::AnswerLost),
        1 => Just(RequestFault::AnswerCut), 1 => Just(RequestFault::AnswerHalf),
        1 => Just(RequestFault::RequestLost), 1 => Just(RequestFault::Status(429)),
        1 => Just(RequestFault::Status(503)), 1 => Just(RequestFault::Status(200)),
    ];
    let document = prop_oneof![
        6 => Just(DocumentFault::None), 1 => Just(DocumentFault::Busy),
        1 => Just(DocumentFault::Blocked), 1 => Just(DocumentFault::Away),
    ];
    let moment = prop_oneof![Just(Moment::Before), Just(Moment::After)];
    let end = prop_oneof![
        4 => Just(End::Natural),
        3 => (1..6_usize, moment).prop_map(|(n, moment)| End::KilledAtRequest(n, moment)),
        3 => (1..8_usize).prop_map(End::KilledAtMove),
        2 => (0..120_u64).prop_map(End::KilledAfter),
        1 => (0..120_u64).prop_map(End::Terminated),
    ];
    let company =
        option::weighted(0.3, prop_oneof![2 => Just(Company::Once), 1 => Just(Company::Reader)]);
    (mode(), vec(request, 0..4), vec(document, 0..6), prop::bool::weighted(0.05), end, company)
        .prop_map(|(mode, requests, documents, away, end, company)| Run {
            mode,
            requests,
            documents,
            away,
            end,
            company,
        })
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "The sink is {:?}.", self.sink)?;
        for (n, run) in self.runs.iter().enumerate() {
            for (when, word) in [(2 * n, "Before"), (2 * n + 1, "During")] {
                for letter in self.coming(when) {
                    writeln!(
                        f,
                        "{word} run {} comes letter {letter}: {}.",
                        n + 1,
                        self.letters[letter]
                    )?;
                }
            }
            writeln!(f, "Run {}: {run}.", n + 1)?;
        }
        writeln!(f, "Then {}, without any fault.", self.last)
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Dmarc => "a DMARC report",
            Kind::Large => "a large DMARC report",
            Kind::Tls => "a TLS report",
            Kind::Failure => "a failure report",
            Kind::Junk => "mail of another kind",
            Kind::Broken => "a report cut off",
            Kind::Mixed => "a report beside one cut off",
            Kind::Again => "an earlier mail again",
            Kind::SameId => "a report under an id that is also another's",
        })?;
        match self.name {
            Name::Dovecot => {}
            name => write!(f, ", in a file named as {name:?}")?,
        }
        f.write_str(if self.refused { ", which the store refuses" } else { "" })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.mode)?;
        if self.away {
            f.write_str(", the store is away")?;
        }
        if !self.requests.is_empty() {
            write!(f, ", the requests end {:?}", self.requests)?;
        }
        if !self.documents.is_empty() {
            write!(f, ", the documents {:?}", self.documents)?;
        }
        match self.company {
            Some(Company::Once) => f.write_str(", another once beside it")?,
            Some(Company::Reader) => f.write_str(", a mail reader takes a mail to cur/")?,
            None => {}
        }
        match self.end {
            End::Natural => Ok(()),
            End::KilledAtRequest(n, moment) => {
                write!(f, ", killed {moment:?} request {n} is carried out")
            }
            End::KilledAtMove(n) => write!(f, ", killed when {n} mails have left new/"),
            End::KilledAfter(ms) => write!(f, ", killed after {ms} ms"),
            End::Terminated(ms) => write!(f, ", SIGTERM after {ms} ms"),
            End::KilledAtCall(calls, n) => write!(f, ", killed at number {n} of {calls}"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Mode::Once => f.write_str("once"),
            Mode::Watch => f.write_str("watch"),
            Mode::Import => f.write_str("import"),
            Mode::ImportSettling => f.write_str("import --settle"),
            Mode::Stdin(n) => write!(f, "letter {n} (counted round) on standard input"),
        }
    }
}
