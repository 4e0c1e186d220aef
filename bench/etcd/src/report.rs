//! What a run found, as one JSON object and as a table.

use crate::cluster::MEMBERS;
use crate::comparison::{Block, Plan, Row};
use crate::contender::{OUTSTANDING, PAYLOAD_BYTES};
use crate::etcd::{ClientSetting, Trial};
use crate::machine::Machine;
use serde::Serialize;
use std::fmt;

/// How many times lower Paxon's median latency is to be.
pub const P50_RATIO_AIM: f64 = 10.0;
/// How many times higher its throughput is to be.
pub const THROUGHPUT_RATIO_AIM: f64 = 3.0;

/// Which programs were measured.
#[derive(Clone, Debug, Serialize)]
pub struct Versions {
    /// Of etcd.
    pub etcd: String,
    /// Of `paxon`.
    pub paxon: String,
}

/// The client that etcd was measured with.
#[derive(Clone, Debug, Serialize)]
pub struct EtcdClientChoice {
    /// In blocks of one at a time.
    pub latency: ClientSetting,
    /// In blocks with many outstanding.
    pub throughput: ClientSetting,
    /// All that were tried, before the first block.
    pub trials: Vec<Trial>,
}

/// A contender beside etcd.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The contender.
    pub name: String,
    /// etcd's median latency over the contender's.
    pub p50: f64,
    /// The same of the two neighbouring blocks for which it is lowest.
    pub p50_worst_block: f64,
    /// The contender's throughput over etcd's.
    pub throughput: f64,
    /// The same of the two neighbouring blocks for which it is lowest.
    pub throughput_worst_block: f64,
    /// Whether both ratios reach [`P50_RATIO_AIM`] and [`THROUGHPUT_RATIO_AIM`].
    pub reached: bool,
}

impl Ratio {
    fn new(etcd: &Row, row: &Row) -> Self {
        let blocks = || etcd.blocks.iter().zip(&row.blocks);
        let p50 = quotient(etcd.latencies.p50_ns as f64, row.latencies.p50_ns as f64);
        let throughput = quotient(row.ops_per_s, etcd.ops_per_s);
        let p50_of = |(a, b): (&Block, &Block)| quotient(a.latencies.p50_ns as f64, b.latencies.p50_ns as f64);
        Self {
            name: row.name.clone(),
            p50,
            p50_worst_block: blocks().map(p50_of).fold(f64::INFINITY, f64::min),
            throughput,
            throughput_worst_block: blocks()
                .map(|(a, b)| quotient(b.ops_per_s, a.ops_per_s))
                .fold(f64::INFINITY, f64::min),
            reached: p50 >= P50_RATIO_AIM && throughput >= THROUGHPUT_RATIO_AIM,
        }
    }
}

fn quotient(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// The facts of a run that its caveats depend on.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// As `paxon bench latency --fabric` takes it.
    pub fabric: String,
    /// What was passed on to it beside that.
    pub paxon_options: Vec<String>,
    /// Whether etcd's data lay on a tmpfs.
    pub tmpfs: bool,
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bytes of each value or command.
    pub payload: usize,
    /// Replicas or members, a process each.
    pub replicas: usize,
    /// Operations on their way at a time where throughput is measured.
    pub outstanding: usize,
    /// How much was measured.
    #[serde(flatten)]
    pub plan: Plan,
    /// Where.
    pub machine: Machine,
    /// Of what.
    pub versions: Versions,
    /// With which client of etcd.
    pub etcd_client: EtcdClientChoice,
    /// etcd first.
    pub rows: Vec<Row>,
    /// Every other row beside etcd.
    pub ratios: Vec<Ratio>,
    /// What to know before quoting a number.
    pub caveats: Vec<String>,
}

/// What a run was made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How much was measured.
    pub plan: Plan,
    /// Of what.
    pub versions: Versions,
    /// With which client of etcd.
    pub etcd_client: EtcdClientChoice,
    /// What the caveats depend on.
    pub circumstances: Circumstances,
}

impl Report {
    /// The report of rows of which the first is etcd's.
    pub fn new(setup: Setup, rows: Vec<Row>) -> Self {
        let ratios =
            rows.split_first().map_or(vec![], |(etcd, rest)| rest.iter().map(|row| Ratio::new(etcd, row)).collect());
        let machine = Machine::here();
        let caveats = caveats(&setup.circumstances, &machine);
        Self {
            payload: PAYLOAD_BYTES,
            replicas: MEMBERS,
            outstanding: OUTSTANDING,
            plan: setup.plan,
            machine,
            versions: setup.versions,
            etcd_client: setup.etcd_client,
            rows,
            ratios,
            caveats,
        }
    }
}

