//! Logging to standard error: plain on a terminal, with the journal's priorities under systemd,
//! with a time otherwise.
//!
//! Lines may quote mails, so each passes through [`sanitize::line`] here, at the one place where it
//! leaves.

use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    sync::LazyLock,
};

use console::Term;
use indicatif::{MultiProgress, ProgressDrawTarget, TermLike};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::sanitize;

/// The look of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Terminal,
    /// `<4>` in front: sd-daemon(3).
    Journal,
    Timestamped,
}

/// Starts logging; messages up to `level`.
pub fn start(level: LevelFilter) {
    let style = if is_journal() {
        Style::Journal
    } else if io::stderr().is_terminal() {
        Style::Terminal
    } else {
        Style::Timestamped
    };
    // Its own errors would go to standard error with a macro that panics if that is what fails.
    let subscriber = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .event_format(style)
        .with_max_level(level)
        .with_writer(|| StandardError);
    // The resolver's own lines are for who looks for its faults.
    let foreign = if level == LevelFilter::TRACE { level } else { LevelFilter::OFF };
    let hickory = ["hickory_net", "hickory_proto", "hickory_resolver"];
    let targets = hickory.map(|target| (target, foreign));
    let filter = Targets::new().with_default(level).with_targets(targets);
    subscriber.finish().with(filter).init();
}

/// Standard error is the journal itself, not a file to which it was redirected later:
/// systemd.exec(5).
fn is_journal() -> bool {
    let Some(stream) = env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = rustix::fs::fstat(io::stderr()) else { return false };
    stream.to_str().is_some_and(|stream| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

/// The progress bars on the terminal; log lines go above them.
pub fn bars() -> &'static MultiProgress {
    static BARS: LazyLock<MultiProgress> = LazyLock::new(|| {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::term_like_with_hz(
                Box::new(LeftPart(Term::buffered_stderr())),
                DRAWN_A_SECOND,
            )
        } else {
            ProgressDrawTarget::hidden()
        };
        MultiProgress::with_draw_target(target)
    });
    &BARS
}

/// A bar is drawn no more often than this.
const DRAWN_A_SECOND: u8 = 20;

/// Columns beside a bar. The cursor stands behind the bar, and there the terminal shows what is
/// typed: `^C` at the end of the line would go on to the next one, which then would be cleared in
/// place of the bar's.
const COLUMNS_FOR_TYPING: u16 = 4;

/// The terminal without its last columns.
#[derive(Debug)]
struct LeftPart(Term);

impl TermLike for LeftPart {
    fn width(&self) -> u16 {
        TermLike::width(&self.0).saturating_sub(COLUMNS_FOR_TYPING).max(1)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard error, past the progress bars. A line that can't be written is lost: the log never
/// stops the work.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The bars panic if they can't be drawn, which a terminal that hung up would have them do.
        let _ = if io::stderr().is_terminal() {
            bars().suspend(|| io::stderr().write_all(line))
        } else {
            io::stderr().write_all(line)
        };
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S, N> FormatEvent<S, N> for Style
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        match self {
            Style::Terminal if level <= Level::WARN => {
                write!(writer, "{}: ", level.as_str().to_lowercase())?;
            }
            Style::Terminal => {}
            Style::Journal => write!(writer, "<{}>", priority(level))?,
            Style::Timestamped => {
                let now = jiff::Timestamp::now();
                write!(writer, "{now:.3} {level:5} ")?;
            }
        }
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(writer, "{}", sanitize::line(&line.into_text()))
    }
}

/// syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The message, and after it the fields as `name=value`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn into_text(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        use fmt::Write;
        // Writing to a String can't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name if value.contains([' ', '"', '=']) => write!(self.fields, " {name}={value:?}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
