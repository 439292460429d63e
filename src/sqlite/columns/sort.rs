//! Sort: segments that came one after the other become large ones of neighbours, by domain and by
//! day. A question about a domain or a time reads only those that have some of it, and the sums that
//! each has of its own ([`super::run_sums`]) answer many questions without a look at records.

use rusqlite::{Connection, Result};

use super::segment::{Needed, Run, Segment};

/// So many records are sorted at once, in some tenths of a second: each is written once more.
const MANY: i64 = 1 << 17;

/// A sorted segment has at most so many records.
const LARGE: usize = 16_384;

/// Domains with fewer records share a segment.
const ALONE: usize = 4096;

/// Sorts the segments that were not yet, if they are many.
pub(super) fn sort(connection: &Connection) -> Result<()> {
    let ids = unsorted(connection)?;
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!("SELECT runs, {} FROM dmarc_columns WHERE id = ?", Needed::ALL.columns());
    let mut read = connection.prepare_cached(&sql)?;
    let mut segments = Vec::new();
    for id in &ids {
        segments.push(read.query_row([id], |row| Segment::read(row, Needed::ALL))?);
    }
    let mut delete = connection.prepare_cached("DELETE FROM dmarc_columns WHERE id = ?")?;
    for id in ids {
        delete.execute([id])?;
    }
    sorted(&segments).iter().try_for_each(|segment| segment.store(connection, None))
}

/// Those that are not sorted, if they are many: they come last.
fn unsorted(connection: &Connection) -> Result<Vec<i64>> {
    let sql = "SELECT id, records, sums IS NULL FROM dmarc_columns ORDER BY id DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(())?;
    let (mut ids, mut records) = (Vec::new(), 0_i64);
    while let Some(row) = rows.next()? {
        if !row.get(2)? {
            break;
        }
        ids.push(row.get(0)?);
        records = records.saturating_add(row.get(1)?);
    }
    if records < MANY {
        ids.clear();
    }
    ids.reverse();
    Ok(ids)
}

/// Where a run and its records are.
#[derive(Clone, Copy)]
struct Place<'s> {
    segment: usize,
    run: &'s Run,
    record: usize,
    large: usize,
    v4: usize,
    v6: usize,
}

/// By domain, begin and report.
fn sorted(segments: &[Segment]) -> Vec<Segment> {
    let mut places: Vec<Place> = (0..).zip(segments).flat_map(places).collect();
    // Runs of one report stay in their order.
    places.sort_by_key(|Place { run, .. }| (run.domain, run.begin, run.report));
    let mut sorter = Sorter::new(segments);
    for domain in places.chunk_by(|one, next| one.run.domain == next.run.domain) {
        let records: usize = domain.iter().map(|place| place.run.records).sum();
        let is_alone = records >= ALONE;
        if is_alone {
            sorter.close();
        }
        let each = records.div_ceil(records.div_ceil(LARGE).max(1));
        let most = if is_alone { each } else { LARGE };
        domain.iter().for_each(|place| sorter.push(place, most));
        if is_alone {
            sorter.close();
        }
    }
    sorter.close();
    sorter.done
}

fn places((number, segment): (usize, &Segment)) -> impl Iterator<Item = Place<'_>> {
    let mut next = [0; 4];
    segment.runs.iter().map(move |run| {
        let [record, large, v4, v6] = next;
        let widths = segment.widths(record, run.records);
        next = [record + run.records, large + widths[0], v4 + widths[1], v6 + widths[2]];
        Place { segment: number, run, record, large, v4, v6 }
    })
}

struct Sorter<'s> {
    segments: &'s [Segment],
    /// For each of them the numbers of its combinations in the open one, as far as they have one.
    numbers: Vec<Vec<Option<u16>>>,
    open: Segment,
    done: Vec<Segment>,
}

impl<'s> Sorter<'s> {
    fn new(segments: &'s [Segment]) -> Sorter<'s> {
        let numbers = segments.iter().map(|one| vec![None; one.combinations.len()]).collect();
        Sorter { segments, numbers, open: Segment::default(), done: Vec::new() }
    }

    /// Puts a run behind the others, in another segment if this one would get too large.
    fn push(&mut self, place: &Place, most: usize) {
        let Place { segment, run, record, large, v4, v6 } = *place;
        if self.open.len() + run.records > most {
            self.close();
        }
        let Sorter { segments, numbers, open, .. } = self;
        let (from, numbers) = (&segments[segment], &mut numbers[segment]);
        let [all_large, all_v4, all_v6] = from.widths(record, run.records);
        let records = record..record + run.records;
        open.runs.push(*run);
        open.codes.extend_from_slice(&from.codes[records.clone()]);
        open.counts.extend_from_slice(&from.counts[records.clone()]);
        open.large.extend_from_slice(&from.large[large..large + all_large]);
        open.v4.extend_from_slice(&from.v4[v4..v4 + all_v4]);
        open.v6.extend_from_slice(&from.v6[v6..v6 + all_v6]);
        let combinations = &mut open.combinations;
        open.evidence.extend(from.evidence[records].iter().map(|number| {
            *numbers[usize::from(*number)]
                .get_or_insert_with(|| combinations.number(from.combinations.get(*number)))
        }));
    }

    /// The open segment is done.
    fn close(&mut self) {
        if self.open.runs.is_empty() {
            return;
        }
        let segment = std::mem::take(&mut self.open);
        self.done.push(Segment { is_sorted: true, ..segment });
        self.numbers.iter_mut().for_each(|numbers| numbers.fill(None));
    }
}
