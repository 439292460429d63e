//! Figures: numbers as a person reads them.

/// A number with its thousands set apart: `2,677,311`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (n, digit) in digits.char_indices() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 report`, `2,104 reports`, `2 addresses`.
pub fn things(number: u64, noun: &str) -> String {
    let ending = match (number, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {noun}{ending}", thousands(number))
}

/// A part of a whole in thousandths, rounded down: 1000 means all. Nothing of nothing.
pub fn thousandths(part: u64, whole: u64) -> Option<u64> {
    let share = (u128::from(part) * 1000).checked_div(u128::from(whole))?;
    Some(u64::try_from(share).unwrap_or(u64::MAX))
}

/// True if a part is at least so many hundredths of the whole.
pub fn is_share(part: u64, whole: u64, percent: u64) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(percent)
}

/// A part of a whole in per cent: `91 %`. Only all is `100 %` and only none is `0 %`; close to
/// either, tenths are told.
pub fn share(part: u64, whole: u64) -> String {
    match thousandths(part, whole) {
        None => "-".into(),
        Some(0) if part > 0 => "<0.1 %".into(),
        Some(n) if (1..10).contains(&n) || (990..1000).contains(&n) => {
            format!("{}.{} %", n / 10, n % 10)
        }
        Some(n) => format!("{} %", n / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (2_677_311, "2,677,311"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(thousands(number), text);
        }
        let said = [things(1, "report"), things(1000, "report"), things(2, "address")];
        assert_eq!(said, ["1 report", "1,000 reports", "2 addresses"]);
    }

    #[test]
    fn only_all_is_all_and_only_none_is_none() {
        for (part, whole, text) in [
            (0, 0, "-"),
            (0, 7, "0 %"),
            (1, 100_000, "<0.1 %"),
            (1, 200, "0.5 %"),
            (2104, 2310, "91 %"),
            (98_999, 100_000, "98 %"),
            (99_999, 100_000, "99.9 %"),
            (u64::MAX, u64::MAX, "100 %"),
        ] {
            assert_eq!(share(part, whole), text, "{part} of {whole}");
        }
    }
}
