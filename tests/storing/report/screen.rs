//! How text looks: at 80 columns and at 200, in a pipe, in ASCII.

use std::process::{Command, Stdio};

use super::{FORGED, GOOD, Row, Stored, dmarc, tls};
use crate::support::{program::program, server::skip};

/// On a terminal that `script` makes, with these variables; nothing where there is no `script`.
fn on_terminal(
    stored: &Stored,
    columns: usize,
    flags: &str,
    variables: &[(&str, &str)],
) -> Option<String> {
    let inner = program(["report", "--store", &stored.path()]);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().expect("UTF-8"))).collect();
    let line = format!("stty cols {columns}; {} {flags}", words.join(" "));
    let mut outer = Command::new("script");
    outer.args(["-qec", &line, "/dev/null"]).env("ERP_CONFIG", "/dev/null").env("TERM", "xterm");
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "LC_CTYPE", "LANG"] {
        outer.env_remove(name);
    }
    outer.env("LC_ALL", "C.UTF-8").envs(variables.iter().copied());
    let Ok(output) = outer.stdin(Stdio::null()).output() else {
        skip("there is no script (util-linux)");
        return None;
    };
    assert_eq!(output.status.code(), Some(0));
    Some(String::from_utf8(output.stdout).expect("UTF-8").replace('\r', ""))
}

/// Long names, long numbers, many columns.
fn wide() -> Stored {
    let busy =
        Row { source: "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", messages: 12_345_678, ..GOOD };
    let spam = Row { source: "203.0.113.9", disposition: "quarantine", messages: 1_234, ..FORGED };
    let service = Row {
        source: "203.0.113.200",
        signer: "a-mail-service-with-a-rather-long-name.example",
        dkim: "pass",
        ..FORGED
    };
    Stored::new(&[
        dmarc("Receiver", "example.org", 2, &[busy, FORGED, spam, service]),
        dmarc("Other", "example.org", 4, &[GOOD]),
        dmarc("Receiver", "example.net", 5, &[GOOD]),
        tls("mx.example.org", 9_900_000, "certificate-host-mismatch", 100),
    ])
}

#[test]
fn lines_fit_the_terminal_and_use_it() {
    let stored = wide();
    let path = stored.path().len();
    for flags in ["", "--by address", "--by sender", "--by day", "--by result", "--by organization"]
    {
        let mut most = Vec::new();
        for columns in [40, 80, 200] {
            let Some(shown) = on_terminal(&stored, columns, flags, &[]) else { return };
            let plain = console::strip_ansi_codes(&shown).into_owned();
            let is_broken = |line: &&str| {
                // What is to be copied stays whole.
                !line.contains("email-report-processor") && !line.contains("reports.sqlite")
            };
            let longest = plain.lines().filter(is_broken).map(console::measure_text_width).max();
            let longest = longest.expect("lines");
            assert!(longest <= columns.max(80) || longest <= path, "{flags} {columns}:\n{plain}");
            most.push(longest);
        }
        assert!(most[2] > most[1], "200 columns are not used by {flags:?}: {most:?}");
    }
}

#[test]
fn colours_are_shown_on_a_terminal_that_wants_them() {
    let stored = Stored::usual();
    for (variables, expected) in [
        (&[][..], true),
        (&[("NO_COLOR", "1")], false),
        (&[("NO_COLOR", "")], true),
        (&[("CLICOLOR", "0")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let Some(shown) = on_terminal(&stored, 80, "", variables) else { return };
        assert_eq!(shown.contains('\u{1b}'), expected, "{variables:?}: {shown:?}");
    }
    let mut piped = program(["report", "--store", &stored.path()]);
    piped.env("CLICOLOR_FORCE", "1").env("TERM", "xterm");
    let shown = crate::support::program::run_command(piped).stdout;
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn in_a_locale_of_ascii_all_is_ascii() {
    let stored = Stored::new(&[
        dmarc("Empfänger", "bücher.example", 2, &[GOOD, FORGED]),
        dmarc("Receiver", "bücher.example", 40, &[GOOD]),
    ]);
    for flags in ["", "--by organization", "--by domain", "--by day"] {
        for locale in ["C", "POSIX", "de_DE.ISO-8859-1"] {
            let Some(shown) = on_terminal(&stored, 80, flags, &[("LC_ALL", locale)]) else {
                return;
            };
            assert!(shown.is_ascii() && shown.contains("100"), "{locale} {flags}: {shown}");
        }
    }
    let shown = stored.told(&["--by", "domain"]);
    assert!(shown.contains("bücher.example"), "{shown}");
}

#[test]
fn the_first_screen_is_the_answer() {
    let service = Row {
        source: "203.0.113.200",
        messages: 40,
        disposition: "none",
        spf: "fail",
        dkim: "fail",
        ..GOOD
    };
    let reports: Vec<String> = (1..40)
        .flat_map(|days| {
            let forged = Row { disposition: "none", ..FORGED };
            let broken = if days < 20 { Some(service) } else { None };
            let fine =
                if days < 20 { None } else { Some(Row { spf: "pass", dkim: "pass", ..service }) };
            let rows: Vec<Row> = [Row { messages: 1_000, ..GOOD }, forged]
                .into_iter()
                .chain(broken)
                .chain(fine)
                .collect();
            [dmarc("Receiver", "example.org", days, &rows)]
        })
        .chain([tls("mx.example.org", 9_900_000, "certificate-host-mismatch", 100)])
        .collect();
    let shown = Stored::new(&reports).told(&[]);
    for part in [
        "\nexample.org · p=none · 30 reports from 1 receiver\n",
        "forged?      ",
        " messages pass (",
        " on the 30 days before)\n",
        "\n               ██████████████████████████████\n",
        "TLS in       99.9 % of 9,900,100 sessions; mx.example.org:\n",
        "\nNext: email-report-processor ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let one = Stored::new(&[dmarc("Receiver", "example.org", 2, &[GOOD])]).told(&[]);
    assert!(one.contains("90 of 90 messages pass (100 %)"), "{one}");
}
