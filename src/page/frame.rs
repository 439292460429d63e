//! Frame: what stands around every page: where one is, which time is shown, what was chosen.

use super::{
    access::Visitor,
    asked::{Asked, Chosen, PRESETS, Period},
    view::{Form, View},
    words::{self, Said},
};
use crate::answers::Filter;

/// Where the pages are, and when it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    /// The path below which the pages are, without a slash at its end.
    pub(super) base: &'p str,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// Who asks, if it is known.
    pub(super) visitor: Option<&'p Visitor>,
    /// That person may say what is the user's own.
    pub(super) edits: bool,
}

impl Place<'_> {
    /// The address of a page.
    pub(super) fn link(&self, view: View, asked: &Asked) -> String {
        format!("{}{}{}", self.base, view.path(Form::Page), asked.write())
    }

    /// The same as a file.
    fn file(&self, view: View, form: Form, asked: &Asked) -> String {
        format!("{}{}{}", self.base, view.path(form), asked.write())
    }
}

/// A link with its words.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) words: &'static str,
    pub(super) href: String,
    /// It leads to what is shown now.
    pub(super) is_current: bool,
}

/// A value that was chosen, and how to take it back.
#[derive(Clone, Debug)]
pub(super) struct Chip {
    /// What kind of value: `domain`, `not from source`, ….
    pub(super) words: String,
    pub(super) value: Said,
    pub(super) is_not: bool,
    /// The same page without it.
    pub(super) href: String,
}

/// What stands around a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) base: String,
    pub(super) style: String,
    pub(super) places: Vec<Link>,
    /// Nothing on a page that is the same at all times.
    pub(super) time: Option<TimeBar>,
    pub(super) chips: Vec<Chip>,
    pub(super) csv: String,
    pub(super) json: String,
    /// If that is known.
    pub(super) person: Option<PersonBar>,
    /// If something can be said here.
    pub(super) says: Option<SayForm>,
}

/// Who looks at the page.
#[derive(Clone, Debug)]
pub(super) struct PersonBar {
    pub(super) name: Said,
    /// What a form carries that ends the log-in; nothing where there is none to be ended.
    pub(super) token: Option<String>,
}

/// The form that all buttons of a page belong to by which something is said.
#[derive(Clone, Debug)]
pub(super) struct SayForm {
    pub(super) action: String,
    pub(super) token: String,
    /// The page itself.
    pub(super) back: String,
}

/// Which time is shown, and how to choose another.
#[derive(Clone, Debug)]
pub(super) struct TimeBar {
    pub(super) words: String,
    pub(super) presets: Vec<Link>,
    /// The time before, shown or not.
    pub(super) compare: Option<Link>,
    /// Where the form leads to, and what it takes along.
    pub(super) action: String,
    pub(super) kept: Vec<Chosen>,
    pub(super) since: String,
    pub(super) until: String,
    /// None of the presets.
    pub(super) is_free: bool,
}

/// Pages that are one click away from everywhere.
const PLACES: [(View, &str); 5] = [
    (View::Home, "Domains"),
    (View::Reports, "Reports"),
    (View::Tls, "TLS"),
    (View::Failures, "Failures"),
    (View::Incoming, "Incoming"),
];

impl Frame {
    /// Around a page.
    pub(super) fn new(place: Place, view: View, asked: &Asked, title: impl Into<String>) -> Frame {
        let of_place = |(other, words): (View, &'static str)| {
            let kept = if other == View::Home { asked.period_only() } else { asked.domain_only() };
            Link { words, href: place.link(other, &kept), is_current: other == view }
        };
        let timeless = matches!(view, View::Report | View::Incoming);
        Frame {
            title: title.into(),
            base: place.base.to_owned(),
            style: super::style::path(place.base),
            places: PLACES.map(of_place).into(),
            time: (!timeless).then(|| TimeBar::new(place, view, asked)),
            chips: chips(place, view, asked),
            csv: place.file(view, Form::Csv, asked),
            json: place.file(view, Form::Json, asked),
            person: place.visitor.and_then(PersonBar::of),
            says: place.visitor.filter(|_| place.edits).map(|visitor| SayForm {
                action: format!("{}{}", place.base, super::mine::PATH),
                token: visitor.token.clone(),
                back: place.link(view, asked),
            }),
        }
    }

    /// Around a page that nobody can be led to: what was asked for is not there.
    pub(super) fn bare(place: Place, title: &str) -> Frame {
        let place = Place { edits: false, ..place };
        let mut frame = Frame::new(place, View::Incoming, &Asked::default(), title);
        frame.places.iter_mut().for_each(|link| link.is_current = false);
        frame.csv.clear();
        frame
    }
}

impl PersonBar {
    fn of(visitor: &Visitor) -> Option<PersonBar> {
        let name = visitor.person.as_ref()?.name.clone()?;
        Some(PersonBar { name, token: visitor.session().map(|_| visitor.token.clone()) })
    }
}

impl TimeBar {
    fn new(place: Place, view: View, asked: &Asked) -> TimeBar {
        let preset = |(text, words): (&str, &'static str)| {
            let at = asked.with(|asked| asked.period = Period::preset(text));
            let is_current = asked.period.is_preset(text);
            Link { words, href: place.link(view, &at), is_current }
        };
        let before = asked.period.before(place.now).filter(|_| view.compares());
        let compare = before.map(|_| Link {
            words: "Compare with before",
            href: place.link(view, &asked.with(|asked| asked.compares = !asked.compares)),
            is_current: asked.compares,
        });
        let (since, until) = asked.period.range(place.now);
        let is_time = |pair: &Chosen| pair.key == "since" || pair.key == "until";
        let day = |second: Option<i64>| second.and_then(words::date).unwrap_or_default();
        TimeBar {
            words: time_words(&asked.filter(place.now), place.now),
            is_free: !PRESETS.iter().any(|(text, _)| asked.period.is_preset(text)),
            presets: PRESETS.map(preset).into(),
            compare,
            action: place.link(view, &Asked::default()),
            kept: asked.pairs().into_iter().filter(|pair| !is_time(pair)).collect(),
            since: day(since),
            // The last day within.
            until: day(until.map(|until| until.saturating_sub(1))),
        }
    }
}

/// `27 Oct 2026 to today`.
fn time_words(filter: &Filter, now: i64) -> String {
    let from = filter.since.map_or("the first report".into(), words::day);
    let to = match filter.until {
        Some(until) if until <= now => words::day(until.saturating_sub(1)),
        _ => "today".into(),
    };
    format!("{from} to {to}")
}

fn chips(place: Place, view: View, asked: &Asked) -> Vec<Chip> {
    let chip = |chosen: &Chosen| {
        let (is_not, name) = match chosen.key.strip_prefix("not-") {
            Some(name) => (true, name),
            None => (false, chosen.key.as_str()),
        };
        Chip {
            words: if name == "organization" { "reporter".into() } else { name.to_owned() },
            value: if chosen.value.is_empty() { "none".into() } else { (&*chosen.value).into() },
            is_not,
            href: place.link(view, &asked.without(chosen)),
        }
    };
    asked.chosen().iter().map(chip).collect()
}
