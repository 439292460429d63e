//! Service: what systemd is told (`sd_notify(3)`): ready, reloading, stopping, still alive. Without
//! systemd, nothing.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Tells the service manager that all is well, as often as it wants to hear it.
#[derive(Debug)]
pub(super) struct Watchdog {
    interval: Option<Duration>,
    last: Option<Instant>,
}

impl Watchdog {
    /// As the environment has it (`WATCHDOG_USEC`).
    pub(super) fn from_environment() -> Watchdog {
        // Half of what is allowed, as systemd recommends.
        Watchdog { interval: sd_notify::watchdog_enabled().map(|allowed| allowed / 2), last: None }
    }

    /// To be called at least every second while all is well.
    pub(super) fn beat(&mut self) {
        let Some(interval) = self.interval else { return };
        if self.last.is_none_or(|last| last.elapsed() + Duration::from_secs(1) >= interval) {
            tell(&[NotifyState::Watchdog]);
            self.last = Some(Instant::now());
        }
    }
}

pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState]) {
    // A manager that does not listen is not our trouble.
    let _ = sd_notify::notify(state);
}
