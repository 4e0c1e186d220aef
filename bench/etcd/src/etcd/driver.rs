//! The loops that measure: closed ones, the next put after the answer to the last.

use super::ClientSetting;
use crate::client::{CallError, EtcdClient};
use crate::contender::{Latencies, PAYLOAD_BYTES};
use crate::messages::ResponseHeader;
use hdrhistogram::Histogram;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Longest that a block may take; a cluster that is stuck ends the run with an error.
const BLOCK_LIMIT: Duration = Duration::from_secs(1200);
/// Keys that the puts go round: few, so that the store stays as quick as it is when new.
const KEYS: u64 = 1024;

/// A client and the threads that it runs on.
#[derive(Debug)]
pub(super) struct Driver {
    runtime: Runtime,
    /// At least one.
    clients: Vec<EtcdClient>,
}

impl Driver {
    pub(super) fn connect(setting: ClientSetting, port: u16) -> Result<Self, CallError> {
        let runtime = match setting.threads {
            1 => Builder::new_current_thread().enable_all().build(),
            threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
        };
        let runtime = runtime.map_err(CallError::Runtime)?;
        let mut clients = Vec::new();
        for _ in 0..setting.connections.max(1) {
            clients.push(runtime.block_on(EtcdClient::connect(port))?);
        }
        Ok(Self { runtime, clients })
    }

    /// What the member answers with now.
    pub(super) fn header(&self) -> Result<ResponseHeader, CallError> {
        let mut client = self.clients[0].clone();
        self.run(async move { client.status().await?.header.ok_or(CallError::Unreadable("it has no header")) })
    }

    /// Puts number `first` and those after it, one at a time; the latency of each.
    pub(super) fn one_at_a_time(&self, first: u64, puts: u64) -> Result<Histogram<u64>, CallError> {
        let mut client = self.clients[0].clone();
        self.run(async move {
            let mut histogram = Latencies::histogram();
            for number in first..first + puts {
                let (key, value) = (key(number), value(number));
                let began = Instant::now();
                client.put(key, value).await?;
                histogram.saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            Ok(histogram)
        })
    }

    /// Puts number `first` and those after it, `width` on their way until none is left to send; how long all took.
    pub(super) fn outstanding(&self, first: u64, puts: u64, width: usize) -> Result<Duration, CallError> {
        let clients = self.clients.clone();
        self.run(async move {
            let next = Arc::new(AtomicU64::new(first));
            let mut lanes = JoinSet::new();
            let began = Instant::now();
            for client in clients.into_iter().cycle().take(width) {
                lanes.spawn(lane(client, Arc::clone(&next), first + puts));
            }
            while let Some(ended) = lanes.join_next().await {
                ended.expect("a lane neither panics nor is cancelled")?;
            }
            Ok(began.elapsed())
        })
    }

    /// Runs on the driver's threads, bounded in time.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.runtime.block_on(async {
            let task = self.runtime.spawn(tokio::time::timeout(BLOCK_LIMIT, work));
            task.await
                .expect("the work neither panics nor is cancelled")
                .map_err(|_| CallError::TimedOut(BLOCK_LIMIT))?
        })
    }
}

/// Sends the next number that nobody has taken until `end`, one at a time.
async fn lane(mut client: EtcdClient, next: Arc<AtomicU64>, end: u64) -> Result<(), CallError> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok(());
        }
        client.put(key(number), value(number)).await?;
    }
}

fn key(number: u64) -> Vec<u8> {
    format!("{:08}", number % KEYS).into_bytes()
}

/// No two are the same, so that nothing can be answered from what is there already.
fn value(number: u64) -> Vec<u8> {
    let mut bytes = vec![b'x'; PAYLOAD_BYTES];
    bytes[..size_of::<u64>()].copy_from_slice(&number.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_payload_and_differ_while_keys_go_round() {
        assert_eq!((value(1).len(), key(1).len()), (PAYLOAD_BYTES, 8));
        assert_ne!(value(1), value(1 + KEYS));
        assert_eq!(key(1), key(1 + KEYS));
        assert_ne!(key(1), key(2));
    }
}
