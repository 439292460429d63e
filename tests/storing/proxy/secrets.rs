//! Passwords and keys: where they come from, and that nobody else learns of them.

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Stdio},
};

use super::{GIVE_UP, Setting, ended};
use crate::support::{
    nginx::{Access, Fault, Requests},
    program::{Ended, Running, program, run_command},
    server::skip,
};

const USER: &str = "reports";
const PASSWORD: &str = "paßword: with-colon";
const KEY: &str = "c2VjcmV0LWlkOnNlY3JldC1rZXk=";

/// A folder with the secret in a file of the name that systemd would give it.
fn secret_file(name: &str, secret: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    // As an editor leaves it.
    fs::write(&file, format!("{secret}\n")).expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    (folder, path)
}

fn assert_secret(text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// How secrets look on their way: the password, and what basic authentication makes of it.
fn password_forms() -> [String; 2] {
    use base64::{Engine, prelude::BASE64_STANDARD};
    [PASSWORD.to_owned(), BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))]
}

#[test]
fn a_password_comes_from_a_file_the_environment_or_systemd() {
    for (name, source) in
        [("pass-file", "file"), ("pass-env", "environment"), ("pass-cred", "credential")]
    {
        let Some(setting) = Setting::new(name, "here", Access::User(USER, PASSWORD)) else {
            return;
        };
        let (folder, file) = secret_file("opensearch-password", PASSWORD);
        let mut command = setting.trusting(&["--opensearch-user", USER]);
        match source {
            "file" => command.args(["--opensearch-password-file", &file]),
            "environment" => command.env("ERP_OPENSEARCH_PASSWORD", PASSWORD),
            _ => command.env("CREDENTIALS_DIRECTORY", folder.path()),
        };
        let ended = ended(&mut command);
        setting.assert_all_stored(&ended);
        assert_secret(&ended.log, &password_forms().each_ref().map(String::as_str));
    }
}

#[test]
fn an_api_key_comes_from_a_file_the_environment_or_systemd() {
    for (name, source) in
        [("key-file", "file"), ("key-env", "environment"), ("key-cred", "credential")]
    {
        let Some(setting) = Setting::new(name, "here", Access::ApiKey(KEY)) else { return };
        let (folder, file) = secret_file("opensearch-api-key", KEY);
        let mut command = setting.trusting(&[]);
        match source {
            "file" => command.args(["--opensearch-api-key-file", &file]),
            "environment" => command.env("ERP_OPENSEARCH_API_KEY", KEY),
            _ => command.env("CREDENTIALS_DIRECTORY", folder.path()),
        };
        let ended = ended(&mut command);
        setting.assert_all_stored(&ended);
        assert_secret(&ended.log, &[KEY]);
    }
}

#[test]
fn with_a_wrong_secret_or_none_every_mail_stays() {
    let Some(setting) = Setting::new("denied", "here", Access::User(USER, PASSWORD)) else {
        return;
    };
    let (_folder, wrong) = secret_file("opensearch-password", "wrong-password");
    let refused = ended(&mut setting.trusting(&[
        GIVE_UP,
        "--opensearch-user",
        USER,
        "--opensearch-password-file",
        &wrong,
    ]));
    setting.assert_all_stay(&refused, "401");
    assert_secret(&refused.log, &["wrong-password"]);
    setting.assert_all_stay(&ended(&mut setting.trusting(&[GIVE_UP])), "401");

    let Some(setting) = Setting::new("denied-key", "here", Access::ApiKey(KEY)) else { return };
    let (_folder, wrong) = secret_file("opensearch-api-key", "d3Jvbmctd3Jvbmc=");
    let refused = ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-api-key-file", &wrong]));
    setting.assert_all_stay(&refused, "401");
    assert_secret(&refused.log, &["d3Jvbmctd3Jvbmc"]);
}

/// What a secret that can't be sent is must not be told either.
#[test]
fn a_secret_that_can_not_be_sent_is_not_told() {
    let Some(setting) = Setting::new("unsendable", "here", Access::ApiKey(KEY)) else { return };
    for secret in ["hidden\nsecond line", "hidden\u{1}", "hidden ß", ""] {
        let (_folder, file) = secret_file("opensearch-api-key", secret);
        let ended = ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-api-key-file", &file]));
        assert_eq!(ended.code, Some(78), "{secret:?}: {}", ended.log);
        assert_secret(&ended.log, &["hidden"]);
        setting.assert_untouched();
    }
}

