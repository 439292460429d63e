//! Names: the file of `--source-names`.

use std::{fs::File, path::Path};

use crate::{
    exit::{Exit, Failure},
    senders::Operators,
};

/// The operators of a list in a file, and for what is not in it our own.
///
/// # Errors
/// It can't be read, or is no such list.
pub fn names(file: Option<&Path>) -> Result<Operators, Failure> {
    let Some(path) = file else { return Ok(Operators::default().over_own()) };
    let open = File::open(path).map_err(|error| error.to_string());
    let list = open.and_then(|file| Operators::read(file).map_err(|error| error.to_string()));
    let fault = |reason| {
        let what = format_args!("source names {}: {reason}", path.display());
        Failure::new(Exit::Configuration, what)
    };
    Ok(list.map_err(fault)?.over_own())
}
