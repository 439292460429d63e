//! The order of the rooms in ARCHITECTURE.md: no room of `src` uses one that stands behind it, and
//! no two types that other rooms see share a name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

/// In front of the list of rooms in ARCHITECTURE.md.
const LIST: &str = "A room uses those that stand before it:\n\n";

/// In `src/mode`, what is no mode.
const OF_ALL_MODES: [&str; 3] = ["elsewhere", "maildirs", "pages"];

/// The rooms in their order, as ARCHITECTURE.md has them.
fn rooms() -> Vec<String> {
    let text = fs::read_to_string("ARCHITECTURE.md").expect("the file");
    let (_, list) = text.split_once(LIST).expect("the list");
    let (list, _) = list.split_once("\n\n").expect("its end");
    list.split_whitespace().map(str::to_owned).collect()
}

/// All files of Rust in `src`.
fn files() -> impl Iterator<Item = PathBuf> {
    files_in("src")
}

fn files_in(folder: &str) -> impl Iterator<Item = PathBuf> {
    let all = WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.expect("src"));
    all.map(walkdir::DirEntry::into_path).filter(|path| path.extension().is_some_and(|e| e == "rs"))
}

/// The modules that lead to a file: `src/a/b/mod.rs` and `src/a/b.rs` are a, b.
fn modules(file: &Path) -> Vec<String> {
    let path = file.strip_prefix("src").expect("in src").with_extension("");
    let mut modules: Vec<String> =
        path.iter().map(|name| name.to_str().expect("UTF-8").to_owned()).collect();
    modules.pop_if(|last| last == "mod" || last == "lib");
    modules
}

/// A source text without its comments.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// All paths of a source text that begin with a keyword, those grouped in braces one by one.
fn paths(code: &str, keyword: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let begin = format!("{keyword}::");
    let begins = code.match_indices(&begin).map(|(at, _)| at);
    let mut found = Vec::new();
    for at in begins.filter(|at| !code[..*at].ends_with(is_name)) {
        branches(&code[at..], &mut String::new(), &mut found);
    }
    found
}

/// The paths of a tree, `a::{b, c::{d, e}}`, each behind `front`; what stands behind the tree.
fn branches<'c>(tree: &'c str, front: &mut String, found: &mut Vec<String>) -> &'c str {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '*';
    let tree = tree.trim_start();
    let (path, mut rest) = tree.split_at(tree.find(|c| !is_path(c)).unwrap_or(tree.len()));
    let length = front.len();
    front.push_str(path);
    if path.ends_with("::") && rest.starts_with('{') {
        while !rest.is_empty() && !rest.starts_with('}') {
            rest = branches(&rest[1..], front, found).trim_start();
            if let Some(behind) = rest.strip_prefix("as ") {
                rest = &behind[behind.find([',', '}']).unwrap_or(behind.len())..];
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    } else if !path.is_empty() {
        found.push(front.clone());
    }
    front.truncate(length);
    rest
}

#[test]
fn no_room_uses_one_that_stands_behind_it() {
    let rooms = rooms();
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let mut there = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in files() {
        let modules = modules(&file);
        let Some(room) = modules.first().filter(|name| *name != "main") else { continue };
        there.insert(room.clone());
        let code = code(&fs::read_to_string(&file).expect("UTF-8"));
        for path in paths(&code, "crate") {
            let used = path.split("::").nth(1).expect("a name behind ::");
            if used != room && place(used).is_none_or(|used| Some(used) > place(room)) {
                wrong.push(format!("{}: {path}", file.display()));
            }
        }
        // Out of a room leads `crate::` only. The tests in a file are one module further in.
        let (outside, tests) = code.split_once("mod tests {").unwrap_or((&code, ""));
        for (code, depth) in [(outside, modules.len() - 1), (tests, modules.len())] {
            let climbs = |path: &String| path.split("::").take_while(|p| *p == "super").count();
            let far = paths(code, "super").into_iter().filter(|path| climbs(path) > depth);
            wrong.extend(far.map(|path| format!("{}: {path}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "these use what stands behind them in ARCHITECTURE.md:\n{wrong:#?}");
    assert_eq!(there, rooms.iter().cloned().collect(), "the list in ARCHITECTURE.md has all rooms");
    assert_eq!(there.len(), rooms.len(), "each once");
}

#[test]
fn no_mode_uses_another() {
    let files = || files().filter(|file| file.starts_with("src/mode"));
    let modes = files().filter_map(|file| modules(&file).get(1).cloned());
    let modes: BTreeSet<String> =
        modes.filter(|name| !OF_ALL_MODES.contains(&name.as_str())).collect();
    assert!(modes.contains("watch") && modes.contains("once"), "{modes:?}");
    for file in files() {
        let modules = modules(&file);
        let Some(mode) = modules.get(1).filter(|mode| modes.contains(*mode)) else { continue };
        let code = code(&fs::read_to_string(&file).expect("UTF-8"));
        let climbs = vec!["super"; modules.len() - 1].join("::");
        for path in paths(&code, "crate").into_iter().chain(paths(&code, "super")) {
            let inside = path.strip_prefix("crate::mode").or_else(|| path.strip_prefix(&climbs));
            let used = inside.and_then(|inside| inside.split("::").nth(1)).unwrap_or_default();
            assert!(used == mode || !modes.contains(used), "{}: {path}", file.display());
        }
    }
}

#[test]
fn no_file_has_more_than_400_lines() {
    let folders = ["src", "tests", "benches", "fuzz/fuzz_targets", "fuzz/src"];
    for file in folders.into_iter().flat_map(files_in) {
        let lines = fs::read_to_string(&file).expect("UTF-8").lines().count();
        assert!(lines <= 400, "{}: {lines} lines", file.display());
    }
}

#[test]
fn no_two_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files() {
        for line in fs::read_to_string(&file).expect("UTF-8").lines() {
            let public = ["pub ", "pub(crate) "];
            let line = line.trim_start();
            let Some(line) = public.iter().find_map(|word| line.strip_prefix(word)) else {
                continue;
            };
            let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
            let Some(name) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else {
                continue;
            };
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            places.entry(name[..end].to_owned()).or_default().push(file.display().to_string());
        }
    }
    assert!(places.len() > 150, "{} types were found", places.len());
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "the name of two types: {places:#?}");
}

#[test]
fn paths_are_seen_in_any_form() {
    let text = "use crate::{\n    a::{self, B as C, d::E},\n    f,\n};\ncrate::g::h(); // crate::not\n\
                fn i() -> ecrate::j { $crate::k!() }\nuse super::super::l;";
    let code = code(text);
    let found = paths(&code, "crate");
    let all = ["a::self", "a::B", "a::d::E", "f", "g::h", "k"].map(|path| format!("crate::{path}"));
    assert_eq!(found, all);
    assert_eq!(paths(&code, "super"), ["super::super::l", "super::l"]);
}
