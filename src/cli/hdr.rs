//! Histograms as bytes, logs and rows of a table.

use crate::cli::error::CliError;
use crate::cli::table::{Table, count, nanos};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use paxon::serve::Bytes;
use serde::Serialize;

/// Percentiles that every table of latencies shows, with their headings.
const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// Reads a histogram in HdrHistogram's V2 format.
pub fn decode(bytes: &Bytes) -> Result<Histogram<u64>, CliError> {
    Deserializer::new()
        .deserialize(&mut bytes.0.as_slice())
        .map_err(|error| CliError::failed("a replica sent a histogram that cannot be read", &error))
}

/// A histogram in numbers, nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub name: String,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    pub samples: u64,
}

impl Summary {
    pub fn of(name: &str, histogram: &Histogram<u64>) -> Self {
        let [p50_ns, p90_ns, p99_ns, p999_ns] = QUANTILES.map(|(quantile, _)| histogram.value_at_quantile(quantile));
        Self { name: name.into(), p50_ns, p90_ns, p99_ns, p999_ns, max_ns: histogram.max(), samples: histogram.len() }
    }
}

/// The summaries as a table.
pub fn table(heading: &str, summaries: &[Summary]) -> Vec<String> {
    let [p50, p90, p99, p999] = QUANTILES.map(|(_, name)| name);
    let mut table = Table::new(&[heading, p50, p90, p99, p999, "max", "samples"]);
    for row in summaries {
        let times = [row.p50_ns, row.p90_ns, row.p99_ns, row.p999_ns, row.max_ns].map(nanos);
        table.row([vec![row.name.clone()], times.to_vec(), vec![count(row.samples)]].concat());
    }
    table.lines()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2Serializer};

    #[test]
    fn a_histogram_survives_its_bytes_and_damaged_bytes_are_an_error() {
        let mut histogram = Histogram::<u64>::new_with_max(1_000, 2).expect("two digits are allowed");
        (1..=1000).for_each(|value| histogram.saturating_record(value));
        let mut bytes = Bytes::default();
        V2Serializer::new().serialize(&histogram, &mut bytes.0).expect("it can be encoded");
        assert_eq!(decode(&bytes).expect("it can be read"), histogram);
        assert!(decode(&Bytes(bytes.0[..bytes.0.len() / 2].to_vec())).is_err());
        let summary = Summary::of("x", &histogram);
        assert_eq!((summary.samples, summary.max_ns >= 1000, summary.p50_ns / 10), (1000, true, 50));
    }
}
