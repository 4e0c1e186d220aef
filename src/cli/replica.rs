//! `paxon replica`: one replica of a cluster, with its clients.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::{CliError, chain};
use crate::cli::machine::AuditedStore;
use crate::cli::output::Output;
use crate::cli::tether;
use crate::cli::ways::Ways;
use paxon::channel::{Arrival, Porter};
use paxon::machines::Ledger;
use paxon::serve::{Inlet, ServeOptions, Server};
use paxon::{Birth, BuildError, Handle, Joined, Leadership, ReplicaId, Route};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{fs, thread};

/// Run one replica of a cluster until SIGTERM or SIGINT
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Run one replica of a cluster until SIGTERM or SIGINT.\n\n\
        The replica maps its memory in the directory of the cluster, joins the others, and serves clients of this host at \
        the socket replica-N.sock there. Its memory outlives it: started again, after a crash too, it goes on where it \
        was. On SIGTERM it leaves a snapshot for its successor. A second process with the same id is refused.",
    after_help = "Examples:\n  paxon replica --config cluster.toml --id 0\n  paxon replica --id 1 --json   # events as JSON lines"
)]
pub struct Args {
    /// The cluster file, the same for every replica
    #[arg(short, long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
    /// Which replica this is, from 0
    #[arg(short, long, value_name = "N")]
    id: u8,
    /// End when the standard input ends: a supervisor that dies takes its replicas along
    #[arg(long)]
    tether: bool,
}

/// How the replica's peers and clients reach it.
struct WayIn {
    birth: Birth,
    ways: Ways,
    clients: Option<Receiver<Arrival>>,
    /// Dropped with the replica: it makes the connections.
    _porter: Option<Arc<Porter>>,
}

/// Why the replica ends.
enum Stop {
    Signal(i32),
    Untethered,
    /// The engine's thread has ended by itself.
    EngineEnded,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let cluster = ClusterFile::read(&args.config)?;
    let replica = ReplicaId(args.id);
    cluster.config(replica).map_err(|what| CliError::Configuration(format!("--id {}: {what}", args.id)))?;
    let (stop, stopped) = channel();
    listen(&stop, args.tether)?;
    let (handle, mut way) = start(&cluster, replica)?;
    end_with_engine(&handle, stop);
    let socket = cluster.socket(replica);
    let server = serve(&cluster, &handle, &socket, &way.ways)?;
    if let Some(clients) = way.clients.take() {
        hand_over(clients, server.inlet());
    }
    announce(&cluster, replica, way.birth, &socket, output)?;
    let result = wait(&stopped, &handle, output);
    // The socket goes before the lock of the replica does: a successor's is never removed.
    let _ = fs::remove_file(&socket);
    drop(server);
    handle.shutdown();
    result
}

fn start(cluster: &ClusterFile, replica: ReplicaId) -> Result<(Handle, WayIn), CliError> {
    let mut builder = cluster.builder(replica);
    if let Some(secret) = cluster.record_secret().map_err(CliError::Configuration)? {
        builder = builder.record_secret(secret);
    }
    let failed = |error: BuildError| match error {
        BuildError::UnknownCore { .. }
        | BuildError::CoreTaken { .. }
        | BuildError::NoRdma(_)
        | BuildError::Roster(_)
        | BuildError::Identity(_) => CliError::Configuration(chain(&error)),
        _ => CliError::failed(format!("cannot start replica {}", replica.0), &error),
    };
    let Joined { fabric, birth, routes, clients, tcp, rdma, porter } =
        builder.join(cluster.network(replica).map_err(CliError::Configuration)?).map_err(failed)?;
    for Route { peer, way, reason } in &routes {
        log::info!("replica {} is reached over {way}: {reason}", peer.0);
    }
    let machine = AuditedStore::new(Ledger::default(), cluster.kv_limits());
    let handle = builder.start_on(fabric, machine).map_err(failed)?;
    Ok((handle, WayIn { birth, ways: Ways { routes, tcp, rdma }, clients, _porter: porter }))
}

/// Serves clients of this host at the socket, and says how the peers are reached to whoever asks for the status.
fn serve(cluster: &ClusterFile, handle: &Handle, socket: &Path, ways: &Ways) -> Result<Server, CliError> {
    let ways = ways.clone();
    let options = ServeOptions {
        command_bytes_max: cluster.command_bytes_max(),
        sessions: cluster.sessions(),
        ..ServeOptions::default()
    };
    let server = Server::builder(handle).unix(socket).options(options).addresses(cluster.addresses());
    server
        .details(move || ways.describe())
        .start()
        .map_err(|error| CliError::failed(format!("cannot serve clients at {}", socket.display()), &error))
}

/// Passes the porter's clients on to the server.
fn hand_over(clients: Receiver<Arrival>, inlet: Inlet) {
    thread::spawn(move || {
        for arrival in clients {
            if let Arrival::Inbound { party, connection, .. } = arrival {
                inlet.admit(party, connection);
            }
        }
    });
}

/// Reports the end of the engine's thread.
fn end_with_engine(handle: &Handle, stop: Sender<Stop>) {
    let leadership = handle.leadership();
    thread::spawn(move || {
        leadership.iter().find(|event| event.leadership == Leadership::Stopped);
        // Nobody listens any more if that is how the replica was meant to end.
        let _ = stop.send(Stop::EngineEnded);
    });
}

/// Whatever may end the replica reports to one channel.
fn listen(stop: &Sender<Stop>, tether: bool) -> Result<(), CliError> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| CliError::failed("cannot listen for signals", &error))?;
    let on_signal = stop.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            if on_signal.send(Stop::Signal(signal)).is_err() {
                break;
            }
        }
    });
    if tether {
        let untethered = stop.clone();
        // A replica that ends already does not listen any more.
        tether::watch(move || drop(untethered.send(Stop::Untethered)));
    }
    Ok(())
}

fn announce(
    cluster: &ClusterFile,
    replica: ReplicaId,
    birth: Birth,
    socket: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let (word, meaning) = match birth {
        Birth::First => ("first", "its memory is new"),
        Birth::Reattached => ("reattached", "its memory outlived the process before"),
        Birth::MemoryLost => ("memory_lost", "its memory was lost, it waits to be readmitted"),
    };
    let object = serde_json::json!({
        "event": "ready", "cluster": cluster.cluster, "replica": replica.0, "pid": std::process::id(),
        "birth": word, "socket": socket,
    });
    let (id, name, socket) = (replica.0, &cluster.cluster, socket.display());
    let line = format!("replica {id} of cluster {name} is ready: {meaning}; clients at {socket}");
    tell(output, &object, &line)
}

/// Says something in the form that is wanted. That nobody listens (any more) is no failure of the replica.
fn tell(output: &mut Output, object: &serde_json::Value, line: &str) -> Result<(), CliError> {
    match output.object(object).and_then(|()| output.line(line)) {
        Err(CliError::ReaderGone) => Ok(()),
        other => other,
    }
}

fn wait(stopped: &Receiver<Stop>, handle: &Handle, output: &mut Output) -> Result<(), CliError> {
    let reason = match stopped.recv() {
        Ok(Stop::Signal(signal)) => format!("signal {signal}"),
        Ok(Stop::Untethered) => "the standard input ended".to_owned(),
        Ok(Stop::EngineEnded) | Err(_) => {
            return Err(CliError::Failed(format!("the engine of replica {} has ended by itself", handle.replica().0)));
        }
    };
    tell(output, &serde_json::json!({ "event": "stopping", "reason": reason }), &format!("stopping: {reason}"))
}
