//! How a replica comes by its own memory: creates it, finds it again, or learns that it was lost.
//!
//! A crash between any two steps leaves one of these, told apart at the next start:
//!
//! | marker | memory | what happened | what is done |
//! | --- | --- | --- | --- |
//! | no | none | nothing was published, so nobody was promised anything | first birth, PROMISE fresh |
//! | no | whole | a crash between publishing and marking | re-attach, mark |
//! | yes | whole | an ordinary restart | re-attach |
//! | either | damaged or cut short | promises were lost | set aside, new memory, PROMISE recovering |
//! | yes | none | promises were lost, or a crash while setting aside | new memory, PROMISE recovering |
//!
//! "Publishing" is one rename of a complete directory, so a peer never maps memory that is half made.

use crate::directory::{Directory, absent_is_fine, area_file, make_directory};
use crate::error::{Context, MemoryError, OpenError};
use paxon_fastpath::{Area, Domain, Epoch, Identity, Incarnation, Promise, ReplicaId};
use paxon_region::Region;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// How the replica came by its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// It was created; nothing had been promised before.
    First,
    /// It outlived the process before: promises and journals are intact.
    Reattached,
    /// It had been lost and was created anew; the replica votes once the others have readmitted it.
    MemoryLost,
}

/// Attaches to the memory of `replica`, whose lock the caller holds, or creates it for `domain`, the one that `attach` accepts.
pub(crate) fn claim<M>(
    directory: &Directory,
    replica: ReplicaId,
    domain: Domain,
    attach: impl Fn() -> Result<M, MemoryError>,
) -> Result<(M, Birth), OpenError> {
    let birth = match attach() {
        Ok(memory) => {
            mark_born(directory, replica)?;
            return Ok((memory, Birth::Reattached));
        }
        Err(error) if error.is_loss() => bear(directory, replica, domain)?,
        Err(error) => return Err(error.into()),
    };
    Ok((attach()?, birth))
}

fn bear(directory: &Directory, replica: ReplicaId, domain: Domain) -> Result<Birth, OpenError> {
    let exists = |path: &Path| path.try_exists().context::<OpenError>("look for", path);
    if exists(&directory.marker(replica))? || exists(&directory.acceptor(replica))? {
        // Marked before the remains are moved: from then on a crash cannot make the loss look like a first birth.
        mark_born(directory, replica)?;
        publish(directory, replica, domain, Promise::recovering())?;
        Ok(Birth::MemoryLost)
    } else {
        publish(directory, replica, domain, Promise::fresh(Epoch::FIRST))?;
        mark_born(directory, replica)?;
        Ok(Birth::First)
    }
}

fn mark_born(directory: &Directory, replica: ReplicaId) -> Result<(), OpenError> {
    let marker = directory.marker(replica);
    File::options().create(true).append(true).open(&marker).map(drop).context("create", &marker)
}

/// Makes whole new memory and puts it where the peers look for it.
fn publish(directory: &Directory, replica: ReplicaId, domain: Domain, promise: Promise) -> Result<(), OpenError> {
    let (unborn, lost, acceptor) = (directory.unborn(replica), directory.lost(replica), directory.acceptor(replica));
    absent_is_fine(fs::remove_dir_all(&unborn)).context::<OpenError>("remove", &unborn)?;
    if let Err(error) = create(directory, replica, domain, promise) {
        // Gives back what a file system that is too small was filled with; the error is what matters.
        let _ = fs::remove_dir_all(&unborn);
        return Err(error.into());
    }
    absent_is_fine(fs::remove_dir_all(&lost)).context::<OpenError>("remove", &lost)?;
    absent_is_fine(fs::rename(&acceptor, &lost)).context::<OpenError>("set aside", &acceptor)?;
    fs::rename(&unborn, &acceptor).context("publish", &acceptor)
}

fn create(directory: &Directory, replica: ReplicaId, domain: Domain, promise: Promise) -> Result<(), MemoryError> {
    let (unborn, layout) = (directory.unborn(replica), *directory.layout());
    make_directory(&unborn, false).context::<MemoryError>("create", &unborn)?;
    let incarnation = random_incarnation().context::<MemoryError>("draw an incarnation for", &unborn)?;
    let identity = Identity { incarnation, ..directory.identity(replica, domain) };
    for area in layout.areas() {
        let path = area_file(&unborn, area);
        let region =
            Region::create(&path, layout.words(area)).map_err(|source| MemoryError::Region { path, source })?;
        match area {
            Area::Promise => region.words()[0].store(promise.0, Relaxed),
            Area::Status => {
                for (word, value) in region.words().iter().zip(identity.encode()) {
                    word.store(value, Relaxed);
                }
            }
            Area::Lane(_) | Area::Snapshot => {}
        }
    }
    Ok(())
}

/// Two lives of one memory must never be taken for each other: 64 random bits, and not the zero that stands for "as born".
fn random_incarnation() -> io::Result<Incarnation> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Incarnation(u64::from_le_bytes(bytes).max(1)))
}
