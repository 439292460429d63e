//! Whom the program trusts.

use std::{path::Path, process::Command};

use super::{GIVE_UP, Setting, ended};
use crate::support::nginx::Access;

#[test]
fn a_certificate_of_the_named_authority_is_trusted() {
    let Some(setting) = Setting::new("trusted", "here", Access::Anybody) else { return };
    setting.assert_all_stored(&ended(&mut setting.trusting(&[])));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let Some(setting) = Setting::new("unknown", "here", Access::Anybody) else { return };
    setting.assert_all_stay(&ended(&mut setting.once(&[GIVE_UP])), "certificate");
    assert_eq!(
        setting.nginx.requests(),
        "",
        "something was sent over a connection that is not trusted"
    );

    // The system's own authorities, where this one is one of them.
    let mut with_system = setting.once(&[]);
    with_system.env("SSL_CERT_FILE", setting.certificates.file("ca.pem"));
    setting.assert_all_stored(&ended(&mut with_system));
}

#[test]
fn a_certificate_of_another_authority_is_not_trusted() {
    let Some(setting) = Setting::new("other-ca", "here", Access::Anybody) else { return };
    let other = setting.certificates.file("other-ca.pem");
    let mut command = setting.once(&[GIVE_UP, "--ca-file", other.to_str().expect("UTF-8")]);
    // The file stands in place of the system's authorities.
    command.env("SSL_CERT_FILE", setting.certificates.file("ca.pem"));
    setting.assert_all_stay(&ended(&mut command), "certificate");
    assert_eq!(setting.nginx.requests(), "");
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let Some(setting) = Setting::new("elsewhere", "elsewhere", Access::Anybody) else { return };
    setting.assert_all_stay(&ended(&mut setting.trusting(&[GIVE_UP])), "certificate");
    assert_eq!(setting.nginx.requests(), "");
}

#[test]
fn insecure_trusts_everybody() {
    let Some(setting) = Setting::new("insecure", "elsewhere", Access::Anybody) else { return };
    setting.assert_all_stored(&ended(&mut setting.once(&["--insecure"])));
}

/// A machine without any authorities, such as a small container.
#[test]
fn no_authorities_at_all() {
    let Some(setting) = Setting::new("no-ca", "here", Access::Anybody) else { return };
    let empty = tempfile::tempdir().expect("a folder");
    let without = |mut command: Command| {
        command.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", empty.path());
        ended(&mut command)
    };
    setting.assert_all_stay(&without(setting.once(&[GIVE_UP])), "certificate");
    setting.assert_all_stored(&without(setting.trusting(&[])));
}

#[test]
fn a_ca_file_that_is_none_is_a_fault_of_the_configuration() {
    let Some(setting) = Setting::new("no-file", "here", Access::Anybody) else { return };
    let key = setting.certificates.file("here.key");
    for file in [Path::new("/dev/null"), Path::new("/no/such/file"), &key] {
        let ended = ended(&mut setting.once(&["--ca-file", file.to_str().expect("UTF-8")]));
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.contains("CA file"), "{}", ended.log);
        setting.assert_untouched();
    }
}

#[test]
fn a_client_certificate_is_shown_where_the_node_wants_one() {
    let Some(setting) = Setting::new("client-cert", "here", Access::Certificate) else { return };
    let showing = |certificate: &str, key: &str| {
        let mut command = setting.trusting(&[GIVE_UP]);
        command.arg("--cert").arg(setting.certificates.file(certificate));
        ended(command.arg("--key").arg(setting.certificates.file(key)))
    };
    setting.assert_all_stay(&ended(&mut setting.trusting(&[GIVE_UP])), "status 400");
    setting.assert_all_stay(&showing("stranger.pem", "stranger.key"), "status 400");
    for (certificate, key) in
        [("person.pem", "stranger.key"), ("person.key", "person.key"), ("person.pem", "person.pem")]
    {
        let ended = showing(certificate, key);
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        assert!(ended.log.contains("client-"), "{}", ended.log);
        setting.assert_untouched();
    }
    setting.assert_all_stored(&showing("person.pem", "person.key"));
}