/// Other users see the command line of every process.
#[test]
fn secrets_are_not_on_the_command_line_of_a_running_program() {
    let Some(setting) = Setting::new("cmdline", "here", Access::User(USER, PASSWORD)) else {
        return;
    };
    let (_folder, file) = secret_file("opensearch-password", PASSWORD);
    let command = setting.trusting(&[
        "--give-up-after=1m",
        "--opensearch-user",
        USER,
        "--opensearch-password-file",
        &file,
    ]);
    setting.nginx.set(Fault::Unavailable, Requests::All, true);
    let mut running = Running::start_command(command);
    running.wait_for_log("store unavailable");
    let proc = Path::new("/proc").join(running.pid().as_raw_nonzero().to_string());
    let forms = password_forms();
    for file in ["cmdline", "environ", "comm"] {
        let text = fs::read(proc.join(file)).expect("it runs");
        assert_secret(&String::from_utf8_lossy(&text), &forms.each_ref().map(String::as_str));
    }
    setting.nginx.set(Fault::Unavailable, Requests::All, false);
    let code = running.wait();
    setting.assert_all_stored(&Ended { code, stdout: String::new(), log: running.log() });
    assert_secret(&running.log(), &forms.each_ref().map(String::as_str));
}

/// The secret goes to nobody else.
#[test]
fn the_secret_does_not_follow_a_redirect() {
    let Some(setting) = Setting::new("redirect-key", "here", Access::ApiKey(KEY)) else { return };
    setting.nginx.set(Fault::Redirect, Requests::All, true);
    let (_folder, file) = secret_file("opensearch-api-key", KEY);
    let ended = ended(&mut setting.trusting(&[GIVE_UP, "--opensearch-api-key-file", &file]));
    setting.assert_all_stay(&ended, "307");
    assert!(!setting.nginx.requests().contains("/elsewhere"), "{}", setting.nginx.requests());
}

/// A variable that can't be used is not passed over, or what was said for the store would be sent.
#[test]
fn a_secret_that_can_not_be_read_is_an_error() {
    let url = "http://127.0.0.1:1";
    let variables = [
        ("ERP_FROM_PASSWORD", &b"hidden\xFF"[..], "it is not UTF-8"),
        ("ERP_FROM_PASSWORD", b"hidden\n2", "control characters"),
        ("ERP_FROM_API_KEY", b"hidden\xFF", "it is not UTF-8"),
        ("ERP_OPENSEARCH_PASSWORD", b"hidden\xFF", "it is not UTF-8"),
    ];
    for (name, value, reason) in variables {
        let mut command = program(["import", "--from-opensearch", url, "--opensearch", url]);
        command.env(name, OsStr::from_bytes(value));
        let ended = run_command(command);
        assert_eq!(ended.code, Some(78), "{name}: {}", ended.log);
        let told = ended.log.contains(name) && ended.log.contains(reason);
        assert!(told && !ended.log.contains("hidden"), "{}", ended.log);
    }
    // Nor is a credential in a folder that can't be looked into.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let mut command = program(["import", "--from-opensearch", url, "--opensearch", url]);
    command.env("CREDENTIALS_DIRECTORY", &file);
    let ended = run_command(command);
    assert_eq!(ended.code, Some(78), "{}", ended.log);
    assert!(ended.log.contains("Not a directory"), "{}", ended.log);
}

/// A command line for `sh`.
fn quoted(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words = words.map(|word| word.to_str().expect("UTF-8").replace('\'', r"'\''"));
    words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

/// `script` (util-linux) gives the program a terminal. What is typed is shown there by the terminal
/// itself, unless the program forbids it.
#[test]
fn a_password_is_asked_for_on_a_terminal_and_not_shown() {
    let Some(setting) = Setting::new("typed", "here", Access::User(USER, PASSWORD)) else { return };
    let command = setting.trusting(&["-u", USER]);
    let mut script = Command::new("script");
    // Afterwards the terminal says whether it shows what is typed.
    let line = format!("{}; code=$?; stty -a; exit $code", quoted(&command));
    script.args(["-qec", &line, "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut script) = script else {
        skip("there is no script of util-linux here");
        return;
    };
    let (mut keyboard, mut screen) =
        (script.stdin.take().expect("a pipe"), script.stdout.take().expect("a pipe"));
    let mut shown = Vec::new();
    let mut bytes = [0; 512];
    let mut is_typed = false;
    loop {
        let read = screen.read(&mut bytes).expect("readable");
        shown.extend_from_slice(&bytes[..read]);
        let text = String::from_utf8_lossy(&shown);
        if !is_typed && text.contains("Password of reports: ") {
            is_typed = true;
            keyboard.write_all(format!("{PASSWORD}\n").as_bytes()).expect("typed");
        }
        if read == 0 {
            break;
        }
    }
    let code = script.wait().expect("an end").code();
    let log = String::from_utf8_lossy(&shown).into_owned();
    assert!(is_typed && log.contains(" echo "), "{log}");
    assert_eq!(log.matches("Password of").count(), 1, "{log}");
    assert_secret(&log, &password_forms().each_ref().map(String::as_str));
    setting.assert_all_stored(&Ended { code, stdout: String::new(), log });
}
