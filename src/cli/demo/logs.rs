//! HdrHistogram interval logs, one file a span, readable by every HdrHistogram tool.

use crate::cli::demo::spans::Spans;
use crate::cli::error::CliError;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Nanoseconds of the histograms are shown as microseconds in the readable column.
const MAX_VALUE_DIVISOR: f64 = 1_000.0;

/// What was recorded from one time to another, both since the start.
#[derive(Debug)]
pub struct Interval {
    pub from: Duration,
    pub to: Duration,
    pub spans: Spans,
}

/// Consecutive intervals.
#[derive(Debug)]
pub struct Intervals {
    pub started_at: SystemTime,
    pub list: Vec<Interval>,
}

/// Writes `<from>-<to>.hlog` for each span into the folder, which is made if need be.
pub fn write(folder: &Path, intervals: &Intervals) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::failed(format!("cannot write logs to {}", folder.display()), &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let names = intervals.list.first().into_iter().flat_map(|interval| interval.spans.iter().map(|(name, _)| name));
    for name in names {
        let path = folder.join(format!("{}.hlog", name.replace(" -> ", "-")));
        let file = File::create(path).map_err(failed)?;
        write_log(BufWriter::new(file), name, intervals).map_err(failed)?;
    }
    Ok(())
}

fn write_log(mut file: impl Write, name: &str, intervals: &Intervals) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("paxon demo, {name}, nanoseconds"))
        .with_start_time(intervals.started_at)
        .with_base_time(intervals.started_at)
        .with_max_value_divisor(MAX_VALUE_DIVISOR)
        .begin_log_with(&mut file, &mut serializer)?;
    for Interval { from, to, spans } in &intervals.list {
        let found: Option<&Histogram<u64>> = spans.iter().find(|(known, _)| *known == name).map(|(_, found)| found);
        let Some(histogram) = found else { continue };
        log.write_histogram(histogram, *from, to.saturating_sub(*from), None).map_err(|error| match error {
            IntervalLogWriterError::IoError(error) => error,
            IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
        })?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn a_log_can_be_read_back() {
        let mut histogram = Histogram::new(2).expect("two digits are allowed");
        histogram.record(7_000).expect("it grows");
        let mut spans = Spans::default();
        spans.push("a -> b", histogram.clone());
        let interval = |from, to| Interval {
            from: Duration::from_millis(from),
            to: Duration::from_millis(to),
            spans: spans.clone(),
        };
        let intervals = Intervals { started_at: SystemTime::now(), list: vec![interval(0, 500), interval(500, 750)] };
        let mut log = Vec::new();
        write_log(&mut log, "a -> b", &intervals).expect("a vector takes everything");
        let entries: Vec<_> = IntervalLogIterator::new(&log)
            .filter_map(|entry| match entry.expect("it can be parsed") {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        assert_eq!(entries.iter().map(|entry| entry.duration().as_millis()).collect::<Vec<_>>(), [500, 250]);
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, entries[1].encoded_histogram());
        let read: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.expect("base64").as_slice()).expect("a histogram");
        assert_eq!(read, histogram);
    }
}
