//! Parts: reports whose records or policies come one at a time, out of documents.

use super::{AggregateReport, Report, TlsReport, key::Fields};

impl Report {
    /// True if this and the other are of one report, by all that is not a record or policy.
    pub(crate) fn has_head_of(&self, other: &Report) -> bool {
        match (self, other) {
            (Report::Aggregate(one), Report::Aggregate(other)) => {
                let AggregateReport { version, metadata, policy_published, repairs, .. } = one;
                *version == other.version
                    && *metadata == other.metadata
                    && *policy_published == other.policy_published
                    && *repairs == other.repairs
            }
            (Report::Tls(one), Report::Tls(other)) => {
                let TlsReport {
                    organization_name,
                    date_range,
                    contact_info,
                    report_id,
                    repairs,
                    ..
                } = one;
                *organization_name == other.organization_name
                    && *date_range == other.date_range
                    && *contact_info == other.contact_info
                    && *report_id == other.report_id
                    && *repairs == other.repairs
            }
            _ => false,
        }
    }

    /// Adds the records or policies of another part.
    pub(crate) fn append(&mut self, other: Report) {
        match (self, other) {
            (Report::Aggregate(report), Report::Aggregate(other)) => {
                report.records.extend(other.records);
            }
            (Report::Tls(report), Report::Tls(other)) => report.policies.extend(other.policies),
            // A failure report is never in parts, and no report of two kinds.
            _ => {}
        }
    }

    /// Takes out records or policies that stand here since the report was read more than once: if
    /// all of them, told apart by their values, are here twice or a multiple of that, it was read
    /// twice, and so on. How many were taken out.
    ///
    /// A report whose every record is in it twice looks the same; they are few, and their mail,
    /// read again, brings the other half.
    pub(crate) fn without_repeats(&mut self) -> usize {
        let mut fields = Fields::default();
        match self {
            Report::Aggregate(report) => take_out(&mut report.records, |one| fields.record(one)),
            Report::Tls(report) => take_out(&mut report.policies, |one| fields.policy(one)),
            Report::Failure(_) => 0,
        }
    }
}

/// Leaves the first of each, and so many behind it as its share of all readings.
fn take_out<T>(all: &mut Vec<T>, id: impl FnMut(&T) -> u64) -> usize {
    let ids: Vec<u64> = all.iter().map(id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    let numbers = sorted.chunk_by(u64::eq).map(<[u64]>::len);
    let readings = numbers.fold(0, greatest_common_divisor);
    if readings < 2 {
        return 0;
    }
    let before = all.len();
    let mut met = std::collections::HashMap::new();
    let mut keeps = ids.iter().map(|id| {
        let times: &mut usize = met.entry(id).or_default();
        *times += 1;
        (*times - 1).is_multiple_of(readings)
    });
    all.retain(|_| keeps.next().unwrap_or(true));
    before - all.len()
}

fn greatest_common_divisor(one: usize, other: usize) -> usize {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(of: &[u64]) -> Vec<u64> {
        let mut all = of.to_vec();
        let out = take_out(&mut all, |id| *id);
        assert_eq!(out + all.len(), of.len());
        all
    }

    #[test]
    fn only_what_is_there_as_a_whole_again_is_taken_out() {
        assert!(left(&[]).is_empty());
        assert_eq!(left(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(left(&[1, 2, 1, 2]), [1, 2]);
        assert_eq!(left(&[1, 1, 2]), [1, 1, 2], "alike in one report");
        assert_eq!(left(&[1, 1, 2, 1, 1, 2]), [1, 1, 2], "the same, read twice");
        assert_eq!(left(&[1, 2, 1, 2, 1, 2]), [1, 2]);
        assert_eq!(left(&[7, 7]), [7]);
    }
}
