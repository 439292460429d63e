//! Standard input, read so that one Ctrl-C ends it, even while it waits for what is typed.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    path::Path,
    sync::Arc,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::stop::Stop;

/// True for `-`, which stands for standard input where a file is named.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How often it is looked whether work is to end while nothing comes.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Standard input, which ends when work is to end. Not buffered.
pub struct Stdin {
    from: File,
    stop: Arc<Stop>,
}

impl Stdin {
    /// Reads standard input until `stop` is asked.
    ///
    /// # Errors
    /// There is none, or no file handle is left.
    pub fn open(stop: &Arc<Stop>) -> io::Result<Stdin> {
        let from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Stdin { from, stop: Arc::clone(stop) })
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.stop.is_asked() {
            match poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&INTERVAL)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.from.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }
}
