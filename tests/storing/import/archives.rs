//! `import` of archives: interrupted within a member, cut off, broken in the middle.

use std::{fs, path::Path, thread, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use super::{Place, text};
use crate::support::{
    corpus::{Corpus, Format, Manifest},
    mail::gzip,
    program::{Running, program, run_command, wait_until},
    sums::expected,
};

/// An mbox of its own reports.
fn mbox(place: &Place, seed: u64, mails: usize) -> (Vec<u8>, Manifest) {
    let path = place.path("mbox");
    let manifest =
        Corpus { seed, ..Corpus::new(mails) }.write(Format::Mbox, &path, |_| {}).expect("written");
    (fs::read(path).expect("read"), manifest)
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn sum(manifests: &[&Manifest]) -> Vec<u64> {
    let all = manifests.iter().map(|manifest| expected(manifest));
    all.fold(vec![0; 5], |sum, one| sum.iter().zip(one).map(|(a, b)| a + b).collect())
}

#[test]
fn a_member_that_is_cut_off_is_told_every_time_and_hides_nothing() {
    let place = Place::new();
    let (first, known) = mbox(&place, 21, 200);
    let (last, known_last) = mbox(&place, 22, 100);
    let packed = gzip(&first);
    let whole = tar(&[("a.mbox.gz", &packed), ("b.mbox", &last)]);
    let cut = tar(&[("a.mbox.gz", &packed[..packed.len() / 2]), ("b.mbox", &last)]);
    let (archive, errors) = (place.path("old.tar"), place.path("errors"));
    fs::write(&archive, cut).expect("written");
    for run in 0..3 {
        let ended = place.import(&[text(&archive), "--errors", text(&errors)]);
        assert_eq!(ended.code, Some(65), "run {run}: {}", ended.log);
        assert!(ended.log.contains("old.tar, a.mbox.gz, byte "), "run {run}: {}", ended.log);
        let listed = fs::read_to_string(&errors).expect("read");
        let line = listed.lines().find(|line| line.contains("unread")).expect("listed");
        assert!(line.contains("old.tar, a.mbox.gz, byte "), "{line}");
        let numbers = place.sums();
        assert!(
            numbers[0] > known_last.dmarc.reports
                && numbers[0] < known.dmarc.reports + known_last.dmarc.reports
        );
    }
    fs::write(&archive, whole).expect("written");
    place.import(&[text(&archive)]);
    assert_eq!(place.sums().to_vec(), sum(&[&known, &known_last]));
}

#[test]
fn a_broken_header_and_a_torn_end_cost_their_members_only() {
    let place = Place::new();
    let parts: Vec<_> = (0..3).map(|n| mbox(&place, 30 + n, 60)).collect();
    let members =
        ["a", "b", "c"].into_iter().zip(&parts).map(|(name, (bytes, _))| (name, &bytes[..]));
    let mut archive = tar(&members.collect::<Vec<_>>());
    let second = 512 + parts[0].0.len().next_multiple_of(512);
    archive[second] ^= 1;
    let path = place.path("old.tar");
    fs::write(&path, &archive).expect("written");
    for run in 0..2 {
        let ended = place.import(&[text(&path)]);
        assert_eq!(ended.code, Some(65), "run {run}: {}", ended.log);
        assert!(
            ended.log.contains("old.tar, byte ") && ended.log.contains("checksum"),
            "{}",
            ended.log
        );
        assert_eq!(place.sums().to_vec(), sum(&[&parts[0].1, &parts[2].1]));
    }

    // Cut off within the last member: all in front of it is there, and the file is not finished.
    let place = Place::new();
    archive[second] ^= 1;
    let path = place.path("torn.tar");
    fs::write(&path, &archive[..archive.len() - 1024 - 4096]).expect("written");
    for run in 0..2 {
        let ended = place.import(&[text(&path)]);
        assert_eq!(ended.code, Some(65), "run {run}: {}", ended.log);
        assert!(ended.log.contains("torn.tar, c, byte "), "run {run}: {}", ended.log);
        let numbers = place.sums();
        assert!(numbers[0] >= parts[0].1.dmarc.reports + parts[1].1.dmarc.reports, "{numbers:?}");
    }
}

/// What an earlier import has read to its end is not read again, or `--ndjson` would have it twice.
#[test]
fn only_what_is_broken_is_read_again() {
    let place = Place::new();
    let parts: Vec<_> = (0..4).map(|n| mbox(&place, 70 + n, 60)).collect();
    let packed = gzip(&parts[1].0);
    let inner = tar(&[("b.mbox.gz", &packed[..packed.len() / 2]), ("c.mbox", &parts[2].0)]);
    let cut = gzip(&parts[3].0);
    let members = [
        ("a.mbox", &parts[0].0[..]),
        ("inner.tar", &inner),
        ("d.mbox.gz", &cut[..cut.len() / 2]),
        ("e.mbox", &parts[3].0),
    ];
    let mut archive = tar(&members);
    let torn = tar(&members[..3]).len() - 1024;
    archive.extend_from_slice(&tar(&[("f.mbox", &parts[1].0)]));
    let (path, lines) = (place.path("old.tar"), place.path("lines"));
    // A broken header: behind its member, and the end of the archive, another one is found.
    archive[torn] ^= 1;
    fs::write(&path, &archive).expect("written");
    let mut first = None;
    for run in 0..3 {
        let mut command = program(["import", "--ndjson", text(&lines), text(&path)]);
        command.env("STATE_DIRECTORY", place.path("state"));
        let ended = run_command(command);
        assert_eq!(ended.code, Some(65), "run {run}: {}", ended.log);
        for what in ["inner.tar, b.mbox.gz, byte ", "d.mbox.gz, byte ", "checksum"] {
            assert!(ended.log.contains(what), "run {run}: {what}: {}", ended.log);
        }
        let text = fs::read_to_string(&lines).expect("read");
        assert!(text.lines().count() > 100);
        assert!(*first.get_or_insert_with(|| text.clone()) == text, "run {run} has added lines");
    }
}

#[test]
fn interrupted_within_members_it_ends_with_the_same() {
    let place = Place::new();
    let parts: Vec<_> = (0..3).map(|n| mbox(&place, 40 + n, 300)).collect();
    let inner = gzip(&tar(&[("b.mbox", &parts[1].0), ("c.mbox.gz", &gzip(&parts[2].0))]));
    let archive = place.path("old.tar");
    fs::write(&archive, tar(&[("a.mbox", &parts[0].0), ("inner.tar.gz", &inner)]))
        .expect("written");
    for (n, signal) in
        [Signal::INT, Signal::KILL, Signal::INT, Signal::INT, Signal::KILL].into_iter().enumerate()
    {
        let mut running = Running::start_command(place.command(&[text(&archive)]));
        thread::sleep(Duration::from_millis(80 + 90 * n as u64));
        if running.is_running() {
            running.signal(signal);
            running.wait();
        }
    }
    let ended = place.import(&[text(&archive)]);
    assert_eq!(
        place.sums().to_vec(),
        sum(&parts.iter().map(|part| &part.1).collect::<Vec<_>>()),
        "{}",
        ended.log
    );
    let again = place.import(&[text(&archive)]);
    let broken: u64 = parts.iter().map(|part| part.1.broken).sum();
    let only = format!(" {broken} mails: {broken} that can't be read");
    assert!(broken > 1 && again.summary().contains(&only), "{}", again.log);
}

#[test]
fn what_went_wrong_is_said_in_plain_words() {
    let place = Place::new();
    let (mbox, known) = mbox(&place, Corpus::new(600).seed, 600);
    assert!(known.broken > 0);
    let path = place.path("mbox");
    let quiet = place.import(&["--quiet", text(&path)]);
    assert_eq!(quiet.code, Some(65));
    assert!(
        quiet.log.contains(&format!("{} of {} mails can't be read", known.broken, known.mails)),
        "{}",
        quiet.log
    );
    let settle = place.import(&["--settle", text(&path)]);
    assert_eq!(settle.code, Some(64));
    assert!(settle.log.contains("--settle moves the mails of Maildirs"), "{}", settle.log);
    fs::create_dir_all(place.path("big/.Sub/new")).expect("made");
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(place.path("big").join(folder)).expect("made");
    }
    let nothing = place.import(&[text(&place.path("big"))]);
    assert_eq!(nothing.code, Some(65));
    assert!(nothing.log.contains("nothing was found to import; --recursive"), "{}", nothing.log);

    // A reader that has seen enough.
    let head = |arguments: &str| {
        let binary = program([] as [&Path; 0]).get_program().to_owned();
        let mut shell = std::process::Command::new("bash");
        let script = format!("\"$0\" {arguments} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}");
        shell.arg("-c").arg(script).arg(binary).env("ERP_CONFIG", "/dev/null");
        run_command(shell)
    };
    let stopped = head(&format!("import --ndjson - {}", path.display()));
    assert_eq!(stopped.code, Some(75), "{}", stopped.log);
    assert!(stopped.log.contains("standard output was closed by its reader"), "{}", stopped.log);
    for format in ["csv", "ndjson"] {
        let ended =
            head(&format!("export --format {format} --store {}", place.path("store").display()));
        assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""), "{format}");
    }
    assert!(!mbox.is_empty());
}

