//! Drawn: numbers as bars and as a line of small columns.

use crate::mode::report::view::Bar;

const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COLUMNS_IN_ASCII: [char; 8] = ['.', ':', '-', '=', '+', '*', '%', '#'];

/// A column for each number, nothing where all are 0. Where there is no room, several numbers have
/// one column in common.
pub(super) fn spark(numbers: &[u64], width: usize, is_unicode: bool) -> String {
    let of_a_column = numbers.len().div_ceil(width.max(1)).max(1);
    let sum = |numbers: &[u64]| numbers.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
    let sums: Vec<u64> = numbers.chunks(of_a_column).map(sum).collect();
    let highest = sums.iter().copied().max().unwrap_or(0);
    if highest == 0 {
        return String::new();
    }
    let columns = if is_unicode { COLUMNS } else { COLUMNS_IN_ASCII };
    let column = |sum: &u64| {
        if *sum == 0 {
            return if is_unicode { '·' } else { '_' };
        }
        let height = u128::from(*sum) * 7 / u128::from(highest);
        columns[usize::try_from(height).unwrap_or(7)]
    };
    sums.iter().map(column).collect()
}

/// The good part of a bar and the rest, each of whole columns; a bar that is not empty has one.
pub(super) fn bar(bar: Bar, width: usize, is_unicode: bool) -> (String, String) {
    let of = |thousandths: u64, whole: usize| {
        usize::try_from(thousandths).unwrap_or(1000).min(1000) * whole / 1000
    };
    let length = of(bar.length, width).max(usize::from(bar.length > 0));
    let good = of(bar.good, length);
    let (full, rest) = if is_unicode { ("█", "░") } else { ("#", "-") };
    (full.repeat(good), rest.repeat(length - good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_columns() {
        assert_eq!(spark(&[0, 1, 7, 4], 10, true), "·▂█▅");
        assert_eq!(spark(&[0, 1, 7, 4], 10, false), "_:#+");
        assert_eq!(spark(&[1, 1, 4, 4], 2, true), "▂█");
        assert_eq!(spark(&[0, 0], 10, true), "");
        assert_eq!(spark(&[], 10, true), "");
        assert_eq!(spark(&[u64::MAX, u64::MAX, 1], 2, true), "█▁");
    }

    #[test]
    fn bars_are_parts_of_the_longest() {
        let drawn = |length, good| bar(Bar { length, good }, 10, true);
        assert_eq!(drawn(1000, 500), ("█████".into(), "░░░░░".into()));
        assert_eq!(drawn(300, 1000), ("███".into(), String::new()));
        assert_eq!(drawn(1, 0), (String::new(), "░".into()));
        assert_eq!(drawn(0, 0), (String::new(), String::new()));
    }
}
