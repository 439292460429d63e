//! SMTP: hands a mail to a server.

use std::{fmt, fs, path::PathBuf, time::Duration};

use lettre::{
    Message, SmtpTransport, Transport,
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};

use super::PostError;

/// How long the server may take for each answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that takes mail, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct SmtpConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    /// PEM file of the authorities to trust in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// How the connection is kept from strangers' eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, or nothing is sent (RFC 3207).
    StartTls,
    /// None: the server is on this machine.
    Local,
}

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // The password stays out of logs.
        let SmtpConfig { host, port, security, .. } = self;
        write!(f, "SmtpConfig({host}:{port}, {security:?})")
    }
}

impl SmtpConfig {
    pub(super) fn send(&self, mail: &Message) -> Result<(), PostError> {
        let failed = |reason: String, is_answer| PostError::Smtp {
            server: format!("{}:{}", self.host, self.port),
            reason,
            is_answer,
        };
        let transport = self.transport().map_err(|reason| failed(reason, false))?;
        let sent = transport.send(mail).map(drop);
        sent.map_err(|error| failed(whole(&error), is_about_mail(&error)))
    }

    fn transport(&self) -> Result<SmtpTransport, String> {
        let tls = match self.security {
            Security::Local => Tls::None,
            Security::Tls => Tls::Wrapper(self.parameters()?),
            Security::StartTls => Tls::Required(self.parameters()?),
        };
        let mut builder = SmtpTransport::builder_dangerous(self.host.as_str())
            .port(self.port)
            .timeout(Some(PATIENCE))
            .tls(tls);
        if let Some((user, password)) = &self.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(builder.build())
    }

    fn parameters(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(file) = &self.ca_file {
            let told = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
            let pem = fs::read(file).map_err(|error| told(&error))?;
            let authorities = Certificate::from_pem(&pem).map_err(|error| told(&error))?;
            builder =
                builder.certificate_store(CertificateStore::None).add_root_certificate(authorities);
        }
        builder.build().map_err(|error| whole(&error))
    }
}

/// The server goes, or lets nobody in as this user: RFC 5321 section 4.2.3, RFC 4954 section 6.
const ABOUT_ALL: [u16; 6] = [421, 454, 530, 534, 535, 538];

/// True if the server said no to this mail, and not to all of them.
fn is_about_mail(error: &Error) -> bool {
    error.status().is_some_and(|code| !ABOUT_ALL.contains(&code.into()))
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