/// Always true of this comparison.
const CAVEATS: [&str; 5] = [
    "etcd does more for a put: a log with fsync (on tmpfs: without a disk), an index of revisions, a database; Paxon keeps its \
     state in memory that survives the death of a process, not of the machine",
    "etcd is asked by a client over gRPC, which encodes, frames and crosses loopback once more; the row \"at the leader\" has \
     no client: its command starts and ends in the leader's process",
    "throughput at the leader is of groups of 64 commands that are proposed together, each a record of its own, behind one \
     check; etcd's is of 64 requests that each follow the answer to their predecessor",
    "etcd's members stay up in Paxon's blocks, with heartbeats that take a few per cent of a core; no process of Paxon \
     runs in etcd's blocks",
    "everything is on one host over loopback: no network card, no wire, no loss",
];

fn caveats(circumstances: &Circumstances, machine: &Machine) -> Vec<String> {
    let Circumstances { fabric, paxon_options, tmpfs } = circumstances;
    let mut caveats: Vec<String> = CAVEATS.map(str::to_owned).to_vec();
    let mut add_if = |is: bool, text: String| caveats.extend(is.then_some(text));
    add_if(
        fabric != "tcp",
        format!("Paxon ran over {fabric}, not over TCP: its latency is not comparable with etcd's"),
    );
    let options = paxon_options.join(" ");
    add_if(!options.is_empty(), format!("Paxon ran with {options}; etcd without TLS and authentication"));
    add_if(options.is_empty(), "etcd ran without TLS and authentication; Paxon with its defaults".to_owned());
    add_if(!tmpfs, "etcd's data did not lie on a tmpfs: its latency has the disk in it".to_owned());
    let cores = machine.cores;
    add_if(cores < 4, format!("three replicas and a client share {cores} cores; nobody is pinned"));
    caveats
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payload, replicas, outstanding, machine, versions, etcd_client, .. } = self;
        let Machine { cpu, cores, kernel } = machine;
        writeln!(f, "{replicas} processes, {payload} bytes; {cpu}, {cores} cores, {kernel}")?;
        writeln!(f, "etcd {}, paxon {}", versions.etcd, versions.paxon)?;
        let EtcdClientChoice { latency, throughput, trials } = etcd_client;
        writeln!(f, "client of etcd, the best of {} tried: {latency}; for throughput {throughput}\n", trials.len())?;
        let rate = format!("ops/s at {outstanding}");
        let names = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        let line = |name: &str, cells: [&str; 6]| {
            let cells: String = cells.iter().map(|cell| format!("  {cell:>11}")).collect();
            format!("{name:names$}{cells}")
        };
        writeln!(f, "{}", line("", ["p50", "p99", "p99.9", "max", "samples", &rate]))?;
        for row in &self.rows {
            let l = row.latencies;
            let [p50, p99, p999, max] = [l.p50_ns, l.p99_ns, l.p999_ns, l.max_ns].map(time);
            let cells = [&p50, &p99, &p999, &max, &l.samples.to_string(), &format!("{:.0}", row.ops_per_s)];
            writeln!(f, "{}", line(&row.name, cells.map(String::as_str)))?;
        }
        self.ratios.iter().try_for_each(|ratio| write_ratio(f, ratio))?;
        self.caveats.iter().try_for_each(|caveat| write!(f, "\n- {caveat}"))
    }
}

fn write_ratio(f: &mut fmt::Formatter<'_>, ratio: &Ratio) -> fmt::Result {
    let Ratio { name, p50, p50_worst_block, throughput, throughput_worst_block, reached } = ratio;
    let verdict = if *reached { "reached" } else { "missed" };
    writeln!(f, "\n{name}: p50 {p50:.1} times lower than etcd's (worst block {p50_worst_block:.1}),")?;
    writeln!(f, "throughput {throughput:.1} times higher (worst block {throughput_worst_block:.1});")?;
    writeln!(f, "the aim, {P50_RATIO_AIM} and {THROUGHPUT_RATIO_AIM} times, is {verdict}")
}

