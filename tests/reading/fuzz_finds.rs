//! Inputs that once broke something when `fuzz/run` found them. Each folder of
//! `tests/fixtures/fuzz` is named after its target.

use std::fs;

use crate::support::properties;

type Check = fn(&[u8]);

#[test]
fn what_the_fuzzers_found_stays_mended() {
    let targets: [(&str, Check); 6] = [
        ("message", properties::message),
        ("aggregate", properties::aggregate),
        ("tls", properties::tls),
        ("failure", properties::failure),
        ("documents", properties::documents),
        ("mbox", properties::mbox),
    ];
    let mut checked = 0;
    for (target, check) in targets {
        let Ok(folder) = fs::read_dir(format!("tests/fixtures/fuzz/{target}")) else { continue };
        for file in folder {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            let bytes = fs::read(&path).expect("a fixture");
            check(&bytes);
            // Limits depend on whether the length is odd.
            check(&[&bytes[..], b"\n"].concat());
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// What the fuzz targets begin with.
#[test]
fn all_fixtures_have_the_properties() {
    let mut folders = vec!["tests/fixtures".into()];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(&folder).expect("a folder") {
            let path: std::path::PathBuf = file.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            println!("{}", path.display());
            let bytes = fs::read(&path).expect("a fixture");
            for bytes in [bytes.clone(), [&bytes[..], b"\n"].concat()] {
                properties::message(&bytes);
                properties::aggregate(&bytes);
                properties::tls(&bytes);
                properties::failure(&bytes);
                properties::documents(&bytes);
                properties::mbox(&bytes);
            }
        }
    }
}
