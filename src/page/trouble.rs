//! Trouble: why there is no page, and what is said of it: to the browser what to do, to the log
//! why.

use askama::Template;
use axum::http::StatusCode;
use rusqlite::ErrorCode;

use super::{
    asked::Mistake,
    denial::Denial,
    frame::{Frame, Place},
};
use crate::{answers::recorded::NotRecorded, opensearch::AskError, sqlite::OpenError};

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
    /// Something that was sent is not done.
    Denied(Denial),
    /// There is no store, or it can't be read now.
    Store(String),
    /// What the user said is his can't be read.
    Mine(String),
    /// The answer took too long.
    TooLate,
    /// What is kept has not all of it: the store is to be asked.
    NotKept,
    /// A mistake in this program.
    Broken(String),
}

impl Trouble {
    /// Status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Trouble::Mistake(_) => StatusCode::BAD_REQUEST,
            Trouble::NoPage | Trouble::NotFound(_) => StatusCode::NOT_FOUND,
            Trouble::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Trouble::Forbidden(_) => StatusCode::FORBIDDEN,
            Trouble::Denied(denial) => denial.status(),
            Trouble::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Trouble::Store(_) | Trouble::Mine(_) | Trouble::TooLate | Trouble::NotKept => {
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
            Trouble::NotFound(what) => ("It is not in the store", (*what).into()),
            Trouble::Forbidden(why) => ("Refused", (*why).into()),
            Trouble::OtherHost => (
                "These pages have another name",
                "They answer to localhost, and to names given with --host.".into(),
            ),
            Trouble::Denied(denial) => denial.words(),
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
            Trouble::TooLate | Trouble::NotKept => (
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

impl From<Denial> for Trouble {
    fn from(denial: Denial) -> Trouble {
        Trouble::Denied(denial)
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Trouble {
        Trouble::Store(error.to_string())
    }
}

impl From<NotRecorded> for Trouble {
    fn from(_: NotRecorded) -> Trouble {
        Trouble::NotKept
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
