//! Number: counts as reporters write them.

/// A number that people can read: with a sign in front, blanks or commas between thousands, a
/// fraction of zeros, or a unit behind. A fraction of a mail, less than nothing, and digits in the
/// middle of other text are no number.
pub(super) fn number(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let text = text.trim_matches(|c: char| matches!(c, '"' | '\'' | '+') || c.is_whitespace());
    let end =
        text.find(|c: char| !c.is_ascii_digit() && !matches!(c, ',' | '.')).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if !rest.chars().all(|c| c.is_whitespace() || c.is_alphabetic() || matches!(c, '%' | '.')) {
        return None;
    }
    let whole = match digits.rsplit_once('.') {
        // `1.000` is 1 or 1,000.
        Some((whole, zeros)) if zeros.len() != 3 && zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => digits,
    };
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let thousands: Vec<&str> = groups.collect();
    let grouped = thousands.is_empty()
        || (first.len() <= 3 && thousands.iter().all(|group| group.len() == 3));
    if grouped { [&[first], thousands.as_slice()].concat().concat().parse().ok() } else { None }
}
