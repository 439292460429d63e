//! Trouble: why there is no page, and what is said of it: to the browser what to do, to the log
//! why.

use askama::Template;
use axum::http::StatusCode;
use rusqlite::ErrorCode;

use super::{
    asked::Mistake,
    frame::{Frame, Place},
};
use crate::{opensearch::AskError, sqlite::OpenError};

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The address makes no sense.
    Mistake(Mistake),
    /// There is no such page.
    NoPage,
    /// The page can't be asked in this way.
    NoMethod,
    /// What the address names is not in the store.
    NotFound(&'static str),
    /// It was not asked by this page itself, or not by its name.
    Forbidden(&'static str),
    /// The name that was asked for is none of ours.
    OtherHost,
    /// Nobody has logged in.
    Unknown,
    /// Who asks may read only.
    ReadOnly,
    /// A form that was not made for who sends it, or by an earlier run of this program.
    OldForm,
    /// A form that is none of ours.
    BadForm,
    /// More is sent than any form of ours has.
    TooLarge,
    /// Something else that was refused before it came here.
    Other(StatusCode),
    /// There is no store, or it can't be read now.
    Store(String),
    /// What the user said is his can't be read.
    Mine(String),
    /// The answer took too long.
    TooLate,
    /// A mistake in this program.
    Broken(String),
}

impl Trouble {
    /// Status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Trouble::Mistake(_) | Trouble::BadForm => StatusCode::BAD_REQUEST,
            Trouble::NoPage | Trouble::NotFound(_) => StatusCode::NOT_FOUND,
            Trouble::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Trouble::Forbidden(_) | Trouble::Unknown | Trouble::ReadOnly | Trouble::OldForm => {
                StatusCode::FORBIDDEN
            }
            Trouble::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Trouble::Other(status) => *status,
            Trouble::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Trouble::Store(_) | Trouble::Mine(_) | Trouble::TooLate => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Trouble::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, and what to do.
    fn words(&self) -> (&'static str, String) {
        match self {
            Trouble::Mistake(mistake) => (
                "The address makes no sense",
                format!("What stands behind the question mark can't be used. {mistake}."),
            ),
            Trouble::NoPage => ("There is no such page", "The address may be cut off.".into()),
            Trouble::NoMethod => {
                ("This can't be done here", "Pages are only read, by GET or HEAD.".into())
            }
            Trouble::Unknown => ("Log in first", "These pages are for those who log in.".into()),
            Trouble::ReadOnly => (
                "You may only read here",
                "Who may say what is yours is decided by who runs email-report-processor serve.".into(),
            ),
            Trouble::OldForm => (
                "The page is too old",
                "It was made before you logged in or out, or before the program was started anew. \
                 Nothing was changed. Go back, reload the page, and try again."
                    .into(),
            ),
            Trouble::BadForm => ("The form makes no sense", "Nothing was changed.".into()),
            Trouble::TooLarge => {
                ("That is too much", "No form of these pages sends so much.".into())
            }
            Trouble::Other(status) => (
                "The request can't be answered",
                format!("It makes no sense to this server ({status})."),
            ),
            Trouble::NotFound(what) => ("It is not in the store", (*what).into()),
            Trouble::Forbidden(why) => ("Refused", (*why).into()),
            Trouble::OtherHost => (
                "These pages have another name",
                "They answer to localhost, and to names given with --host.".into(),
            ),
            Trouble::Store(_) => (
                "The store can't be read now",
                "The log of email-report-processor serve says why.".into(),
            ),
            Trouble::Mine(_) => (
                "What is said to be yours can't be read",
                "The file of email-report-processor mine has a mistake in it, or can't be read; the \
                 log of email-report-processor serve says where."
                    .into(),
            ),
            Trouble::TooLate => (
                "The answer took too long",
                "The store is large or busy. Choose a shorter time, or try again.".into(),
            ),
            Trouble::Broken(_) => (
                "Something went wrong",
                "It is a mistake in the program; its log says more.".into(),
            ),
        }
    }

    /// For the log; nothing if it is only the asker's matter.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Trouble::Store(reason) | Trouble::Mine(reason) | Trouble::Broken(reason) => {
                Some(reason)
            }
            _ => None,
        }
    }

    /// As a page.
    pub(super) fn page(&self, place: Place) -> String {
        let (title, words) = self.words();
        let page = TroublePage { frame: Frame::bare(place, title), words };
        page.render().unwrap_or_else(|_| title.to_owned())
    }
}

#[derive(Template)]
#[template(path = "page/trouble.html")]
struct TroublePage {
    frame: Frame,
    words: String,
}

impl From<Mistake> for Trouble {
    fn from(mistake: Mistake) -> Trouble {
        Trouble::Mistake(mistake)
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Trouble {
        Trouble::Store(error.to_string())
    }
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Trouble {
        Trouble::Store(error.to_string())
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Trouble::TooLate,
            _ => Trouble::Store(error.to_string()),
        }
    }
}

impl From<askama::Error> for Trouble {
    fn from(error: askama::Error) -> Trouble {
        Trouble::Broken(error.to_string())
    }
}
