//! How long does a commit over shared memory take, beside its floor and beside an in-process OmniPaxos loop, in one run?
//!
//! `cargo bench -p paxon-bench --bench commit` prints one JSON line per question. Followers are processes: this binary
//! starts itself with the word `follower`.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use paxon::measure::{FollowerOptions, Options, commits, follow};
use paxon_bench::omnipaxos_loop;
use std::error::Error;
use std::process::{Command, Stdio};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, options] = &arguments[..]
        && word == "follower"
    {
        follow(&serde_json::from_str(options)?)?;
        return Ok(());
    }
    let quick = arguments.iter().any(|argument| argument == "--test");
    let samples = if quick { 20_000 } else { 500_000 };
    let spawn = |options: &FollowerOptions| {
        let options = serde_json::to_string(options)?;
        Command::new(std::env::current_exe()?).args(["follower", &options]).stdin(Stdio::null()).spawn()
    };
    let affinity = true;
    let single = commits(&Options { samples, affinity, ..Options::default() }, spawn)?;
    let batched =
        commits(&Options { samples: samples / 50, batch: 64, outstanding: 4, affinity, ..Options::default() }, spawn)?;
    let peer = omnipaxos_loop::run(samples, single.payload)?;
    let peer_batched = omnipaxos_loop::best_batched(samples, single.payload)?;
    println!("{}", serde_json::to_string(&single)?);
    println!("{}", serde_json::to_string(&batched)?);
    println!(
        "{}",
        serde_json::json!({
            "omnipaxos_p50_ns": peer.p50_ns,
            "omnipaxos_ops_per_s": peer.ops_per_s,
            "omnipaxos_best_batched_ops_per_s": peer_batched.ops_per_s,
            "p50_ratio": single.commit.p50_ns as f64 / peer.p50_ns as f64,
            "throughput_ratio": batched.ops_per_s / peer.ops_per_s,
            "throughput_ratio_to_best_batched": batched.ops_per_s / peer_batched.ops_per_s,
        })
    );
    Ok(())
}
