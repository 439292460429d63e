//! Settings of who is told of news, and how.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::message::Mailbox;
use ureq::http::Uri;

use super::{
    ConfigError,
    secret::{SMTP_PASSWORD, secret},
    value,
};
use crate::{
    cli::Settings,
    post::{Carrier, MailConfig, Security, SmtpConfig},
};

/// Where it is on most systems (Filesystem Hierarchy Standard, `/usr/sbin/sendmail`).
const SENDMAIL: &str = "/usr/sbin/sendmail";

/// Reports of a day come in heaps.
const AFTER: Duration = Duration::from_mins(1);

/// The mails that are asked for; nothing if nobody is to have one.
pub(super) fn mail(settings: &Settings) -> Result<Option<MailConfig>, ConfigError> {
    let to: Vec<Mailbox> = settings
        .mail_to
        .iter()
        .flatten()
        .map(|address| mailbox("mail-to", address))
        .collect::<Result<_, _>>()?;
    let Some(first) = to.first() else { return Ok(None) };
    let from = settings.mail_from.as_deref().map(|address| mailbox("mail-from", address));
    let from = from.transpose()?.unwrap_or_else(|| first.clone());
    let by = match (&settings.smtp, &settings.sendmail) {
        (Some(_), Some(_)) => return Err(value("smtp", "not together with sendmail")),
        (Some(url), None) => Carrier::Smtp(smtp(url, settings)?),
        (None, program) => Carrier::Sendmail(program.clone().unwrap_or_else(|| SENDMAIL.into())),
    };
    Ok(Some(MailConfig { to, from, by }))
}

/// A command that is told of alerts.
pub(super) fn command(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let command = settings.alert_command.clone();
    if command.as_deref().is_some_and(|command| command == Path::new("")) {
        return Err(value("alert-command", "it is empty"));
    }
    Ok(command)
}

/// How long `watch` waits for more to be stored before it looks for alerts.
pub(super) fn after(settings: &Settings) -> Result<Duration, ConfigError> {
    match settings.alert_after.map(Duration::try_from) {
        None => Ok(AFTER),
        Some(Ok(after)) => Ok(after),
        Some(Err(_)) => Err(value("alert-after", "it must not be negative")),
    }
}

fn mailbox(setting: &'static str, text: &str) -> Result<Mailbox, ConfigError> {
    text.parse().map_err(|_| {
        value(setting, format!("{text:?} is no mail address, such as postmaster@example.org"))
    })
}

fn smtp(url: &str, settings: &Settings) -> Result<SmtpConfig, ConfigError> {
    let fault = |reason: &str| value("smtp", reason.to_owned());
    if url.contains('@') {
        // Not repeated in the message: it would put the password into the log.
        return Err(fault("no user and password in the URL, please; see --smtp-user"));
    }
    let wrong = || fault("expected a URL such as smtps://mail.example.org or smtp://localhost:25");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().map(|host| host.trim_matches(['[', ']'])).filter(|host| !host.is_empty());
    let host = host.ok_or_else(wrong)?.to_owned();
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong());
    }
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let (security, port) = match uri.scheme_str() {
        Some("smtps") => (Security::Tls, 465),
        Some("smtp") if is_here => (Security::Local, 25),
        Some("smtp") => (Security::StartTls, 587),
        _ => return Err(wrong()),
    };
    let password = secret(settings.smtp_password_file.clone(), SMTP_PASSWORD)?;
    let login = match (settings.smtp_user.clone(), password) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        (Some(_), None) => return Err(value("smtp-user", "there is no password for it")),
        (None, Some(_)) => return Err(value("smtp-user", "there is a password, but no user")),
    };
    let port = uri.port_u16().unwrap_or(port);
    Ok(SmtpConfig { host, port, security, login, ca_file: settings.smtp_ca_file.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(smtp: &str) -> Result<Option<MailConfig>, String> {
        let settings = Settings {
            mail_to: Some(vec!["Ops <ops@example.org>".into()]),
            smtp: Some(smtp.into()),
            ..Settings::default()
        };
        mail(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for (url, expected) in [
            ("smtps://mail.example.org", "SmtpConfig(mail.example.org:465, Tls)"),
            ("smtps://mail.example.org:4650/", "SmtpConfig(mail.example.org:4650, Tls)"),
            ("smtp://mail.example.org", "SmtpConfig(mail.example.org:587, StartTls)"),
            ("smtp://localhost", "SmtpConfig(localhost:25, Local)"),
            ("smtp://127.0.0.1:2525", "SmtpConfig(127.0.0.1:2525, Local)"),
            ("smtp://[::1]", "SmtpConfig(::1:25, Local)"),
        ] {
            let config = of(url).expect(url).expect("there is somebody");
            let Carrier::Smtp(smtp) = config.by else { panic!("{url} is a server") };
            assert_eq!(format!("{smtp:?}"), expected);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_the_password() {
        for url in [
            "mail.example.org",
            "http://mail.example.org",
            "smtp://",
            "smtp://a/b",
            "smtp://a?tls=no",
        ] {
            assert!(of(url).expect_err(url).starts_with("smtp: expected a URL"), "{url}");
        }
        let refused = of("smtp://me:secret@mail.example.org").expect_err("a password");
        assert!(!refused.contains("secret"), "{refused}");
        let nobody = Settings { mail_to: Some(vec!["ops".into()]), ..Settings::default() };
        assert!(mail(&nobody).expect_err("no address").to_string().contains("no mail address"));
        assert!(mail(&Settings::default()).expect("nobody").is_none());
    }
}
