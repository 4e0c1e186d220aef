//! `paxon doctor rdma`: the preflight of the fabric over RDMA.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::output::{Colour, Output};
use paxon::{ReplicaBuilder, ReplicaId};
use paxon_rdma::doctor::{DeviceReport, Problem, Report, SelfTest};
use paxon_rdma::{Address, Device, Port};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Exit status of a host that cannot run the fabric: the output says why.
const UNFIT: u8 = 1;

/// Say whether this host can run a replica over RDMA
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Say whether this host can run a replica over RDMA.\n\n\
        Lists devices, ports and addresses, the limits that matter and what is wrong with them, each with what to do about it, \
        and tries on the first device that can be used (or on --device) what the protocol rests on: compare-and-exchange, its \
        order behind WRITEs, torn reads, the way to itself. `--fabric auto` asks the same, with a shorter test. Ends with \
        status 0 if the device passes and 1 if there is none or it does not.",
    after_help = "Examples:\n  paxon doctor rdma\n  paxon doctor rdma --device mlx5_0 --rounds 100000\n  \
        paxon doctor rdma --config cluster.toml --json   # with the memory that this cluster needs"
)]
pub struct Args {
    /// A cluster file, to compare the memory that it needs with the limits
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The device to test
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Rounds of the self-test
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rounds: u64,
}

/// What came of the self-test, if there was a device for it.
type Tested = Option<(Arc<Device>, Result<SelfTest, String>)>;

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let report = Report::of_host(needed_bytes(args)?);
    let tested = choose(args, &report)?.map(|device| {
        let test = SelfTest::run(&device, args.rounds).map_err(|error| error.to_string());
        (device, test)
    });
    let fit = tested.as_ref().is_some_and(|(_, test)| test.as_ref().is_ok_and(SelfTest::is_passed));
    output.object(&object(&report, &tested, fit))?;
    output.line(report.to_string().trim_end())?;
    if let Some((device, test)) = &tested {
        let text = match test {
            Ok(test) => test.to_string(),
            Err(error) => format!("self-test could not be made: {error}"),
        };
        let colour = if fit { Colour::Good } else { Colour::Bad };
        output.line(&output.paint(colour, &format!("{}: {}", device.name(), text.trim_end())))?;
    }
    if fit { Ok(()) } else { Err(CliError::Reported(UNFIT)) }
}

/// Bytes that a replica registers: its memory once for each member, and once for itself.
fn needed_bytes(args: &Args) -> Result<u64, CliError> {
    let config = match &args.config {
        Some(file) => ClusterFile::read(file)?.config(ReplicaId(0)).map_err(CliError::Configuration)?,
        None => ReplicaBuilder::default()
            .cluster("doctor")
            .config()
            .map_err(|error| CliError::failed("no configuration", &error))?,
    };
    let words: usize = config.layout.areas().map(|area| config.layout.words(area)).sum();
    Ok(8 * (config.replicas() * (words + config.scratch_words())) as u64)
}

/// The device to test; `None` if no device can be used.
fn choose(args: &Args, report: &Report) -> Result<Option<Arc<Device>>, CliError> {
    let Some(name) = &args.device else { return Ok(report.usable().map(|(device, _)| device.clone())) };
    let found = report.devices.iter().find(|device| device.name == *name);
    let Some(found) = found.filter(|_| !report.problems.iter().any(Problem::is_fatal)) else {
        let names: Vec<_> = report.devices.iter().map(|device| device.name.as_str()).collect();
        return Err(CliError::Configuration(format!("--device {name}: this host has {names:?}")));
    };
    Ok(found.address().and(found.device.clone()))
}

fn object(report: &Report, tested: &Tested, fit: bool) -> Value {
    let test = tested.as_ref().map(|(device, test)| match test {
        Ok(test) => json!({
            "device": device.name(),
            "passed": test.is_passed(),
            "rounds": test.rounds,
            "late_records": test.late_records,
            "torn_exchanges": test.torn_exchanges,
            "torn_writes": test.torn_writes,
            "chain_p50_ns": test.chain_p50.as_nanos() as u64,
            "inline_bytes": test.inline_bytes,
        }),
        Err(error) => json!({ "device": device.name(), "passed": false, "error": error }),
    });
    json!({
        "usable": fit,
        "problems": problems(&report.problems),
        "devices": report.devices.iter().map(device).collect::<Vec<_>>(),
        "memlock_bytes": report.memlock_bytes,
        "needed_bytes": report.needed_bytes,
        "self_test": test,
    })
}

fn problems(problems: &[Problem]) -> Vec<Value> {
    let one = |problem: &Problem| json!({ "fatal": problem.is_fatal(), "problem": problem.to_string() });
    problems.iter().map(one).collect()
}

fn device(report: &DeviceReport) -> Value {
    let limits = report.limits.as_ref();
    json!({
        "name": report.name,
        "address": report.address().map(address),
        "atomics": limits.map(|limits| format!("{:?}", limits.atomics).to_lowercase()),
        "reads_out_max": limits.map(|limits| limits.reads_out_max),
        "reads_in_max": limits.map(|limits| limits.reads_in_max),
        "firmware": limits.map(|limits| limits.firmware.as_str()),
        "ports": report.ports.iter().map(port).collect::<Vec<_>>(),
        "problems": problems(&report.problems),
    })
}

fn port(port: &Port) -> Value {
    json!({
        "number": port.number,
        "active": port.is_active,
        "link_layer": format!("{:?}", port.link_layer),
        "mtu": port.mtu.bytes(),
        "lid": port.lid,
        "addresses": port.gids.iter().map(|entry| entry.gid.to_string()).collect::<Vec<_>>(),
    })
}

fn address(address: Address) -> String {
    match address {
        Address::Gid(gid) => gid.to_string(),
        Address::Lid(lid) => format!("LID {lid}"),
    }
}
