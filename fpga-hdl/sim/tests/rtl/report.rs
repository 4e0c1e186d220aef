//! What the simulated devices take, as the README has it between its markers.
//!
//! With PAXON_FPGA_REPORT set to a path the table is written there; without it the README has to agree. `report` beside the README does
//! the rest.

use crate::cases;
use crate::host::{Host, Request};
use crate::hot_keys::register;
use crate::signature::Signed;
use paxon_fpga_sim::registers;
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// A row of the table: what is measured, and the figure of each configuration.
struct Row {
    what: &'static str,
    figures: Vec<Option<f64>>,
}

/// A configuration and how its measurement is sized.
struct Configuration {
    name: &'static str,
    engines: u64,
    /// Cycles between the products of a busy multiplier.
    interval: u64,
    hot: bool,
    /// Signatures of a run.
    cold: usize,
}

const CONFIGURATIONS: [Configuration; 3] = [
    Configuration { name: "compact", engines: 1, interval: 11, hot: false, cold: 24 },
    Configuration { name: "zynq7020", engines: 1, interval: 1, hot: true, cold: 160 },
    Configuration { name: "pair", engines: 2, interval: 1, hot: true, cold: 320 },
];

/// The part of the measurement that may differ: signatures have more or fewer digits, and hosts poll.
const TOLERANCE: f64 = 0.02;

/// What a run of some verifications took.
struct Run {
    cycles: u64,
    /// Of engine 0.
    products: u64,
    /// From the doorbell to the completion, in the middle of the run, sorted.
    waited: Vec<u64>,
}

fn run(host: &mut Host, cases: &[Signed]) -> Run {
    let requests: Vec<_> = cases.iter().map(|signed| Request::verify(0, signed.clone())).collect();
    let counters = |host: &mut Host| {
        host.device.write(registers::SNAPSHOT, 1);
        (host.device.read(registers::COUNT_CYCLES), host.device.read(registers::COUNT_PRODUCTS))
    };
    let before = counters(host);
    let completions = host.run(&requests);
    assert!(completions.iter().all(|completion| u32::from(completion.verdict) == registers::VERDICT_VALID));
    let after = counters(host);
    // At the start engines have room, so that nothing waits.
    let mut waited: Vec<_> = completions[completions.len() / 2..].iter().map(|completion| completion.waited).collect();
    waited.sort_unstable();
    Run { cycles: after.0.wrapping_sub(before.0).into(), products: after.1.wrapping_sub(before.1).into(), waited }
}

/// What an engine takes when it is never without work.
struct Sustained {
    cycles: f64,
    busy_percent: f64,
    waited_median: f64,
}

/// The difference of a long and a short run, which leaves out start and end.
fn sustained(host: &mut Host, configuration: &Configuration, cases: &[Signed]) -> Sustained {
    let third = cases.len() / 3;
    let (short, long) = (run(host, &cases[..third]), run(host, &cases[third..]));
    let (cycles, products) = ((long.cycles - short.cycles) as f64, (long.products - short.products) as f64);
    Sustained {
        cycles: cycles * configuration.engines as f64 / (cases.len() - 2 * third) as f64,
        busy_percent: 100.0 * products * configuration.interval as f64 / cycles,
        waited_median: long.waited[long.waited.len() / 2] as f64,
    }
}

/// Cycles from the doorbell to the completion of one request alone.
fn idle(host: &mut Host, signed: &Signed) -> f64 {
    let done = host.completed();
    assert!(host.submit(&Request::verify(0, signed.clone())));
    let start = host.device.cycles();
    while host.completed() == done {
        host.device.clock(50);
        host.poll();
        assert!(host.device.cycles() - start < 1_000_000, "the request is lost");
    }
    (host.device.cycles() - start) as f64
}

