use super::*;

fn lane(days: &[(i64, Count)]) -> Lane {
    let days = days.iter().map(|(day, count)| (day * DAY, *count)).collect();
    Lane::of_messages("Messages", days)
}

fn chart(days: &[(i64, Count)], range: (i64, i64)) -> Option<Chart> {
    let range = (range.0 * DAY, range.1 * DAY);
    Chart::new(Shown { id: "c", range, lanes: vec![lane(days)], policies: &[] })
}

/// A day of 2024.
const FIRST: i64 = 19_723;

#[test]
fn a_year_has_a_hundred_bars_at_most_and_all_messages() {
    let days: Vec<_> = (0..365).map(|day| (FIRST + day, Count { pass: 3, fail: 1 })).collect();
    let chart = chart(&days, (FIRST, FIRST + 365)).expect("a picture");
    assert!(chart.columns.len() <= 100, "{}", chart.columns.len());
    let words = "Messages: 1,095 of 1,460 messages passed (75 %), 365 failed.";
    assert!(chart.summary.starts_with(words), "{}", chart.summary);
}

#[test]
fn numbers_beyond_sense_give_a_picture_all_the_same() {
    let huge = Count { pass: u64::MAX, fail: u64::MAX };
    let chart = chart(&[(-1_000_000, huge), (20_000, Count { pass: 0, fail: 1 })], (0, 1 << 40))
        .expect("a picture");
    assert!(chart.columns.len() <= 100);
    let picture = chart.render().expect("rendered");
    assert!(picture.contains("<svg"));
}

#[test]
fn the_highest_number_is_round() {
    let rounded = [0, 1, 3, 10, 11, 99, 101, 1501, 81_000].map(rounded_up);
    assert_eq!(rounded, [2, 2, 4, 10, 12, 100, 120, 2000, 100_000]);
    assert_eq!(rounded_up(u64::MAX), u64::MAX);
}

#[test]
fn one_failure_among_many_is_seen_and_no_bar_leaves_its_lane() {
    let count = Count { pass: 1_000_000, fail: 1 };
    let chart = chart(&[(FIRST, count)], (FIRST, FIRST + 1)).expect("a picture");
    let parts = &chart.columns[0].parts;
    assert_eq!(parts.iter().map(|part| part.class).collect::<Vec<_>>(), ["pass", "fail"]);
    assert_eq!(parts[1].height, SEEN);
    assert!(parts.iter().all(|part| part.y >= WORDS), "{parts:?}");
}

#[test]
fn lanes_stand_below_each_other_on_the_same_days() {
    let others = Lane { days: lane(&[(FIRST + 1, Count { pass: 0, fail: 9 })]).days, ..lane(&[]) };
    let tls = TlsDay { begin: (FIRST + 1) * DAY, successful: 5, failed: 2 };
    let lanes = vec![
        lane(&[(FIRST, Count { pass: 7, fail: 0 })]),
        Lane::of_others("Others", others.days),
        Lane::of_tls("TLS", &[tls]),
        lane(&[]),
    ];
    let range = (FIRST * DAY, (FIRST + 2) * DAY);
    let policies = [(FIRST * DAY, "none"), ((FIRST + 1) * DAY, "reject")];
    let chart =
        Chart::new(Shown { id: "c", range, lanes, policies: &policies }).expect("a picture");
    assert_eq!(chart.lanes.len(), 3);
    assert!(chart.lanes.is_sorted_by_key(|lane| lane.base));
    let classes: Vec<Vec<_>> = chart
        .columns
        .iter()
        .map(|column| column.parts.iter().map(|part| part.class).collect())
        .collect();
    assert_eq!(classes, [vec!["pass"], vec!["quiet", "fail"]]);
    assert!(chart.columns[1].title.ends_with("TLS: 2 of 7 sessions failed"));
    let places: Vec<_> = chart.bands.iter().map(|band| (band.x.0, band.width.0)).collect();
    assert_eq!(places, [(0, 50_000), (50_000, 50_000)]);
    assert!(chart.summary.ends_with("The policy: p=none, p=reject from 2 Jan 2024 on."));
}

#[test]
fn without_a_day_there_is_no_picture() {
    assert!(chart(&[], (FIRST, FIRST + 30)).is_none());
    assert!(chart(&[(-5, Count { pass: 1, fail: 0 })], (-9, FIRST)).is_none());
    let days = [(FIRST * DAY, Count { pass: 1, fail: 0 })].into();
    let later = ((FIRST + 5) * DAY, (FIRST + 6) * DAY);
    assert!(Spark::new(later, &days, ["pass", "fail"]).is_none());
}
