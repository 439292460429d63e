//! Mine: the mode that keeps what the user said is his.

use std::path::Path;

use crate::{
    cli::{MineCommand, MineFlags},
    config::{Purpose, Typed},
    exit::{Exit, Failure},
    lookup, sanitize,
    senders::domain::ascii,
    verdict::{self, Mine},
};

pub(super) fn run(command: &MineCommand, typed: &Typed) -> Result<Exit, Failure> {
    let path = typed.config(&Purpose::default())?.mine_file;
    let path = path.ok_or_else(|| {
        Failure::usage("no data folder is known for this user; say where with --mine-file FILE")
    })?;
    match command {
        MineCommand::Add(flags) => change(&path, flags, MineChange::Add),
        MineCommand::Remove(flags) => change(&path, flags, MineChange::Remove),
        MineCommand::List { domain } => list(&lookup::mine(&path)?, domain.as_deref(), &path),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MineChange {
    Add,
    Remove,
}

fn change(path: &Path, flags: &MineFlags, change: MineChange) -> Result<Exit, Failure> {
    let MineFlags { what, domain } = flags;
    let Some(domain) = verdict::domain_name(domain) else {
        return Err(Failure::usage(format_args!("{domain:?} is no domain")));
    };
    let mut lines = Vec::new();
    lookup::change_mine(path, |text| {
        let mut text = text.to_owned();
        for whose in what {
            let (changed, done, not) = match change {
                MineChange::Add => {
                    (Mine::with(&text, &domain, whose)?, "is yours now", "was yours")
                }
                MineChange::Remove => {
                    (Mine::without(&text, &domain, whose)?, "is not yours any more", "was not")
                }
            };
            let said = changed.as_ref().map_or(not, |_| done);
            lines.push(format!("{whose} {said}, when it sends as {domain}\n"));
            text = changed.unwrap_or(text);
        }
        Ok(text)
    })?;
    lines.push(format!("{}\n", path.display()));
    print(&lines.concat())
}

fn list(mine: &Mine, domain: Option<&str>, path: &Path) -> Result<Exit, Failure> {
    let domain = domain.map(ascii);
    let holds = |of: &str| {
        domain.as_deref().is_none_or(|domain| crate::answers::is_at_or_below(domain, of))
    };
    let lines: Vec<String> = mine
        .iter()
        .filter(|(of, _)| holds(of))
        .map(|(of, whose)| format!("{of}  {whose}\n"))
        .collect();
    if lines.is_empty() {
        return print(&format!("Nothing is said in {}\n", path.display()));
    }
    print(&lines.concat())
}

fn print(text: &str) -> Result<Exit, Failure> {
    let lines = text.lines().map(|line| format!("{}\n", sanitize::line(line)));
    super::print(lines.collect::<String>().as_bytes())
}
