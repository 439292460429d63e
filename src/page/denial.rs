//! Denial: why something that was sent here is not done.

use axum::http::StatusCode;

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
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
    /// Something else that makes no sense, or was refused before it came here.
    Other(StatusCode),
}

impl Denial {
    /// Status of the answer.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Denial::Unknown | Denial::ReadOnly | Denial::OldForm => StatusCode::FORBIDDEN,
            Denial::BadForm => StatusCode::BAD_REQUEST,
            Denial::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Denial::Other(status) => status,
        }
    }

    /// What happened, and what to do.
    pub(super) fn words(self) -> (&'static str, String) {
        match self {
            Denial::Unknown => ("Log in first", "These pages are for those who log in.".into()),
            Denial::ReadOnly => (
                "You may only read here",
                "Who may say what is yours is decided by who runs email-report-processor serve."
                    .into(),
            ),
            Denial::OldForm => (
                "The page is too old",
                "It was made before you logged in or out, or before the program was started anew. \
                 Nothing was changed. Go back, reload the page, and try again."
                    .into(),
            ),
            Denial::BadForm => ("The form makes no sense", "Nothing was changed.".into()),
            Denial::TooLarge => ("That is too much", "No form here sends so much.".into()),
            Denial::Other(status) => (
                "The request can't be answered",
                format!("It makes no sense to this server ({status})."),
            ),
        }
    }
}
