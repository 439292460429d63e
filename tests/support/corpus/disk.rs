//! A corpus as a Maildir, an mbox file or a folder of files.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use jiff::Timestamp;
use rayon::prelude::*;

use super::{Corpus, Mail, Manifest};

/// How the mails are laid out on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Delivered to `new/` of the Maildir, through `tmp/` as a mail server does.
    Maildir,
    /// One mbox file (mboxrd).
    Mbox,
    /// A folder of `.eml` files.
    Files,
}

impl Corpus {
    /// Writes the corpus; `expect` is given each mail in order.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(
        &self,
        format: Format,
        to: &Path,
        mut expect: impl FnMut(&Mail),
    ) -> io::Result<Manifest> {
        let mut manifest = Manifest::default();
        let mut mbox = match format {
            Format::Mbox => Some(BufWriter::new(File::create(to)?)),
            Format::Files => fs::create_dir_all(to).map(|()| None)?,
            Format::Maildir => {
                ["new", "cur", "tmp"]
                    .iter()
                    .try_for_each(|folder| fs::create_dir_all(to.join(folder)))?;
                None
            }
        };
        // Made in parallel, handed on in order.
        for first in (0..self.len()).step_by(256) {
            let batch: Vec<Mail> = (first..self.len().min(first + 256))
                .into_par_iter()
                .map(|n| self.mail(n))
                .collect();
            for (n, mail) in (first..).zip(&batch) {
                match (&mut mbox, format) {
                    (Some(file), _) => write_mbox(file, mail)?,
                    (None, Format::Files) => {
                        fs::write(to.join(format!("{n:06}.eml")), &mail.bytes)?;
                    }
                    (None, _) => {
                        let tmp = to.join("tmp").join(&mail.name);
                        fs::write(&tmp, &mail.bytes)?;
                        fs::rename(&tmp, to.join("new").join(&mail.name))?;
                    }
                }
                manifest.add(mail);
                expect(mail);
            }
        }
        if let Some(mut file) = mbox {
            file.flush()?;
        }
        Ok(manifest)
    }
}

fn write_mbox(file: &mut impl io::Write, mail: &Mail) -> io::Result<()> {
    let date = Timestamp::from_second(mail.time)
        .expect("within the corpus' days")
        .strftime("%a %b %e %H:%M:%S %Y");
    writeln!(file, "From MAILER-DAEMON {date}")?;
    for line in mail.bytes.split_inclusive(|byte| *byte == b'\n') {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        if line[quotes..].starts_with(b"From ") {
            file.write_all(b">")?;
        }
        file.write_all(line)?;
    }
    file.write_all(if mail.bytes.ends_with(b"\n") { b"\n" } else { b"\n\n" })
}
