//! Old reports in an SQLite file.

use std::path::Path;

use bytesize::ByteSize;
use tracing::{info, warn};

use super::{Order, told};
use crate::{
    exit::{Exit, Failure},
    report::Kind,
    sqlite::{
        Store,
        prune::{self, PruneError, Pruned, Room},
        renew::open_renewed,
    },
};

pub(super) fn run(order: &Order, file: &Path) -> Result<Exit, Failure> {
    let failed = |error: PruneError| {
        Failure::new(Exit::TryAgain, format_args!("store {}: {error}", file.display()))
    };
    // One that is not there is not made.
    let reader = open_renewed(file)?;
    if order.flags.dry_run {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let old = prune::count(&reader, kind, order.before)
                .map_err(|error| failed(PruneError::Sqlite(error)))?;
            all.push(told(kind, old));
        }
        order.tell(&all.join(", "));
        return Ok(Exit::Ok);
    }
    drop(reader);
    let mut store = Store::open(file)?;
    let mut all = [Pruned::default(); 3];
    let pruned = Kind::ALL
        .into_iter()
        .zip(&mut all)
        .try_for_each(|(kind, pruned)| store.prune(kind, order.before, &order.stop, pruned))
        .and_then(|()| store.forget_unused(&order.stop));
    let told: Vec<String> =
        Kind::ALL.into_iter().zip(all).map(|(kind, old)| told(kind, old)).collect();
    order.tell(&told.join(", "));
    if matches!(pruned, Err(PruneError::Stopped)) {
        info!("stopped before the end, as asked; the same command goes on");
        return Ok(Exit::TryAgain);
    }
    pruned.map_err(failed)?;
    if order.flags.no_vacuum {
        return Ok(Exit::Ok);
    }
    match store.give_room_back(&order.stop) {
        Ok(room) => Ok(tell_room(file, &room)),
        Err(PruneError::Stopped) => Ok(Exit::TryAgain),
        Err(error) => Err(failed(error)),
    }
}

fn tell_room(file: &Path, room: &Room) -> Exit {
    let size = |bytes: u64| ByteSize::b(bytes).display().iec();
    let file = file.display();
    match room {
        Room::Kept(0) => {}
        Room::Kept(bytes) => {
            info!("{} in {file} are free for reports to come", size(*bytes));
        }
        Room::Given(bytes) => info!("{file} is smaller by {}", size(*bytes)),
        Room::Soon(bytes) => {
            info!("{file} becomes smaller by {} once nobody reads it", size(*bytes));
        }
        Room::TooLittle { folder, needed, free } => {
            warn!(
                "{file} stays as large as it is: to write it anew takes {} in {}, and {} are free \
                 there; reports to come fill it again",
                size(*needed),
                folder.display(),
                size(*free)
            );
            return Exit::TryAgain;
        }
    }
    Exit::Ok
}
