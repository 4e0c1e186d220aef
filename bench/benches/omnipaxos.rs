//! How long does an in-process OmniPaxos need from append to decided, and how many commands a second does it decide?
//!
//! `cargo bench -p paxon-bench --bench omnipaxos`; percentiles come from `paxon_bench::omnipaxos_loop::run`.

use criterion::{Criterion, Throughput};
use paxon_bench::omnipaxos_loop::{BATCHES, Cluster, Until, batched_loop, closed_loop};

/// One command after the other, all three nodes up to date before the next.
fn closed(criterion: &mut Criterion) {
    let mut cluster = Cluster::<64>::elect(1);
    let mut group = criterion.benchmark_group("omnipaxos");
    group.throughput(Throughput::Elements(1));
    group.bench_function("closed_loop_64B", |bencher| {
        bencher.iter_custom(|n| closed_loop(&mut cluster, n, Until::AllDecided).busy());
    });
    group.finish();
}

/// Time per command when many are appended before the messages are handed over.
fn batched(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("omnipaxos_batched_64B");
    group.throughput(Throughput::Elements(1));
    for batch in BATCHES {
        let mut cluster = Cluster::<64>::elect(batch);
        group.bench_function(format!("{batch}"), |bencher| {
            bencher.iter_custom(|n| batched_loop(&mut cluster, n, batch).busy());
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    closed(&mut criterion);
    batched(&mut criterion);
    criterion.final_summary();
}
