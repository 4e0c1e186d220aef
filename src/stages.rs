//! How long commands take from stage to stage.

use hdrhistogram::Histogram;
use paxon_fastpath::{Nanos, Stage};

/// The stages that a replica can see from outside the engine; a latency runs from one to the next.
const MEASURED: [Stage; 5] = [Stage::Received, Stage::Written, Stage::Quorum, Stage::Applied, Stage::Replied];
/// Longer latencies are recorded as this: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Two significant digits: a histogram of some tens of kilobytes with an error below one percent.
const SIGNIFICANT_DIGITS: u8 = 2;

/// When a command passed the measured stages, indexed like [`MEASURED`].
pub(crate) type Stamps = [Nanos; MEASURED.len()];

/// Latencies of the commands that a leader has answered, in nanoseconds.
///
/// The engine does both in one turn, so sending the record and gathering the votes is one span: written to quorum.
#[derive(Clone, Debug)]
pub struct StageLatencies {
    /// `spans[i]` runs from `MEASURED[i]` to `MEASURED[i + 1]`.
    spans: [Histogram<u64>; MEASURED.len() - 1],
    whole: Histogram<u64>,
}

impl StageLatencies {
    /// Histograms of nothing, allocated in full.
    pub(crate) fn new() -> Self {
        let empty = || {
            Histogram::new_with_bounds(1, LATENCY_MAX_NS, SIGNIFICANT_DIGITS).expect("constant bounds that make sense")
        };
        Self { spans: std::array::from_fn(|_| empty()), whole: empty() }
    }

    pub(crate) fn record(&mut self, stamps: &Stamps) {
        for (span, ends) in self.spans.iter_mut().zip(stamps.windows(2)) {
            span.saturating_record(ends[1].since(ends[0]).0.max(1));
        }
        self.whole.saturating_record(stamps[MEASURED.len() - 1].since(stamps[0]).0.max(1));
    }

    /// Each measured span: the stage that begins it, the stage that ends it, the latencies between.
    pub fn spans(&self) -> impl Iterator<Item = (Stage, Stage, &Histogram<u64>)> {
        MEASURED.windows(2).zip(&self.spans).map(|(ends, histogram)| (ends[0], ends[1], histogram))
    }

    /// From received to replied.
    pub const fn whole(&self) -> &Histogram<u64> {
        &self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_gets_the_time_between_its_ends() {
        let mut latencies = StageLatencies::new();
        latencies.record(&[Nanos(100), Nanos(110), Nanos(130), Nanos(170), Nanos(250)]);
        let maxima: Vec<_> = latencies.spans().map(|(_, to, span)| (to, span.max())).collect();
        assert_eq!(maxima, [(Stage::Written, 10), (Stage::Quorum, 20), (Stage::Applied, 40), (Stage::Replied, 80)]);
        assert_eq!(latencies.whole().max(), 150);
    }
}