/// Figures of a configuration, in the order of the rows.
fn measure(configuration: &Configuration) -> Vec<Option<f64>> {
    let mut rng = SmallRng::seed_from_u64(90);
    let mut host = Host::new(configuration.name);
    host.enable();
    let alone = cases::valid(&mut rng, 32);
    let idle_cold = idle(&mut host, &alone);
    let cases: Vec<_> = (0..3 * configuration.cold).map(|_| cases::valid(&mut rng, 32)).collect();
    let cold = sustained(&mut host, configuration, &cases);
    let mut figures = vec![
        Some(cold.cycles),
        None,
        Some(cold.busy_percent),
        None,
        Some(idle_cold),
        None,
        Some(cold.waited_median),
        None,
    ];
    if configuration.hot {
        let keys = cases::valid_of_keys(&mut rng, 4, 6 * configuration.cold);
        for entry in 0..4 {
            register(&mut host, entry, &keys[entry as usize].key);
        }
        let idle_hot = idle(&mut host, &keys[0]);
        let hot = sustained(&mut host, configuration, &keys);
        (figures[1], figures[3]) = (Some(hot.cycles), Some(hot.busy_percent));
        (figures[5], figures[7]) = (Some(idle_hot), Some(hot.waited_median));
    }
    figures
}

fn rows() -> Vec<Row> {
    let measured: Vec<_> = CONFIGURATIONS.iter().map(measure).collect();
    let names = [
        "cycles a verification and engine, cold key",
        "cycles a verification and engine, hot key",
        "multiplier of engine 0 busy, cold, %",
        "multiplier of engine 0 busy, hot, %",
        "cycles from doorbell to verdict, idle, cold",
        "cycles from doorbell to verdict, idle, hot",
        "cycles from doorbell to verdict, queue kept full, cold, median",
        "cycles from doorbell to verdict, queue kept full, hot, median",
    ];
    let row = |(at, what)| Row { what, figures: measured.iter().map(|figures| figures[at]).collect() };
    names.into_iter().enumerate().map(row).collect()
}

/// 12345.6 as 12,346.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|part| String::from_utf8_lossy(part)).collect();
    parts.join(",")
}

fn table(rows: &[Row]) -> String {
    let names: Vec<_> = CONFIGURATIONS.iter().map(|configuration| format!("`{}`", configuration.name)).collect();
    let mut text = format!("| | {} |\n| --- | --- | --- | --- |\n", names.join(" | "));
    for row in rows {
        let cell = |figure: &Option<f64>| match figure {
            None => "-".to_owned(),
            Some(figure) if row.what.ends_with('%') => format!("{figure:.1}"),
            Some(figure) => grouped(*figure),
        };
        let cells: Vec<_> = row.figures.iter().map(cell).collect();
        text.push_str(&format!("| {} | {} |\n", row.what, cells.join(" | ")));
    }
    text
}

fn claimed(readme: &str, row: &Row) -> Vec<Option<f64>> {
    let start = format!("| {} |", row.what);
    let line = readme.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start} is missing"));
    let cells = line[start.len()..].trim_end_matches('|').split('|');
    cells.map(|cell| cell.trim().replace(',', "").parse().ok()).collect()
}

#[test]
fn the_readme_says_what_the_simulated_devices_take() {
    let rows = rows();
    if let Some(path) = std::env::var_os("PAXON_FPGA_REPORT") {
        std::fs::write(path, table(&rows)).expect("the report can be written");
        return;
    }
    let readme = include_str!("../../../README.md");
    for row in &rows {
        let claimed = claimed(readme, row);
        assert_eq!(claimed.len(), row.figures.len(), "{}", row.what);
        for (claimed, figure) in claimed.iter().zip(&row.figures) {
            let agree = match (claimed, figure) {
                (Some(claimed), Some(figure)) => (figure / claimed - 1.0).abs() < TOLERANCE,
                (claimed, figure) => claimed.is_none() && figure.is_none(),
            };
            assert!(agree, "{}: the README says {claimed:?}, measured {figure:?}; run `just fpga-report`", row.what);
        }
    }
    let limits = [("cold", 0, 3_000.0), ("hot", 1, 800.0)];
    for (what, row, limit) in limits {
        let eleven_rows = &rows[row].figures[1..];
        assert!(eleven_rows.iter().flatten().all(|cycles| *cycles <= limit), "{what}: over {limit} cycles");
    }
}