/// Three digits or so with a unit.
fn time(nanos: u64) -> String {
    let scaled = |unit: f64, name: &str| {
        let value = nanos as f64 / unit;
        if value < 100.0 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
    };
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => scaled(1e3, "µs"),
        1_000_000..1_000_000_000 => scaled(1e6, "ms"),
        _ => scaled(1e9, "s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Latencies;

    fn row(name: &str, blocks: &[(u64, f64)]) -> Row {
        let of =
            |p50_ns| Latencies { p50_ns, p99_ns: 2 * p50_ns, p999_ns: 3 * p50_ns, max_ns: 4 * p50_ns, samples: 10 };
        let blocks: Vec<_> =
            blocks.iter().map(|(p50_ns, ops_per_s)| Block { latencies: of(*p50_ns), ops_per_s: *ops_per_s }).collect();
        Row { name: name.to_owned(), latencies: blocks[0].latencies, ops_per_s: blocks[0].ops_per_s, blocks }
    }

    fn report(circumstances: Circumstances, rows: Vec<Row>) -> Report {
        let client = ClientSetting { threads: 1, connections: 4 };
        let setup = Setup {
            plan: Plan { samples: 20, operations: 40, blocks: 2 },
            versions: Versions { etcd: "3.4".to_owned(), paxon: "0.1".to_owned() },
            etcd_client: EtcdClientChoice { latency: client, throughput: client, trials: vec![] },
            circumstances,
        };
        Report::new(setup, rows)
    }

    fn circumstances(fabric: &str, options: &[&str], tmpfs: bool) -> Circumstances {
        let paxon_options = options.iter().map(|option| (*option).to_owned()).collect();
        Circumstances { fabric: fabric.to_owned(), paxon_options, tmpfs }
    }

    #[test]
    fn ratios_are_of_the_rows_and_of_the_worst_pair_of_blocks() {
        let etcd = row("etcd", &[(300_000, 10_000.0), (200_000, 20_000.0)]);
        let paxon = row("Paxon", &[(20_000, 40_000.0), (25_000, 50_000.0)]);
        let ratio = Ratio::new(&etcd, &paxon);
        assert_eq!((ratio.p50, ratio.p50_worst_block), (15.0, 8.0));
        assert_eq!((ratio.throughput, ratio.throughput_worst_block, ratio.reached), (4.0, 2.5, true));
        let slow = row("slow", &[(30_001, 40_000.0)]);
        let narrow = row("narrow", &[(20_000, 29_999.0)]);
        assert!(!Ratio::new(&etcd, &slow).reached && !Ratio::new(&etcd, &narrow).reached);
    }

    #[test]
    fn what_is_unfair_is_said() {
        let said = |circumstances| report(circumstances, vec![]).caveats.join("\n");
        let usual = said(circumstances("tcp", &[], true));
        assert!(!usual.contains("not over TCP") && !usual.contains("did not lie on a tmpfs"), "{usual}");
        let odd = said(circumstances("shm", &["--plaintext"], false));
        for words in ["over shm, not over TCP", "Paxon ran with --plaintext", "did not lie on a tmpfs"] {
            assert!(odd.contains(words), "{words:?} is not in {odd}");
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_row_with_its_columns_one_below_the_other() {
        let rows = vec![row("etcd", &[(480_000, 9_000.4)]), row("Paxon (tcp), a client", &[(20_500, 99_000.0)])];
        let text = report(circumstances("tcp", &[], true), rows).to_string();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("µs") || line.contains("p99.9")).collect();
        let ends: Vec<_> = lines.iter().map(|line| line.chars().count()).collect();
        assert_eq!((lines.len(), ends[0] == ends[1] && ends[1] == ends[2]), (3, true), "{text}");
        assert!(lines[1].contains("480 µs") && lines[1].ends_with(" 9000") && lines[2].contains("20.5 µs"), "{text}");
        assert!(text.contains("p50 23.4 times lower") && text.contains("throughput 11.0 times higher"), "{text}");
    }

    #[test]
    fn a_time_has_the_unit_that_suits_it() {
        let times = [999, 1_000, 99_900, 480_000, 1_500_000, 30_000_000_000].map(time);
        assert_eq!(times, ["999 ns", "1.0 µs", "99.9 µs", "480 µs", "1.5 ms", "30.0 s"]);
    }
}
