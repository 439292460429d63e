//! Words: numbers as sentences have them.

/// With a comma after each thousand.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things.
pub(crate) fn counted(many: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(many), if many == 1 { "" } else { "s" })
}

/// How many of all: `all 12 messages`, `3 of 12 messages`, `none of 12 messages`; something
/// that happened to them follows.
pub(crate) fn part(some: u64, all: u64, noun: &str) -> String {
    match (some, all) {
        (1, 1) => format!("the only {noun}"),
        (some, all) if some == all => format!("all {}", counted(all, noun)),
        (0, 1) => format!("not one {noun}"),
        (0, all) => format!("none of {}", counted(all, noun)),
        (some, all) => format!("{} of {}", number(some), counted(all, noun)),
    }
}

/// The first letter as at the beginning of a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Words with commas between, and "and" before the last.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_comma_after_each_thousand() {
        for (plain, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(number(plain), expected);
        }
    }

    #[test]
    fn parts_are_said_as_people_say_them() {
        let said = [part(2, 2, "message"), part(0, 3, "message"), part(1, 1, "day")];
        assert_eq!(said, ["all 2 messages", "none of 3 messages", "the only day"]);
        assert_eq!(sentence(&part(1200, 3000, "message")), "1,200 of 3,000 messages");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
