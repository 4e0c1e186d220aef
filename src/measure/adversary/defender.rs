//! A replica under attack, a process of its own.

use super::census::Census;
use super::{AdversaryOptions, PAIRS, REPLICAS, Trust, keys};
use crate::builder::ReplicaBuilder;
use crate::handle::Handle;
use crate::measure::MeasureError;
use crate::measure::auth::software;
use crate::measure::verifier::{Gauge, VerifierKind};
use crate::serve::{ServeOptions, Server};
use crate::status::Leadership;
use paxon_fastpath::verify::Verifier;
use paxon_fastpath::{Command, Commands, Nanos, Reply, SessionLimits, Slot, SnapshotError, StateMachine, Timing};
use paxon_signed::{Authenticated, Counters, Keyring, Refusal, Setup};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Requests under way at the verifier of a replica.
const CAPACITY: usize = 1_024;
/// Nobody is deposed by a hiccup of a busy machine, nor by a device that is simulated on the engine's thread.
const TIMING: Timing = Timing { suspect: Nanos::from_millis(5_000), ..Timing::sharing() };
const TIMING_OF_RTL: Timing = Timing { suspect: Nanos::from_millis(60_000), ..Timing::sharing() };
/// Of each session, more than a pair keeps under way. Some sessions to spare, for those that are opened twice.
const SESSIONS: SessionLimits = SessionLimits { sessions_max: 4 * PAIRS as usize + 8, window: 64, reply_bytes_max: 64 };

/// What a replica's process has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefenderOptions {
    /// Which replica it is.
    pub replica: u8,
    /// Where the cluster lies.
    pub directory: PathBuf,
    /// Which replicas verify.
    pub policy: Trust,
    /// What verifies here.
    pub verifier: VerifierKind,
    /// After so many completions the model stops for good.
    pub broken_after: Option<u64>,
    /// It proposes whatever it is given.
    pub careless: bool,
    /// Whether somebody simulates RTL on its engine's thread, so that all have to be patient.
    pub patient: bool,
}

impl DefenderOptions {
    pub(super) fn of(options: &AdversaryOptions, replica: u8) -> Self {
        let rtl = options.verifier == VerifierKind::Verilator;
        // One device is enough for what a machine simulates in a minute.
        let verifier = if rtl && replica != 0 { VerifierKind::Software } else { options.verifier };
        Self {
            replica,
            directory: options.directory.clone(),
            policy: options.policy,
            verifier,
            // All verify the honest ones, the leader the forged ones as well.
            broken_after: options.kill_device.then_some(options.commands / 2),
            careless: options.careless,
            patient: rtl,
        }
    }
}

/// Where a replica serves its clients.
pub(super) fn socket(directory: &Path, replica: u8) -> PathBuf {
    directory.join(format!("replica-{replica}.sock"))
}

type Defended = Authenticated<Census, Box<dyn Verifier + Send>>;

/// Runs a replica until its process is ended. For the process that the attacking process spawned.
///
/// # Errors
/// [`MeasureError`].
pub fn defend(options: &DefenderOptions) -> Result<(), MeasureError> {
    let (verifier, gauge) = options.verifier.start(1, CAPACITY, options.broken_after)?;
    let genesis = keys::genesis(options.policy);
    // Nothing is sampled under these policies.
    let setup = Setup { genesis: &genesis, mac_secret: None, verifier, software, sample_salt: [0; 32] };
    let machine = Authenticated::new(Census::default(), setup).map_err(MeasureError::other)?;
    let keyring = machine.keyring();
    let builder = builder(options);
    let handle = if options.careless { builder.start(Careless(machine)) } else { builder.start(machine) }?;
    let served = serve(options, &handle, keyring, gauge)?;
    handle.leadership().iter().find(|event| event.leadership == Leadership::Stopped);
    drop(served);
    Err(MeasureError::Deposed)
}

fn builder(options: &DefenderOptions) -> ReplicaBuilder {
    ReplicaBuilder::default()
        .cluster("paxon adversary")
        .replica(options.replica)
        .replicas(REPLICAS.into())
        .shm(options.directory.join("memory"))
        .window(256)
        .cells(2_048)
        .payload_bytes_max(64 << 10)
        .arena_bytes(1 << 20)
        .snapshot_bytes(1 << 20)
        .sessions(SESSIONS)
        .timing(if options.patient { TIMING_OF_RTL } else { TIMING })
}

fn serve(
    options: &DefenderOptions,
    handle: &Handle,
    keyring: Arc<Keyring>,
    gauge: Gauge,
) -> Result<Server, MeasureError> {
    let limits = ServeOptions { command_bytes_max: 32 << 10, sessions: SESSIONS, ..ServeOptions::default() };
    let tell = move || {
        let told = json!({
            "decided": counts(keyring.counters()), "vetted": counts(keyring.vetted()), "device": gauge.read(),
        });
        Map::from_iter([("signed".to_owned(), told)])
    };
    let socket = socket(&options.directory, options.replica);
    Ok(Server::builder(handle).unix(socket).options(limits).details(tell).start()?)
}

fn counts(counters: &Counters) -> Value {
    let refused: Map<_, _> = Refusal::ALL
        .iter()
        .filter(|refusal| counters.refused(**refusal) > 0)
        .map(|refusal| (refusal.name().to_owned(), counters.refused(*refusal).into()))
        .collect();
    json!({
        "accepted": counters.accepted(), "refused": refused,
        "known": counters.known(), "on_the_spot": counters.on_the_spot(),
    })
}

/// A replica that proposes whatever it is given when it leads: it is not asked before.
struct Careless(Defended);

impl StateMachine for Careless {
    fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut Reply) {
        self.0.apply(slot, command, reply);
    }

    fn expects(&self) -> bool {
        self.0.expects()
    }

    fn expect(&mut self, slot: Slot, commands: Commands<'_>) {
        self.0.expect(slot, commands);
    }

    fn screen(&mut self, slot: Slot, command: &Command<'_>) -> Result<(), u8> {
        self.0.screen(slot, command)
    }

    fn apply_command(&mut self, slot: Slot, command: &Command<'_>, reply: &mut Reply) {
        self.0.apply_command(slot, command, reply);
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        self.0.snapshot(into);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.0.restore(bytes)
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        self.0.query(query, reply);
    }
}
