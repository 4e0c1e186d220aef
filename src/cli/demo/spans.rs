//! Latencies from stage to stage, gathered from the replicas.

use crate::cli::error::CliError;
use crate::cli::hdr;
use crate::cli::remote::Remote;
use hdrhistogram::Histogram;
use paxon::ReplicaId;

/// Histograms of nanoseconds by name, in the order of the stages.
#[derive(Clone, Debug, Default)]
pub struct Spans(Vec<(String, Histogram<u64>)>);

impl Spans {
    /// What the replicas have recorded as leaders, added up.
    pub fn gather(remote: &Remote, replicas: impl IntoIterator<Item = ReplicaId>) -> Result<Self, CliError> {
        let mut sum = Self::default();
        for replica in replicas {
            sum = sum.merged_with(&Self::of(remote, replica)?)?;
        }
        Ok(sum)
    }

    fn of(remote: &Remote, replica: ReplicaId) -> Result<Self, CliError> {
        let spans = remote.stages(replica)?.spans;
        let named =
            spans.iter().map(|span| Ok((format!("{} -> {}", span.from, span.to), hdr::decode(&span.histogram)?)));
        Ok(Self(named.collect::<Result<_, CliError>>()?))
    }

    /// Adds a histogram at the end.
    pub fn push(&mut self, name: &str, histogram: Histogram<u64>) {
        self.0.push((name.to_owned(), histogram));
    }

    /// Both, added up by name.
    pub fn merged_with(&self, other: &Self) -> Result<Self, CliError> {
        let mut merged = self.clone();
        for (name, histogram) in &other.0 {
            match merged.0.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => sum
                    .add(histogram)
                    .map_err(|error| CliError::failed("the histograms of the replicas differ in range", &error))?,
                None => merged.0.push((name.clone(), histogram.clone())),
            }
        }
        Ok(merged)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Histogram<u64>)> {
        self.0.iter().map(|(name, histogram)| (name.as_str(), histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_the_same_name_are_added_up() {
        let of = |name: &str, value: u64| {
            let mut spans = Spans::default();
            let mut histogram = Histogram::new(2).expect("two digits are allowed");
            histogram.record(value).expect("it grows");
            spans.push(name, histogram);
            spans
        };
        let merged = of("a", 1).merged_with(&of("a", 2)).and_then(|spans| spans.merged_with(&of("b", 3)));
        let found: Vec<_> = merged.expect("they fit").iter().map(|(name, sum)| (name.to_owned(), sum.len())).collect();
        assert_eq!(found, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }
}
