//! Latencies from the time stamp counter into a histogram.
//!
//! A reading costs a few nanoseconds, which [`Report::clock_ns`] states and nothing subtracts. Readings are kept raw while a
//! run is hot and turned into nanoseconds by [`Stopwatch::settle`] outside of what is being timed.

use hdrhistogram::Histogram;
use quanta::Clock;
use serde::Serialize;
use std::time::Duration;

/// Highest latency that is recorded as itself; a longer one counts as this.
const LATENCY_NS_MAX: u64 = 10_000_000_000;
/// Three significant digits: a value in the report is within 0.1 % of the measured one.
const SIGNIFICANT_DIGITS: u8 = 3;
/// Empty measurements that the cost of the clock is the median of.
const CLOCK_PROBES: usize = 10_001;

/// What one run measured: latency per operation, and how many operations a second the whole loop made.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// Median latency in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile in nanoseconds.
    pub p99_ns: u64,
    /// 99.9th percentile in nanoseconds.
    pub p999_ns: u64,
    /// Longest latency in nanoseconds.
    pub max_ns: u64,
    /// Number of latencies measured.
    pub samples: u64,
    /// Operations per second of the whole loop, the work after the measured interval included.
    pub ops_per_s: f64,
    /// Cost of the measurement itself in nanoseconds, contained in every latency above.
    pub clock_ns: u64,
}

/// Measures intervals and keeps their distribution.
pub struct Stopwatch {
    clock: Clock,
    histogram: Histogram<u64>,
    /// Raw intervals that [`Stopwatch::settle`] has not seen yet; its capacity bounds a hot stretch.
    pending: Vec<u64>,
    busy_ns: u64,
    operations: u64,
}

impl Stopwatch {
    /// A stopwatch that holds up to `pending_max` intervals between two calls of [`Stopwatch::settle`] without allocating.
    pub fn new(pending_max: usize) -> Self {
        let histogram = Histogram::new_with_max(LATENCY_NS_MAX, SIGNIFICANT_DIGITS).expect("the bounds are constants");
        let pending = Vec::with_capacity(pending_max);
        Self { clock: Clock::new(), histogram, pending, busy_ns: 0, operations: 0 }
    }

    /// The counter now, in ticks of its own.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.raw()
    }

    /// Keeps the latency of one operation, measured from `start` to `end` of [`Stopwatch::now`].
    #[inline]
    pub fn record(&mut self, start: u64, end: u64) {
        self.pending.push(end.saturating_sub(start));
    }

    /// Adds a stretch that completed `operations`, measured from `start` to `end`, to the rate.
    pub fn add_busy(&mut self, start: u64, end: u64, operations: u64) {
        self.busy_ns += self.clock.delta_as_nanos(start, end);
        self.operations += operations;
    }

    /// Moves the kept latencies into the histogram; call it between hot stretches.
    pub fn settle(&mut self) {
        for ticks in self.pending.drain(..) {
            let nanos = self.clock.delta_as_nanos(0, ticks);
            self.histogram.saturating_record(nanos);
        }
    }

    /// Time spent in the stretches so far.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns)
    }

    /// Operations per second over the stretches so far, 0 if there were none.
    pub fn ops_per_s(&self) -> f64 {
        if self.busy_ns == 0 { 0.0 } else { self.operations as f64 * 1e9 / self.busy_ns as f64 }
    }

    /// The distribution and the rate so far.
    pub fn report(&mut self) -> Report {
        self.settle();
        Report {
            p50_ns: self.histogram.value_at_quantile(0.5),
            p99_ns: self.histogram.value_at_quantile(0.99),
            p999_ns: self.histogram.value_at_quantile(0.999),
            max_ns: self.histogram.max(),
            samples: self.histogram.len(),
            ops_per_s: self.ops_per_s(),
            clock_ns: self.clock_ns(),
        }
    }

    fn clock_ns(&self) -> u64 {
        let mut probes: Vec<u64> = (0..CLOCK_PROBES).map(|_| self.probe()).collect();
        probes.sort_unstable();
        self.clock.delta_as_nanos(0, probes[CLOCK_PROBES / 2])
    }

    fn probe(&self) -> u64 {
        let start = self.now();
        self.now().saturating_sub(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_recorded_intervals() {
        let mut stopwatch = Stopwatch::new(1_000);
        let per_tick = stopwatch.clock.delta_as_nanos(0, 1_000_000) as f64 / 1e6;
        for nanos in 1..=1_000 {
            stopwatch.record(0, (f64::from(nanos) / per_tick) as u64);
        }
        let report = stopwatch.report();
        assert_eq!(report.samples, 1_000);
        assert!((490..=510).contains(&report.p50_ns), "{report:?}");
        assert!((980..=1_000).contains(&report.p99_ns), "{report:?}");
    }

    #[test]
    fn a_backward_step_of_the_counter_counts_as_zero() {
        let mut stopwatch = Stopwatch::new(1);
        stopwatch.record(10, 5);
        assert_eq!(stopwatch.report().max_ns, 0);
    }

    #[test]
    fn the_rate_is_operations_over_busy_time() {
        let mut stopwatch = Stopwatch::new(0);
        assert_eq!(stopwatch.ops_per_s(), 0.0);
        stopwatch.add_busy(0, 1_000_000, 500);
        let expected = 500.0 / stopwatch.busy().as_secs_f64();
        assert!((stopwatch.ops_per_s() - expected).abs() < 1.0);
    }
}
