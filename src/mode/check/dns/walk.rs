//! Walk: up the tree of names, to the record that holds for a domain, and to its organisational
//! domain (RFC 9989 section 4.10). Receivers that follow RFC 7489 take a list of public suffixes
//! instead, and nearly always come to the same domain.

use super::{
    DMARC,
    lookup::Lookup,
    tags::{Tags, is_version},
};

/// Names with more labels are not asked about, apart from the first.
const LABELS: usize = 7;

/// What was found on the way.
#[derive(Debug)]
pub(super) struct TreeWalk {
    /// Domains that have exactly one record, and the record, from the longest name to the shortest.
    found: Vec<(String, String)>,
    /// The domain at which the walk began.
    start: String,
}

impl TreeWalk {
    /// Walks from a domain.
    pub(super) fn from(domain: &str, lookup: &Lookup) -> Result<TreeWalk, String> {
        let mut found = Vec::new();
        let mut at = Some(domain.to_owned());
        while let Some(name) = at {
            let texts = match lookup.texts(&format!("_dmarc.{name}")) {
                Ok(texts) => texts.records(),
                // A fault further up, as in the zone of all domains, is nobody's here.
                Err(_) if !found.is_empty() => break,
                Err(reason) => return Err(reason),
            };
            let mut records: Vec<String> =
                texts.into_iter().filter(|text| is_version(text, DMARC)).collect();
            if let (1, Some(record)) = (records.len(), records.pop()) {
                let (tags, _) = Tags::parse(&record);
                let is_end = matches!(tags.get("psd"), Some("y" | "n"));
                found.push((name.clone(), record));
                if is_end {
                    break;
                }
            }
            at = above(&name);
        }
        Ok(TreeWalk { found, start: domain.to_owned() })
    }

    /// The domain by which an organisation is known.
    pub(super) fn organisation(&self) -> &str {
        let Some((name, record)) = self.found.last() else { return &self.start };
        let (tags, _) = Tags::parse(record);
        if tags.get("psd") != Some("y") || *name == self.start {
            return name;
        }
        // That of whoever registers below a public suffix: one label more.
        let below = self.start.strip_suffix(name.as_str()).and_then(|rest| rest.strip_suffix('.'));
        let label = below.and_then(|below| below.rsplit('.').next());
        let length = label.map_or(self.start.len(), |label| label.len() + 1 + name.len());
        &self.start[self.start.len() - length..]
    }

    /// The record that holds for the domain at which the walk began, and whose it is: its own, that
    /// of its organisation, that of the public suffix.
    pub(super) fn policy(&self) -> Option<&(String, String)> {
        let organisation = self.organisation();
        let of = |domain: &str| self.found.iter().find(|(name, _)| name == domain);
        of(&self.start).or_else(|| of(organisation)).or_else(|| {
            let (_, record) = self.found.last()?;
            let (tags, _) = Tags::parse(record);
            self.found.last().filter(|_| tags.get("psd") == Some("y"))
        })
    }
}

/// The next name on the way up.
fn above(name: &str) -> Option<String> {
    let labels: Vec<&str> = name.split('.').collect();
    let keep = (labels.len() - 1).min(LABELS);
    (keep > 0).then(|| labels[labels.len() - keep..].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(start: &str, found: &[(&str, &str)]) -> TreeWalk {
        let own = |(name, record): &(&str, &str)| ((*name).to_owned(), (*record).to_owned());
        TreeWalk { found: found.iter().map(own).collect(), start: start.into() }
    }

    #[test]
    fn the_way_up_skips_to_seven_labels() {
        assert_eq!(above("a.example.org").as_deref(), Some("example.org"));
        assert_eq!(above("org"), None);
        assert_eq!(above("1.2.3.4.5.6.7.8.9.org").as_deref(), Some("4.5.6.7.8.9.org"));
        assert_eq!(above("4.5.6.7.8.9.org").as_deref(), Some("5.6.7.8.9.org"));
    }

    #[test]
    fn the_organisation_is_told_by_psd_and_else_the_shortest_name() {
        let plain = "v=DMARC1; p=none";
        let both = [("a.b.example.org", plain), ("example.org", plain)];
        let walked = walk("a.b.example.org", &both);
        assert_eq!(walked.organisation(), "example.org");
        assert_eq!(walked.policy().expect("one").0, "a.b.example.org");

        assert_eq!(walk("b.example.org", &[]).organisation(), "b.example.org");
        assert!(walk("b.example.org", &[]).policy().is_none());

        let suffix = [("gov.example", "v=DMARC1; p=reject; psd=y")];
        let walked = walk("a.b.gov.example", &suffix);
        assert_eq!(walked.organisation(), "b.gov.example");
        assert_eq!(walked.policy().expect("one").0, "gov.example");
        assert_eq!(walk("gov.example", &suffix).organisation(), "gov.example");

        let own = [("b.example.org", "v=DMARC1; p=none; psd=n")];
        assert_eq!(walk("a.b.example.org", &own).organisation(), "b.example.org");

        let middle = [("b.example.org", plain), ("example.org", plain)];
        assert_eq!(walk("a.b.example.org", &middle).policy().expect("one").0, "example.org");
    }
}
