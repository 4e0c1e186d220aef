//! `paxon bench load`: what a cluster takes from clients of other processes.

use crate::cli::client::PATIENCE;
use crate::cli::cluster_file::{ClusterFile, FabricKind, Poll};
use crate::cli::error::CliError;
use crate::cli::hdr::{self, Summary};
use crate::cli::interrupt::Interrupt;
use crate::cli::machine::put_command;
use crate::cli::output::{Colour, Output};
use crate::cli::remote::Remote;
use crate::cli::replicas::Replicas;
use crate::cli::setting::{Setting, Wishes};
use crate::cli::table::{amount, count};
use hdrhistogram::Histogram;
use serde_json::json;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Keys that the load writes over and over.
const KEYS: u64 = 1_000;
/// Longer latencies are recorded as this: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// How long the clients warm up before anything counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Measure how many commands a second remote clients get applied, and how long each takes
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure how many commands a second remote clients get applied, and how long each takes, from sending it to \
        its reply.\n\nEvery connection is a client with a session of its own, which keeps so many commands under way. Without \
        --config a cluster is started for the measurement; over TCP its clients come over TCP as well, authenticated and \
        encrypted.",
    after_help = "Examples:\n  paxon bench load --fabric tcp --connections 4 --outstanding 16\n  \
        paxon bench load --config cluster.toml --seconds 30 --json"
)]
pub struct Args {
    /// The file of a cluster that runs
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the replicas of the cluster that is started reach each other
    #[arg(long, value_enum, default_value_t, conflicts_with = "config")]
    fabric: FabricKind,
    /// What its replicas do when idle [default: spin with a core for each replica and one to spare, otherwise yield]
    #[arg(long, value_enum, conflicts_with = "config")]
    poll: Option<Poll>,
    /// Clients, each with a connection and a session
    #[arg(short = 'C', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    connections: u64,
    /// Commands that each client keeps under way; at most the session window of the cluster
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    outstanding: u64,
    /// Bytes of each value
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    payload: usize,
    /// How long to measure
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Measure so many commands instead, however long they take
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "seconds")]
    samples: Option<u64>,
    /// Where to make the private directory of the cluster, on tmpfs [default: /dev/shm]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
}

/// What one client has seen.
struct Seen {
    latencies: Histogram<u64>,
    elapsed: Duration,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let interrupt = Interrupt::listen()?;
    let Some(config) = &args.config else { return run_private(args, &interrupt, output) };
    let cluster = ClusterFile::read(config)?;
    measure(args, &cluster, &interrupt, output)
}

/// On a cluster that is gone afterwards.
fn run_private(args: &Args, interrupt: &Interrupt, output: &mut Output) -> Result<(), CliError> {
    let Args { fabric, poll, .. } = *args;
    let wishes = Wishes {
        purpose: "load",
        replicas: 3,
        fabric,
        poll,
        affinity: false,
        emulated: false,
        dir: args.dir.as_deref(),
    };
    let mut setting = Setting::choose(&wishes)?;
    let window = setting.cluster.session_window().max(args.outstanding as usize);
    setting.cluster.limits.session_window = Some(window);
    setting.cluster.check().map_err(CliError::Configuration)?;
    output.line(&setting.describe())?;
    let mut replicas = Replicas::start(&setting, interrupt)?;
    measure(args, &setting.cluster, interrupt, output).map_err(|error| replicas.explain(error))
}

fn measure(args: &Args, cluster: &ClusterFile, interrupt: &Interrupt, output: &mut Output) -> Result<(), CliError> {
    let (most, asked) = (cluster.session_window(), args.outstanding as usize);
    if asked > most {
        return Err(CliError::Configuration(format!(
            "--outstanding {asked}: a session of this cluster has at most {most} commands under way (session_window)"
        )));
    }
    let seen: Vec<Seen> = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..args.connections).map(|id| scope.spawn(move || load(args, cluster, interrupt, id))).collect();
        let join = |client: thread::ScopedJoinHandle<'_, _>| {
            client.join().unwrap_or_else(|_| Err(CliError::Failed("a client has panicked".into())))
        };
        clients.into_iter().map(join).collect::<Result<_, CliError>>()
    })?;
    report(args, cluster, &seen, output)
}

/// One client: keeps its commands under way until the time is over.
fn load(args: &Args, cluster: &ClusterFile, interrupt: &Interrupt, id: u64) -> Result<Seen, CliError> {
    let remote = Remote::over_network(cluster, PATIENCE, interrupt)?;
    let session = remote.open_session()?;
    let mut seen = Seen { latencies: histogram()?, elapsed: Duration::ZERO };
    let (value, mut at, mut under_way) = (vec![0x61; args.payload], id, VecDeque::new());
    let counts_from = Instant::now() + WARM_UP;
    let until = counts_from + Duration::from_secs(args.seconds);
    let share = args.samples.map(|samples| samples.div_ceil(args.connections));
    loop {
        let goes_on = share.map_or_else(|| Instant::now() < until, |share| seen.latencies.len() < share);
        while goes_on && under_way.len() < args.outstanding as usize {
            let key = format!("key-{:03}", at % KEYS);
            at += args.connections;
            let command =
                put_command(key.as_bytes(), &value).map_err(|error| CliError::Configuration(error.to_string()))?;
            under_way.push_back((Instant::now(), session.propose(&command)));
        }
        let Some((sent, pending)) = under_way.pop_front() else { break };
        remote.wait(pending)?;
        if sent >= counts_from {
            let latency_ns = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            seen.latencies.saturating_record(latency_ns);
            seen.elapsed = counts_from.elapsed();
        }
    }
    Ok(seen)
}

fn histogram() -> Result<Histogram<u64>, CliError> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).map_err(|error| CliError::failed("no histogram", &error))
}

fn report(args: &Args, cluster: &ClusterFile, seen: &[Seen], output: &mut Output) -> Result<(), CliError> {
    let mut latencies = histogram()?;
    for one in seen {
        latencies.add(&one.latencies).map_err(|error| CliError::failed("histograms differ", &error))?;
    }
    let rate = |one: &Seen| one.latencies.len() as f64 / one.elapsed.as_secs_f64().max(f64::EPSILON);
    let ops_per_s = seen.iter().map(rate).sum::<f64>();
    let summary = Summary::of("put", &latencies);
    output.object(&json!({
        "fabric": cluster.fabric.name(),
        "clients_over": if cluster.has_network() { "tcp" } else { "unix" },
        "replicas": cluster.replicas,
        "connections": args.connections,
        "outstanding": args.outstanding,
        "payload": args.payload,
        "samples": latencies.len(),
        "ops_per_s": ops_per_s,
        "latency": summary,
    }))?;
    let connections = amount(args.connections, "connection");
    output.line(&output.paint(
        Colour::Good,
        &format!(
            "{} puts of {} bytes a second over {connections} with {} under way each",
            count(ops_per_s as u64),
            args.payload,
            args.outstanding
        ),
    ))?;
    hdr::table("latency", &[summary]).iter().try_for_each(|line| output.line(line))
}
