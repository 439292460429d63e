//! `generate`: man pages, completions and a reference of the settings, made from the definition of
//! the flags; a user's line for `serve`; and mails to try the program with. It reads nothing but a
//! password.

use std::{fs, io, iter, path::Path};

use clap_complete::Shell;
use clap_mangen::Man;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::print;
use crate::{
    cli::{self, GenerateCommand},
    config,
    demo::Year,
    exit::{Exit, Failure},
    page::{Role, password_line},
};

/// What a page says of its origin.
const SOURCE: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

pub(super) fn run(what: &GenerateCommand) -> Result<Exit, Failure> {
    let text = match what {
        GenerateCommand::Man { out: Some(folder) } => {
            return write_pages(folder)
                .map_err(|error| Failure::path(folder, &error))
                .map(|()| Exit::Ok);
        }
        GenerateCommand::Man { out: None } => {
            pages()?.into_iter().flat_map(|(_, page)| page).collect()
        }
        GenerateCommand::Completions { shell } => completions(*shell).into_bytes(),
        GenerateCommand::Settings => cli::settings_reference().into_bytes(),
        GenerateCommand::User { name, role } => user_line(name, role)?.into_bytes(),
        GenerateCommand::Year { maildir, seed, end } => {
            let end = end.unwrap_or_else(|| {
                TimeZone::UTC.to_datetime(Timestamp::now()).date().saturating_sub(2.days())
            });
            let year = Year::new(*seed, end);
            write_year(&year, maildir).map_err(|error| Failure::path(maildir, &error))?;
            year.events().iter().flat_map(|event| format!("{event}\n").into_bytes()).collect()
        }
    };
    print(&text)
}

/// A line for the file of those who may log in.
fn user_line(name: &str, role: &str) -> Result<String, Failure> {
    let password = config::typed_password(name)?;
    let role: Role = role.parse().map_err(Failure::usage)?;
    password_line(name, role, &password).map_err(Failure::usage)
}

/// Bash's come with two spellings of a name that has hyphens (clap issue 6421, open at
/// `clap_complete` 4.6.11), and would complete nothing behind a command: the wrong spelling is
/// mended.
fn completions(shell: Shell) -> String {
    let name = env!("CARGO_PKG_NAME");
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::shown(), name, &mut text);
    String::from_utf8_lossy(&text)
        .replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

/// The name and text of each man page.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = cli::shown();
    program.build();
    let page = |command: &clap::Command| {
        let man = Man::new(command.clone()).source(SOURCE);
        let mut text = Vec::new();
        man.render(&mut text)?;
        Ok((man.get_filename(), text))
    };
    with_inner(&program).into_iter().map(page).collect()
}

/// A command and all commands within.
fn with_inner(command: &clap::Command) -> Vec<&clap::Command> {
    iter::once(command).chain(command.get_subcommands().flat_map(with_inner)).collect()
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages()?.into_iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

/// Delivers the mails of a year to a Maildir that is not there yet.
fn write_year(year: &Year, maildir: &Path) -> io::Result<()> {
    fs::create_dir(maildir)?;
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir(maildir.join(folder))?;
    }
    for (mail, n) in year.mails().zip(0_u64..) {
        let mail = mail?;
        let name = format!("{}.Q{n}.demo,S={}", mail.received, mail.bytes.len());
        fs::write(maildir.join("new").join(name), mail.bytes)?;
    }
    Ok(())
}
