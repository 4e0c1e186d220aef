//! What authentic commands cost: verification before the commit, and the commit after it.
//!
//! The policy is [`Policy::Leader`]: the leader verifies, its followers trust it, so that what is measured is one verifier and
//! not as many as there are replicas on shared cores. The keys are this module's own and known to everybody.

mod client;
mod ear;
mod leader;
mod report;
mod stream;

pub(super) use report::LATENCY_MAX_NS;
pub use report::{AuthReport, AuthStages, Throughput};

use super::board::Board;
use super::cluster::{Cluster, Link};
use super::machine::Tally;
use super::{FollowerOptions, Followers, MeasureError, Options, Workplace, commits_while};
use crate::node::Node;
use client::Client;
use ear::Ear;
use leader::Leader;
use paxon_fastpath::Fabric;
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verifier};
use paxon_signed::{Authenticated, Genesis, KeyId, MacSecret, Policy, PublicKey, Roles, Setup};
use paxon_verify::{InlineVerifier, SigningKey};
use report::Stages;
use serde::{Deserialize, Serialize};
use std::io;
use std::panic::resume_unwind;
use std::process::Child;
use std::thread;

/// The client's key in the registry.
const CLIENT: KeyId = KeyId(1);
/// Seeds of the client's key and of the MAC secret: a benchmark's, known to everybody.
const KEY_SEED: [u8; 32] = [0x11; 32];
const MAC_SEED: [u8; 32] = [0x22; 32];

/// How commands are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// A MAC of 128 bits, under a key from one signed handshake.
    Mac,
    /// An Ed25519 signature each.
    Ed25519,
    /// An ML-DSA-44 signature each.
    Mldsa,
    /// Both signatures each.
    Hybrid,
}

impl Auth {
    /// The scheme of the client's key.
    pub(super) const fn scheme(self) -> Scheme {
        match self {
            Self::Mac | Self::Ed25519 => Scheme::Ed25519,
            Self::Mldsa => Scheme::MlDsa44,
            Self::Hybrid => Scheme::Hybrid,
        }
    }

    fn genesis(self) -> Genesis {
        let key = PublicKey::new(self.scheme(), self.signing_key().public_key()).expect("a key of the scheme's length");
        let roles = Roles::ADMINISTRATOR.with(Roles::CLIENT);
        let genesis = Genesis::new(Genesis::cluster_number("paxon measure")).with_key(CLIENT, key, roles);
        let mac_key = (self == Self::Mac).then(|| MacSecret::from_bytes(MAC_SEED).public());
        Genesis { policy: Policy::Leader, mac_key, ..genesis }
    }

    fn signing_key(self) -> SigningKey {
        SigningKey::from_seed(self.scheme(), &KEY_SEED)
    }

    /// The state machine of every replica.
    pub(super) fn machine(self) -> Guarded {
        let setup = Setup {
            genesis: &self.genesis(),
            mac_secret: (self == Self::Mac).then(|| MacSecret::from_bytes(MAC_SEED)),
            verifier: InlineVerifier::default(),
            software,
            // Nothing is sampled under this policy.
            sample_salt: [0; 32],
        };
        Authenticated::new(Tally::default(), setup).expect("a constant genesis that fits its secret")
    }
}

/// The machine whose digest depends on every command, behind its keys.
pub(super) type Guarded = Authenticated<Tally, InlineVerifier>;

/// One signature, now.
pub(super) fn software(request: &Request<'_>) -> Verdict {
    paxon_verify::verify(request.scheme, request.key, request.signature, request.message)
}

/// Measures authentic commands beside unsigned ones, in one run. Batches and outstanding records of the options do not matter.
///
/// # Errors
/// [`MeasureError`]; [`MeasureError::Interrupted`] if `go_on` said no.
pub fn authentic_while(
    options: &Options,
    auth: Auth,
    mut spawn: impl FnMut(&FollowerOptions) -> io::Result<Child>,
    mut go_on: impl FnMut(u64) -> bool + Send,
) -> Result<AuthReport, MeasureError> {
    let options = Options { batch: 1, outstanding: 1, ..options.clone() };
    let unsigned = commits_while(&options, &mut spawn, &mut go_on)?;
    let padded = Options { payload: Client::envelope_bytes(auth, options.payload), ..options.clone() };
    let same_size = commits_while(&padded, &mut spawn, &mut go_on)?;
    let workplace = Workplace(options.directory.clone());
    let link = Link::prepare(options.fabric, options.replicas, &options.directory)?;
    let cluster = Cluster { auth: Some(auth), ..options.cluster(link) };
    let builder = cluster.builder(0);
    let (stages, throughput) = if matches!(cluster.link, Link::Shm) {
        let node = builder.build(auth.machine(), Ear::default())?;
        measure(node, &options, auth, &cluster, &mut spawn, &mut go_on)?
    } else {
        let joined = cluster.join(0)?;
        let node = builder.build_on(joined.fabric, auth.machine(), Ear::default())?;
        let measured = measure(node, &options, auth, &cluster, &mut spawn, &mut go_on);
        // The porter makes the connections as long as it is there.
        drop(joined.porter);
        measured?
    };
    drop(workplace);
    Ok(AuthReport::new(auth, unsigned, same_size.commit, &stages, throughput))
}

fn measure<F: Fabric + Send>(
    node: Node<Guarded, F, Ear>,
    options: &Options,
    auth: Auth,
    cluster: &Cluster,
    spawn: &mut impl FnMut(&FollowerOptions) -> io::Result<Child>,
    go_on: &mut (impl FnMut(u64) -> bool + Send),
) -> Result<(Stages, Option<Throughput>), MeasureError> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let leader = Leader::new(node, auth, Board::create(&options.directory)?);
    let mut followers = Followers(Vec::new());
    for follower in FollowerOptions::all(options, cluster, &cores) {
        followers.0.push(spawn(&follower).map_err(MeasureError::Spawn)?);
    }
    // In a thread of its own, so that the caller's is not pinned.
    thread::scope(|scope| {
        let leader = scope.spawn(move || {
            if let Some(first) = cores.first().filter(|_| options.affinity) {
                core_affinity::set_for_current(*first);
            }
            let measured = leader.measure(options, &mut followers, go_on);
            // The followers let go of the memory before its directory is removed.
            drop(followers);
            measured
        });
        leader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Announces the client's key, as the machine does to its own verifier.
fn prepare(verifier: &mut impl Verifier, auth: Auth) {
    verifier.prepare(auth.scheme(), auth.signing_key().public_key());
}
