//! The table of promises in ARCHITECTURE.md: the files and tests that it names are there.

use std::{fs, path::Path};

/// True if one of the folders has the module, or the module with this test in it.
fn is_there(name: &str) -> bool {
    let text_of = |module: &str| {
        let path = module.replace("::tests", "").replace("::", "/");
        let files =
            ["tests/storing", "tests/reading", "src"].map(|folder| format!("{folder}/{path}"));
        let texts = files.iter().flat_map(|file| [format!("{file}.rs"), format!("{file}/mod.rs")]);
        texts.filter_map(|file| fs::read_to_string(file).ok()).collect::<String>()
    };
    let (module, test) = name.rsplit_once("::").expect("a path");
    text_of(module).contains(&format!("fn {test}(")) || !text_of(name).is_empty()
}

#[test]
fn files_and_tests_of_the_table_are_there() {
    let text = fs::read_to_string("ARCHITECTURE.md").expect("the file");
    let (_, table) = text.split_once("| | kept in | proved by |\n").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    assert_eq!(
        table.lines().filter(|line| line.starts_with("| ")).count(),
        1 + 7,
        "a row for each promise"
    );
    for name in table.split('`').skip(1).step_by(2) {
        let found = if name.contains("::") {
            is_there(name)
        } else {
            !name.contains('/') || Path::new(name).exists()
        };
        assert!(found, "{name} is not there");
    }
}
