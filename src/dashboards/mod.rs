//! Dashboards: what people look at in OpenSearch Dashboards, described in TOML files beside this
//! one, and the saved objects made of it.

mod saved;

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::Value;

/// A dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Mail in my name
    Dmarc,
    /// Mail in my name, with network owner and country of its sources
    DmarcNetworks,
    /// Mail to me over TLS
    Tls,
    /// Single mails that failed
    Failures,
}

/// Names of the indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    /// Of DMARC records.
    pub dmarc: String,
    /// Of SMTP TLS policies.
    pub tlsrpt: String,
    /// Of DMARC failure reports.
    pub failures: String,
}

/// One of the files: an index, and what is shown of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    /// The field by which the period is chosen.
    time: String,
    measures: BTreeMap<String, Measure>,
    groups: BTreeMap<String, Grouping>,
    panels: Vec<Panel>,
    dashboards: Vec<Dashboard>,
}

/// What is counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    title: String,
    /// The aggregation: `sum`, `min`, `max`, `cardinality`, or `count` of documents.
    take: String,
    field: Option<String>,
}

/// By what it is counted.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Grouping {
    Values(Values),
    Filters(Filters),
}

/// By the values of a field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Values {
    title: String,
    field: String,
    /// How many values.
    #[serde(default = "ten")]
    size: u32,
    /// Documents without a value are left out.
    #[serde(default)]
    only_told: bool,
}

/// By queries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filters {
    filters: Vec<NamedFilter>,
}

fn ten() -> u32 {
    10
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedFilter {
    title: String,
    r#where: String,
}

/// One picture or table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    name: String,
    title: String,
    show: Picture,
    /// Only documents that this query of Lucene's finds.
    #[serde(default)]
    r#where: String,
    /// The first is what rows are sorted by, the highest first.
    #[serde(default)]
    measures: Vec<String>,
    #[serde(default)]
    by: Vec<String>,
    /// Fields of a list of documents.
    #[serde(default)]
    columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Picture {
    /// The measures as numbers.
    Numbers,
    /// A row for each group.
    Table,
    /// A ring.
    Shares,
    /// Bars, one a day.
    Days,
    /// The documents themselves.
    Records,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dashboard {
    name: String,
    title: String,
    description: String,
    rows: Vec<Vec<String>>,
}

impl Name {
    /// As it is typed.
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The index it is about, and that index's file.
    fn sheet(self, indices: &Indices) -> (&str, &str, Sheet) {
        let (key, index, text) = match self {
            Name::Dmarc | Name::DmarcNetworks => {
                ("dmarc", &indices.dmarc, include_str!("dmarc.toml"))
            }
            Name::Tls => ("tls", &indices.tlsrpt, include_str!("tls.toml")),
            Name::Failures => ("failures", &indices.failures, include_str!("failures.toml")),
        };
        (key, index, toml::from_str(text).expect("the file is part of the program and tested"))
    }
}

/// The saved objects of these dashboards, or of all where none is named: each once, what others
/// refer to before them.
pub fn objects(names: &[Name], indices: &Indices) -> Vec<Value> {
    let names = if names.is_empty() { Name::value_variants() } else { names };
    let mut all: Vec<Value> = Vec::new();
    for name in names {
        let (key, index, sheet) = name.sheet(indices);
        for object in saved::of_dashboard(&name.word(), key, index, &sheet) {
            if !all.iter().any(|known| known["id"] == object["id"]) {
                all.push(object);
            }
        }
    }
    all
}

/// The same as a file to be imported: one object a line.
pub fn file(names: &[Name], indices: &Indices) -> String {
    objects(names, indices).iter().flat_map(|object| [object.to_string(), "\n".into()]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sheets() -> Vec<Sheet> {
        let text =
            [include_str!("dmarc.toml"), include_str!("tls.toml"), include_str!("failures.toml")];
        text.map(|text| toml::from_str(text).expect("a sheet")).into()
    }

    #[test]
    fn every_dashboard_has_a_name_and_every_part_is_used() {
        let mut named: BTreeSet<String> =
            Name::value_variants().iter().map(|name| name.word()).collect();
        for sheet in sheets() {
            let shown: BTreeSet<&String> =
                sheet.dashboards.iter().flat_map(|one| one.rows.iter().flatten()).collect();
            let panels: BTreeSet<&String> = sheet.panels.iter().map(|panel| &panel.name).collect();
            assert_eq!(shown, panels);
            let used = |list: fn(&Panel) -> &Vec<String>| -> BTreeSet<&String> {
                sheet.panels.iter().flat_map(list).collect()
            };
            assert_eq!(used(|panel| &panel.measures), sheet.measures.keys().collect());
            assert_eq!(used(|panel| &panel.by), sheet.groups.keys().collect());
            for dashboard in &sheet.dashboards {
                assert!(named.remove(&dashboard.name), "{}", dashboard.name);
            }
        }
        assert!(named.is_empty(), "no dashboard: {named:?}");
    }
}