#[test]
fn a_line_file_that_is_rotated_away_gets_no_more_lines() {
    let place = Place::new();
    let corpus = Corpus { seed: 60, ..Corpus::new(60) };
    let maildir = place.path("Maildir");
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).expect("made");
    }
    let lines = place.path("lines");
    let _running = Running::start(["watch", "--ndjson", text(&lines), text(&maildir)]);
    let mut mails = corpus.iter().filter(|mail| !mail.documents().is_empty());
    let mut deliver = |n: usize| {
        let mail = mails.next().expect("enough");
        fs::write(maildir.join(format!("tmp/{n}")), &mail.bytes).expect("written");
        fs::rename(maildir.join(format!("tmp/{n}")), maildir.join(format!("new/{n}")))
            .expect("moved");
        wait_until("the mail is settled", Duration::from_secs(20), || {
            fs::read_dir(maildir.join("cur")).expect("a folder").count() == n
        });
        mail.documents().len()
    };
    let count = || {
        let text = fs::read_to_string(&lines).unwrap_or_default();
        text.lines()
            .inspect(|line| {
                assert!(serde_json::from_str::<Value>(line).is_ok(), "no whole line: {line}");
            })
            .count()
    };
    let first = deliver(1);
    assert_eq!(count(), first);
    fs::rename(&lines, place.path("lines.1")).expect("renamed");
    let second = deliver(2);
    assert_eq!(count(), second, "renamed");
    fs::remove_file(&lines).expect("removed");
    let third = deliver(3);
    assert_eq!(count(), third, "deleted");
    fs::File::options().write(true).open(&lines).and_then(|file| file.set_len(0)).expect("emptied");
    let fourth = deliver(4);
    assert_eq!(count(), fourth, "emptied");
    fs::remove_file(&lines).expect("removed");
    fs::write(&lines, "").expect("made anew");
    let fifth = deliver(5);
    assert_eq!(count(), fifth, "another file");
}
