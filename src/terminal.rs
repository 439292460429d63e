//! Terminal: how standard output is written for a person: its width, whether there are colours, and
//! whether there are more characters than those of ASCII.

use std::{
    env,
    ffi::OsStr,
    io::{self, IsTerminal},
};

use rustix::termios::tcgetwinsize;

/// Columns of a terminal that does not say how many it has, and of what is no terminal.
pub const USUAL_WIDTH: usize = 80;

/// What a text is written for; where nothing is known, for no terminal and in ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Columns; nothing where standard output is no terminal.
    pub width: Option<usize>,
    /// Colours are shown.
    pub colours: bool,
    /// Characters outside of ASCII are shown.
    pub is_unicode: bool,
}

impl Terminal {
    /// What standard output is.
    pub fn of_stdout() -> Terminal {
        let stdout = io::stdout();
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let is_unicode = is_unicode(variable);
        if !stdout.is_terminal() {
            return Terminal { width: None, colours: false, is_unicode };
        }
        // A terminal that does not know its width says 0.
        let columns = tcgetwinsize(&stdout).map_or(0, |size| size.ws_col);
        Terminal {
            width: Some(if columns == 0 { USUAL_WIDTH } else { columns.into() }),
            // An empty NO_COLOR says nothing (no-color.org).
            colours: variable("NO_COLOR").is_none()
                && variable("CLICOLOR").is_none_or(|value| value != "0")
                && variable("TERM").is_some_and(|value| value != "dumb"),
            is_unicode,
        }
    }
}

/// Whether the locale's characters are those of Unicode: by the first of these variables that says
/// something (POSIX, "Environment Variables", 8.2).
fn is_unicode<V: AsRef<OsStr>>(variable: impl Fn(&'static str) -> Option<V>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    locale.is_some_and(|locale| {
        let locale = locale.as_ref().to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_says_something_decides() {
        for (variables, expected) in [
            (&[][..], false),
            (&[("LANG", "C.UTF-8")], true),
            (&[("LANG", "en_GB.utf8")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], false),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "C.UTF-8")], true),
            (&[("LANG", "C.UTF-8"), ("LC_CTYPE", "POSIX")], false),
        ] {
            let variable =
                |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            assert_eq!(is_unicode(variable), expected, "{variables:?}");
        }
    }
}
