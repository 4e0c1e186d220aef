//! `paxon status`: who leads, and how far everybody is.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::{CliError, UNAVAILABLE};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Colour, Output};
use crate::cli::remote::Remote;
use crate::cli::table::{Table, count, nanos};
use paxon::ReplicaId;
use paxon::serve::{BallotReport, StatusReport};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// A replica that does not answer within this time is shown as silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Show who leads, under which ballot, and how far each replica is
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Show who leads, under which ballot, and how far each replica is.\n\n\
        Asks every replica at its socket; one that does not answer is shown with what the others know of it. Ends with \
        status 3 if nobody leads.",
    after_help = "Examples:\n  paxon status\n  paxon status --config cluster.toml --json"
)]
pub struct Args {
    /// The cluster file
    #[arg(short, long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
}

/// The cluster at a glance.
#[derive(Debug, Serialize)]
struct ClusterStatus {
    cluster: String,
    leader: Option<u8>,
    ballot: Option<BallotReport>,
    epoch: Option<u16>,
    committed: u64,
    replicas: Vec<ReplicaRow>,
}

/// One replica, as itself or the others tell.
#[derive(Debug, Serialize)]
struct ReplicaRow {
    replica: u8,
    alive: bool,
    role: String,
    pid: Option<u32>,
    ballot: Option<BallotReport>,
    committed: Option<u64>,
    applied: Option<u64>,
    /// Slots that are committed and that it has not applied.
    lag: Option<u64>,
    /// Why it did not answer.
    problem: Option<String>,
    /// How it reaches the others, and what it has seen of the network.
    #[serde(flatten)]
    details: Map<String, Value>,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let cluster = ClusterFile::read(&args.config)?;
    let remote = Remote::new(&cluster, ANSWER_WITHIN, &Interrupt::listen()?)?;
    // All are asked before anybody is waited for.
    let asked: Vec<_> = cluster.members().map(|member| (member, remote.client().at(member).status())).collect();
    let answers: Vec<_> = asked.into_iter().map(|(member, asked)| (member, remote.status_of(asked))).collect();
    remote.check()?;
    let status = summarise(&cluster.cluster, &answers);
    output.object(&status)?;
    print(&status, output)?;
    if status.leader.is_some() { Ok(()) } else { Err(CliError::Reported(UNAVAILABLE)) }
}

fn summarise(cluster: &str, answers: &[(ReplicaId, Result<StatusReport, String>)]) -> ClusterStatus {
    let reports = || answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    // A deposed leader may not have noticed yet: the highest ballot is the one that counts.
    let leader = reports().filter(|report| report.role == "leader").max_by_key(|report| report.ballot);
    let committed = reports().map(|report| report.committed.max(report.applied)).max().unwrap_or(0);
    let told = |member: ReplicaId| {
        let known = reports().flat_map(|report| &report.members).filter(|known| known.replica == member.0);
        known.filter_map(|known| known.applied).max()
    };
    let row = |(member, answer): &(ReplicaId, Result<StatusReport, String>)| {
        let report = answer.as_ref().ok();
        let applied = report.map(|report| report.applied).or_else(|| told(*member));
        ReplicaRow {
            replica: member.0,
            alive: report.is_some(),
            role: report.map_or_else(|| "down".into(), |report| report.role.clone()),
            pid: report.map(|report| report.pid),
            ballot: report.map(|report| report.ballot),
            committed: report.map(|report| report.committed),
            applied,
            lag: applied.map(|applied| committed.saturating_sub(applied)),
            problem: answer.as_ref().err().cloned(),
            details: report.map(|report| report.details.clone()).unwrap_or_default(),
        }
    };
    ClusterStatus {
        cluster: cluster.to_owned(),
        leader: leader.map(|leader| leader.replica),
        ballot: leader.map(|leader| leader.ballot),
        epoch: leader.map(|leader| leader.ballot.epoch),
        committed,
        replicas: answers.iter().map(row).collect(),
    }
}

