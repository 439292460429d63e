//! On disk first: a mail moves only when its documents, or its copy, are synchronised. No test can
//! cut the power, but the order of system calls can be seen.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    mail::{attachment, fixture, gzip, mail},
    program::{Running, TestMaildir, program, wait_until},
    strace,
};

const CALLS: &str =
    "trace=write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";

/// A system call by which files change, and the file: for a write or a synchronisation in the order
/// in which they ended, for a move or a removal in the order in which they began.
struct Event {
    call: String,
    path: String,
}

impl Event {
    fn is(&self, calls: &[&str], path: &Path) -> bool {
        calls.iter().any(|call| self.call.starts_with(call)) && Path::new(&self.path) == path
    }
}

fn events(trace: &str) -> Vec<Event> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').expect("the number of a thread");
        let call = call.trim_start();
        let (call, begins, ends) = if call.starts_with("<... ") {
            (begun.remove(thread).unwrap_or_default(), false, true)
        } else if call.ends_with("<unfinished ...>") {
            begun.insert(thread, call);
            (call, true, false)
        } else {
            (call, true, true)
        };
        let name = call.split('(').next().unwrap_or_default();
        let moves = name.starts_with("rename") || name.starts_with("unlink");
        // Files that are open are named as `7</path>`, others as `"/path"`.
        let (open, close) = if moves { ('"', '"') } else { ('<', '>') };
        let path = call.split(open).nth(1).and_then(|rest| rest.split(close).next());
        if let (Some(path), true) = (path, if moves { begins } else { ends }) {
            events.push(Event { call: name.to_owned(), path: path.to_owned() });
        }
    }
    events
}

/// The last of such calls for a file.
fn last(events: &[Event], calls: &[&str], path: &Path) -> usize {
    let found = events.iter().rposition(|event| event.is(calls, path));
    found.unwrap_or_else(|| panic!("no {calls:?} of {}", path.display()))
}

/// What was written to this file is on disk after these events.
fn assert_on_disk(events: &[Event], file: &Path) {
    let written = last(events, &["write", "pwrite"], file);
    let synchronised = last(events, &["fsync", "fdatasync"], file);
    assert!(written < synchronised, "{} was written to and not synchronised", file.display());
}

/// The program itself below strace. A signal to strace would leave it running.
struct Traced(Option<Pid>);

impl Drop for Traced {
    fn drop(&mut self) {
        if let Some(pid) = self.0.take() {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Delivers a mail to a `watch` with this store, waits until it has left `new/`, and gives what
/// happened.
fn watch(maildir: &TestMaildir, store: [&Path; 2], mail: &[u8]) -> Vec<Event> {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let watch = program([Path::new("watch"), store[0], store[1], maildir.path()]);
    let options = ["-y", "-e", CALLS, "-o", trace.to_str().expect("UTF-8")];
    let mut running = Running::start_command(strace::strace(&options, &watch));
    running.wait_for_log("watching");
    let read = || fs::read_to_string(&trace).expect("a trace");
    let pid = read().split(' ').next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    let traced = Traced(Some(pid.expect("a process id")));
    maildir.deliver("mail", mail);
    wait_until("the mail to be settled", Duration::from_mins(1), || maildir.count("new") == 0);
    drop(traced);
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    events(&read())
}

#[test]
fn a_mail_is_settled_only_when_its_documents_are_on_disk() {
    if !strace::works() {
        return;
    }
    for (flag, store, written) in
        [("--store", "store", "store-wal"), ("--ndjson", "lines", "lines")]
    {
        let maildir = TestMaildir::new();
        let store = maildir.path().join(store);
        let events = watch(&maildir, [Path::new(flag), &store], &fixture("dmarc/gzip.eml"));
        let moved = last(&events, &["rename"], &maildir.path().join("new/mail"));
        assert_on_disk(&events[..moved], &maildir.path().join(written));
        assert_eq!(maildir.count("cur"), 1);
    }
}

#[test]
fn a_failing_mail_is_removed_only_when_its_copy_is_on_disk() {
    if !strace::works() {
        return;
    }
    let maildir = TestMaildir::new();
    let whole = gzip(&fixture("dmarc/rfc7489.xml"));
    let broken = mail(&attachment("application/gzip", "a.xml.gz", &whole[..whole.len() / 2]));
    let events = watch(&maildir, ["--ndjson", "/dev/null"].map(Path::new), &broken);
    assert_eq!(maildir.count(".failed/new"), 1);

    let removed = last(&events, &["unlink"], &maildir.path().join("new/mail"));
    let is_delivery =
        |event: &Event| event.call.starts_with("rename") && event.path.contains("/.failed/tmp/");
    let delivered =
        events[..removed].iter().position(is_delivery).expect("a copy that was delivered");
    assert_on_disk(&events[..delivered], Path::new(&events[delivered].path));
    // Its name, too.
    last(&events[delivered..removed], &["fsync"], &maildir.path().join(".failed/new"));
}
