//! Words: numbers as sentences have them.

pub(crate) use crate::figures::{things as counted, thousands as number};

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
    fn parts_are_said_as_people_say_them() {
        let said = [part(2, 2, "message"), part(0, 3, "message"), part(1, 1, "day")];
        assert_eq!(said, ["all 2 messages", "none of 3 messages", "the only day"]);
        assert_eq!(sentence(&part(1200, 3000, "message")), "1,200 of 3,000 messages");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
