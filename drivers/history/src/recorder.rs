//! Writes a history while it happens.

use crate::operation::{Kind, Operation, Outcome};
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A history that is being written, by any number of threads.
#[derive(Debug)]
pub struct Recorder<C, R> {
    operations: Arc<Mutex<Vec<Operation<C, R>>>>,
}

impl<C, R> Recorder<C, R> {
    /// Nothing has happened.
    pub fn new() -> Self {
        Self { operations: Arc::default() }
    }

    /// A client is about to send an operation. Until something else is known its outcome is unknown.
    pub fn begin(&self, client: u64, kind: Kind, command: C) -> Pending<C, R> {
        let operation = Operation { client, kind, command, began: now(), outcome: Outcome::Unknown };
        let mut operations = self.lock();
        operations.push(operation);
        Pending { recorder: self.clone(), index: operations.len() - 1 }
    }

    /// Takes up operations of another history, such as one that another process has written.
    pub fn extend(&self, operations: impl IntoIterator<Item = Operation<C, R>>) {
        self.lock().extend(operations);
    }

    /// What has happened so far.
    pub fn history(&self) -> Vec<Operation<C, R>>
    where
        C: Clone,
        R: Clone,
    {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Operation<C, R>>> {
        // Every change is one assignment or one push.
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C, R> Clone for Recorder<C, R> {
    /// The same history.
    fn clone(&self) -> Self {
        Self { operations: self.operations.clone() }
    }
}

impl<C, R> Default for Recorder<C, R> {
    fn default() -> Self {
        Self::new()
    }
}

/// An operation whose outcome is not known yet. Dropping it leaves it so.
#[derive(Debug)]
pub struct Pending<C, R> {
    recorder: Recorder<C, R>,
    index: usize,
}

impl<C, R> Pending<C, R> {
    /// The operation was answered: a command took effect in `slot`, or a read saw the state after it.
    pub fn replied(self, slot: u64, reply: R) {
        let at = now();
        self.set(Outcome::Replied { at, slot, reply });
    }

    /// The operation was refused and has no effect, now or later.
    pub fn refused(self) {
        self.set(Outcome::Refused);
    }

    fn set(self, outcome: Outcome<R>) {
        self.recorder.lock()[self.index].outcome = outcome;
    }
}

/// Nanoseconds on the host's monotonic clock, the same for all its processes.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_by_threads_is_in_one_history_with_its_times() {
        let recorder = Recorder::<u64, u64>::new();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let recorder = recorder.clone();
                scope.spawn(move || recorder.begin(client, Kind::Command, client).replied(client + 1, 0));
            }
        });
        drop(recorder.begin(9, Kind::Read, 0));
        recorder.begin(9, Kind::Command, 1).refused();
        let history = recorder.history();
        assert_eq!(history.len(), 6);
        for operation in &history[..4] {
            let Outcome::Replied { at, slot, .. } = operation.outcome else { panic!("{operation:?}") };
            assert!(slot == operation.client + 1 && operation.began <= at);
        }
        assert_eq!(history[4].outcome, Outcome::Unknown);
        assert_eq!(history[5].outcome, Outcome::Refused);
    }

    #[test]
    fn a_history_passes_through_text_to_another_process() {
        let recorder = Recorder::<u64, u64>::new();
        recorder.begin(1, Kind::Command, 5).replied(1, 5);
        let text = serde_json::to_string(&recorder.history()).expect("it has a text");
        let other = Recorder::new();
        other.extend(serde_json::from_str::<Vec<_>>(&text).expect("it is its text"));
        assert_eq!(other.history(), recorder.history());
    }
}