fn print(status: &ClusterStatus, output: &mut Output) -> Result<(), CliError> {
    let headline = match (status.leader, status.ballot) {
        (Some(leader), Some(ballot)) => format!(
            "cluster {}: replica {leader} leads in epoch {}, round {}; {} slots committed",
            status.cluster,
            ballot.epoch,
            ballot.round,
            count(status.committed)
        ),
        _ => format!("cluster {}: nobody leads", status.cluster),
    };
    let colour = if status.leader.is_some() { Colour::Good } else { Colour::Bad };
    output.line(&output.paint(colour, &headline))?;
    let mut table = Table::new(&["replica", "role", "ballot", "committed", "applied", "lag", "pid"]);
    for row in &status.replicas {
        let number = |value: Option<u64>| value.map_or_else(|| "?".into(), count);
        let ballot = row.ballot.map(|ballot| format!("{}.{}.r{}", ballot.epoch, ballot.round, ballot.proposer));
        table.row(vec![
            row.replica.to_string(),
            row.role.clone(),
            ballot.unwrap_or_else(|| "?".into()),
            number(row.committed),
            number(row.applied),
            number(row.lag),
            row.pid.map_or_else(|| row.problem.clone().unwrap_or_default(), |pid| pid.to_string()),
        ]);
    }
    table.lines().iter().try_for_each(|line| output.line(line))?;
    print_links(status, output)
}

/// The ways between the replicas, if any of them was a matter of choice.
fn print_links(status: &ClusterStatus, output: &mut Output) -> Result<(), CliError> {
    let links = || {
        let of = |row: &ReplicaRow| row.details.get("links").and_then(Value::as_array).cloned().unwrap_or_default();
        status.replicas.iter().flat_map(move |row| of(row).into_iter().map(|link| (row.replica, link)))
    };
    if links().all(|(_, link)| link["fabric"] == "shm") {
        return Ok(());
    }
    output.line("")?;
    let mut table = Table::new(&["link", "fabric", "state", "round trip", "protected by", "why"]);
    for (replica, link) in links() {
        let text = |key: &str| link[key].as_str().unwrap_or("-").to_owned();
        let state = match link["up"].as_bool() {
            Some(true) => "up".to_owned(),
            Some(false) => format!("down: {}", text("problem")),
            None => "-".to_owned(),
        };
        let round_trip = link["round_trip_us"].as_u64().map_or_else(|| "-".into(), |us| nanos(us * 1000));
        let name = format!("{replica} -> {}", link["replica"]);
        table.row(vec![name, text("fabric"), state, round_trip, text("cipher"), text("reason")]);
    }
    table.lines().iter().try_for_each(|line| output.line(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon::serve::{MemberReport, ServeCounters};

    fn report(replica: u8, role: &str, round: u64, applied: u64) -> (ReplicaId, Result<StatusReport, String>) {
        let ballot = BallotReport { epoch: 1, round, proposer: replica };
        let members = vec![MemberReport { replica: 2, alive: false, applied: Some(3) }];
        let leader = (role == "leader").then_some(replica);
        let role = role.into();
        let report = StatusReport {
            replica,
            pid: 1,
            role,
            leader,
            ballot,
            committed: applied,
            applied,
            malformed: 0,
            members,
            timeline: vec![],
            clients: ServeCounters::default(),
            details: serde_json::Map::new(),
        };
        (ReplicaId(replica), Ok(report))
    }

    #[test]
    fn the_highest_ballot_leads_and_the_others_tell_of_the_dead() {
        let down = (ReplicaId(2), Err("not running".to_owned()));
        let status = summarise("x", &[report(0, "leader", 1, 5), report(1, "leader", 2, 9), down]);
        assert_eq!((status.leader, status.epoch, status.committed), (Some(1), Some(1), 9));
        let lags: Vec<_> = status.replicas.iter().map(|row| (row.alive, row.lag)).collect();
        assert_eq!(lags, [(true, Some(4)), (true, Some(0)), (false, Some(6))]);
    }

    #[test]
    fn without_a_leader_there_is_none() {
        assert_eq!(summarise("x", &[report(0, "follower", 1, 5)]).leader, None);
    }
}
