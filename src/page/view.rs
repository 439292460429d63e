//! View: what can be asked for, and the path it has.

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum View {
    /// All domains, worst first.
    Home,
    /// One domain, or what a filter leaves of several.
    Domain,
    /// Who sent.
    Sender,
    /// Where it came from.
    Address,
    /// The reports of a filter, newest first.
    Reports,
    /// One report.
    Report,
    /// SMTP TLS reports.
    Tls,
    /// Failure reports.
    Failures,
    /// Mails that could not be read, and the state of the store.
    Incoming,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For a person.
    Page,
    /// For a spreadsheet.
    Csv,
    /// For a program.
    Json,
}

impl View {
    const ALL: [View; 9] = [
        View::Home,
        View::Domain,
        View::Sender,
        View::Address,
        View::Reports,
        View::Report,
        View::Tls,
        View::Failures,
        View::Incoming,
    ];

    /// The path's only part.
    pub(super) fn name(self) -> &'static str {
        match self {
            View::Home => "domains",
            View::Domain => "domain",
            View::Sender => "sender",
            View::Address => "address",
            View::Reports => "reports",
            View::Report => "report",
            View::Tls => "tls",
            View::Failures => "failures",
            View::Incoming => "incoming",
        }
    }

    /// Its path below the base.
    pub(super) fn path(self, form: Form) -> String {
        match (self, form) {
            (View::Home, Form::Page) => "/".into(),
            (view, Form::Page) => format!("/{}", view.name()),
            (view, Form::Csv) => format!("/{}.csv", view.name()),
            (view, Form::Json) => format!("/{}.json", view.name()),
        }
    }

    /// True if it can show the time before beside the one that was chosen.
    pub(super) fn compares(self) -> bool {
        matches!(self, View::Home | View::Domain | View::Sender | View::Address | View::Tls)
    }

    /// The page that has this path below the base.
    pub(super) fn at(path: &str) -> Option<View> {
        View::ALL.into_iter().find(|view| view.path(Form::Page) == path)
    }

    /// Every path that there is.
    pub(super) fn all() -> impl Iterator<Item = (View, Form)> {
        let forms = [Form::Page, Form::Csv, Form::Json];
        View::ALL.into_iter().flat_map(move |view| forms.map(|form| (view, form)))
    }
}
