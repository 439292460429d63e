//! Feedback fields: those of a failure report, as text, by name.

use std::collections::BTreeMap;

/// Values kept of a field that may stand several times.
pub(super) const VALUES_KEPT: usize = 100;

/// Fields looked at of the report, and of the reported mail; each takes up to 200 bytes in memory.
pub(super) const FIELDS: usize = 20_000;

/// Fields by their name in small letters, folded lines put together (RFC 5322 section 2.2.3), and
/// what was left out of them.
#[derive(Default)]
pub(super) struct FeedbackFields {
    by_name: BTreeMap<String, Vec<String>>,
    /// There were more fields than are looked at.
    pub(super) too_many: bool,
    /// One had more values than are kept.
    pub(super) values_cut: bool,
    /// One that stands once was there again with another value.
    pub(super) repeated: bool,
}

impl FeedbackFields {
    pub(super) fn of(text: &str) -> FeedbackFields {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut too_many = false;
        for line in text.lines() {
            let has_room = fields.len() < FIELDS;
            match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
                (true, Some((_, value)), _) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                (_, _, Some((name, value))) if has_room => {
                    fields.push((name.trim().to_lowercase(), value.trim().to_owned()));
                }
                (_, _, field) => too_many |= field.is_some(),
            }
        }
        FeedbackFields { too_many, ..FeedbackFields::sorted(fields) }
    }

    /// Fields in a text for people: indented, and not folded.
    pub(super) fn of_text(text: &str) -> FeedbackFields {
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        let pair =
            |(name, value): (&str, &str)| (name.trim().to_lowercase(), value.trim().to_owned());
        let fields = FeedbackFields::sorted(pairs.by_ref().take(FIELDS).map(pair).collect());
        FeedbackFields { too_many: pairs.next().is_some(), ..fields }
    }

    fn sorted(fields: Vec<(String, String)>) -> FeedbackFields {
        let mut sorted = FeedbackFields::default();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            sorted.by_name.entry(name).or_default().push(value);
        }
        sorted
    }

    pub(super) fn first(&mut self, name: &str) -> Option<String> {
        let (first, others) = self.by_name.get(name)?.split_first()?;
        self.repeated |= others.iter().any(|other| other != first);
        Some(first.clone())
    }

    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        let mut values = self.by_name.remove(name).unwrap_or_default();
        self.values_cut |= values.len() > VALUES_KEPT;
        values.truncate(VALUES_KEPT);
        values
    }
}
