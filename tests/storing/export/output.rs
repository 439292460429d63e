//! Where lines and rows go: a file that appears when it is complete, a pipe that is read slowly or
//! not to its end.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::{PermissionsExt, symlink},
    process::{Child, ChildStdout},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::Setup;
use crate::support::{corpus::Corpus, program::wait_until};

/// A DMARC report of 100,000 records.
fn huge() -> &'static Setup {
    static HUGE: OnceLock<Setup> = OnceLock::new();
    HUGE.get_or_init(|| Setup::new(&Corpus { huge: 1, huge_records: 100_000, ..Corpus::new(0) }))
}

#[test]
fn a_file_appears_when_it_is_complete() {
    let setup = Setup::new(&Corpus::new(50));
    let all = setup.export(&[]);
    let file = setup.path("all.ndjson");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(setup.export(&["--output", name]), "");
    assert_eq!(fs::read_to_string(&file).expect("a file"), all);

    // It keeps its rights, and a link stays a link.
    fs::write(&file, "old").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("changed");
    let link = setup.path("link");
    symlink(&file, &link).expect("a link");
    setup.export(&["-o", link.to_str().expect("UTF-8")]);
    assert_eq!(fs::read_to_string(&file).expect("a file"), all);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o640);
    assert!(link.is_symlink());

    // A device is not replaced.
    assert_eq!(setup.export(&["--output", "/dev/stdout"]), all);
    let full = setup.run(&["--output", "/dev/full"]);
    assert_eq!(full.code, Some(75), "{}", full.log);
    assert!(full.log.contains("can't write /dev/full"), "{}", full.log);

    let nowhere = setup.run(&["--output", setup.path("no/such/folder").to_str().expect("UTF-8")]);
    assert_eq!(nowhere.code, Some(64), "{}", nowhere.log);
    let store = setup.store();
    let itself = setup.run(&["--output", store.to_str().expect("UTF-8")]);
    assert_eq!(itself.code, Some(64), "{}", itself.log);
    assert_eq!(setup.export(&[]), all, "the store is whole");
}

#[test]
fn an_export_that_is_stopped_leaves_the_old_file() {
    let setup = huge();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.csv");
    fs::write(&file, "old").expect("written");
    let mut child = setup.start(&["--format", "csv", "--output", file.to_str().expect("UTF-8")]);
    let files = || fs::read_dir(folder.path()).expect("a folder").count();
    wait_until("a temporary file", Duration::from_secs(30), || files() == 2);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("signalled");
    assert_eq!(child.wait().expect("an end").code(), Some(75));
    assert_eq!(fs::read_to_string(&file).expect("a file"), "old");
    assert_eq!(files(), 1, "what was begun is gone");
}

#[test]
fn who_reads_on_no_further_is_no_error() {
    let mut child = huge().start(&[]);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut String::new()).expect("a line");
    drop(stdout);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Reads it to its end; how many lines there were, and the most memory that the program took up to
/// shortly before, in KiB.
fn highest(child: &mut Child) -> (usize, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut stdout: ChildStdout = child.stdout.take().expect("a pipe");
    let (mut lines, mut highest, mut buffer) = (0, 0, vec![0; 64 * 1024]);
    loop {
        // While it waits for the pipe to be read. After its end there is no such line.
        let status = fs::read_to_string(&status).expect("it was not waited for");
        if let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            highest = line.trim().trim_end_matches(" kB").parse().expect("a number");
        }
        match stdout.read(&mut buffer).expect("a pipe") {
            0 => break,
            read => lines += memchr::memchr_iter(b'\n', &buffer[..read]).count(),
        }
    }
    assert!(child.wait().expect("an end").success());
    (lines, highest)
}

#[test]
fn memory_does_not_grow_with_a_report() {
    let small = Setup::new(&Corpus { huge: 1, huge_records: 3000, ..Corpus::new(0) });
    for format in ["ndjson", "csv"] {
        let (lines, of_small) = highest(&mut small.start(&["--format", format]));
        assert_eq!(lines, 3000 + usize::from(format == "csv"));
        let (lines, of_huge) = highest(&mut huge().start(&["--format", format]));
        assert_eq!(lines, 100_000 + usize::from(format == "csv"));
        println!("{format}: peak {of_small} KiB for 3,000 records, {of_huge} KiB for 100,000");
        assert!(of_huge < of_small + 4096, "{format}: {of_small} KiB, then {of_huge} KiB");
    }
}
