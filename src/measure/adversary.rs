//! A cluster of processes under attack: forged commands among honest ones, and what became of each.
//!
//! Three replicas are processes that the caller spawns (they call [`defend`]); this process has the clients. Each client is a
//! pair: somebody with a registered key, and somebody who speaks in its session without it, over a connection of his own. What
//! was applied is asked of every replica's state, not of those who answered: forged commands carry a payload that no honest
//! one has, and honest ones a number each, of which the replicas keep count and sum.
//!
//! The same clients are measured before, during and after the attack. All keys are this module's own and known to everybody.

mod census;
mod defender;
mod forgery;
mod keys;
mod pair;
mod report;
mod verdict;

pub use defender::{DefenderOptions, defend};
pub use report::{AdversaryReport, Defence, LoadReport, StateReport};

use super::verifier::VerifierKind;
use super::{Followers, MeasureError, Workplace};
use keys::{ADMINISTRATOR, REVOKED, signer_of};
use pair::{Load, Pair};
use paxon_client::{Client, ClientOptions, Target};
use paxon_fastpath::ReplicaId;
use paxon_signed::{Position, RegistryCommand};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// Processes of the cluster.
const REPLICAS: u8 = 3;
/// Pairs of clients.
const PAIRS: u32 = 4;
/// How long a command may take on the busiest machine, and with a simulated device.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which replicas verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Every replica verifies before it applies.
    #[default]
    All,
    /// The leader verifies before it proposes; the others trust it.
    Leader,
}

/// What to do to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdversaryOptions {
    /// Commands of the attack, honest and forged. Without attack there are a quarter as many, half of them before it.
    pub commands: u64,
    /// Of 1,000 commands so many are forged, at most 999.
    pub share_per_mille: u16,
    /// What verifies: the RTL at replica 0 only, the others at all.
    pub verifier: VerifierKind,
    /// Which replicas verify.
    pub policy: Trust,
    /// Leaders propose whatever they are given.
    pub careless: bool,
    /// The model stops for good in the middle of the attack, at every replica that has one.
    pub kill_device: bool,
    /// Where the cluster lies; must not exist yet, and be on tmpfs.
    pub directory: PathBuf,
}

/// Measures. `spawn` starts a process that calls [`defend`]; `go_on` is asked every few commands whether to.
///
/// # Errors
/// [`MeasureError`]; [`MeasureError::Interrupted`] if `go_on` said no. That a forged command was applied is no error: the report
/// says so.
pub fn attack_while(
    options: &AdversaryOptions,
    mut spawn: impl FnMut(&DefenderOptions) -> io::Result<Child>,
    go_on: impl Fn() -> bool + Sync,
) -> Result<AdversaryReport, MeasureError> {
    let workplace = Workplace(options.directory.clone());
    std::fs::create_dir(&options.directory)?;
    let mut defenders = Followers(Vec::new());
    for defender in (0..REPLICAS).map(|replica| DefenderOptions::of(options, replica)) {
        defenders.0.push(spawn(&defender).map_err(MeasureError::Spawn)?);
    }
    let report = attack(options, &go_on).map_err(|error| defenders.fallen().unwrap_or(error));
    drop(defenders);
    drop(workplace);
    report
}

fn attack(options: &AdversaryOptions, go_on: &(impl Fn() -> bool + Sync)) -> Result<AdversaryReport, MeasureError> {
    let office = client(&options.directory)?;
    revoke(&office)?;
    let pair = |nth| Pair::open(nth, client(&options.directory)?, client(&options.directory)?);
    let mut pairs = (0..PAIRS).map(pair).collect::<Result<Vec<_>, MeasureError>>()?;
    let calm = options.commands / 8 / u64::from(PAIRS) + 1;
    let attacked = options.commands.div_ceil(PAIRS.into());
    let mut before = run(&mut pairs, calm, 0, go_on)?;
    let during = run(&mut pairs, attacked, options.share_per_mille, go_on)?;
    before.add(run(&mut pairs, calm, 0, go_on)?);
    let verdict = verdict::of(&office, &pairs)?;
    Ok(AdversaryReport::new(options, &before, &during, verdict))
}

fn client(directory: &Path) -> Result<Client, MeasureError> {
    let targets = (0..REPLICAS).map(|id| Target::unix(ReplicaId(id), defender::socket(directory, id)));
    let options = ClientOptions { patience: PATIENCE, ..ClientOptions::default() };
    Client::builder().targets(targets).options(options).start().map_err(MeasureError::other)
}

/// One of the keys is revoked before the attack begins.
fn revoke(office: &Client) -> Result<(), MeasureError> {
    let session = office.open_session().wait().map_err(MeasureError::other)?;
    let administrator = signer_of(ADMINISTRATOR);
    let revoked = session.propose_with(|sequence| {
        administrator.registry(Position { session: session.id(), sequence }, &RegistryCommand::Revoke { id: REVOKED })
    });
    revoked.wait().map(drop).map_err(MeasureError::other)
}

/// All pairs at once, so many commands each.
fn run(
    pairs: &mut [Pair],
    commands: u64,
    share_per_mille: u16,
    go_on: &(impl Fn() -> bool + Sync),
) -> Result<Load, MeasureError> {
    let mut load = Load::new();
    let replies = pair::Replies::new();
    let start = Instant::now();
    thread::scope(|scope| {
        let replies = &replies;
        let running: Vec<_> = pairs
            .iter_mut()
            .map(|pair| scope.spawn(move || pair.run(commands, share_per_mille, replies, go_on)))
            .collect();
        for pair in running {
            load.join(pair.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, MeasureError>(())
    })?;
    load.elapsed = start.elapsed();
    load.longest_gap = replies.longest_gap();
    Ok(load)
}
