//! The host's side of the combs: registers and evicts keys, also while signatures are verified.

use paxon_fpga_sim::{Model, Port};
use std::collections::VecDeque;

const EVICT: u64 = 1;
const BEGIN: u64 = 2;
const COMMIT: u64 = 3;

/// What a host does with an entry.
#[derive(Clone, Debug)]
pub enum Job {
    /// The entry is not to be used any more.
    Evict,
    /// Writes these elements and commits; what then stands there has to be valid or not.
    Write { elements: Vec<[u8; 32]>, valid: bool },
}

/// A job that is being done.
enum Step {
    Begin,
    /// Cycles until the state of the entry is that after the command.
    Opening(u32),
    Words(usize),
    Committed(u32),
}

/// Does one job after another, each once so many requests have been taken.
pub struct Host {
    jobs: VecDeque<(usize, u64, Job)>,
    step: Step,
    /// How often an entry was in use when it was to be written.
    pub busy: u64,
    command: Port,
    entry: Port,
    write: Port,
    data: Port,
    valid: Port,
    in_use: Port,
}

impl Host {
    /// A host without jobs.
    pub fn new(model: &Model) -> Self {
        let port = |name: &str| model.port(name).expect("a port of ed25519_verify_core");
        let [command, entry, write, data] = ["hot_command_i", "hot_entry_i", "hot_write_i", "hot_data_i"].map(port);
        let [valid, in_use] = ["hot_valid_o", "hot_busy_o"].map(port);
        Self { jobs: VecDeque::new(), step: Step::Begin, busy: 0, command, entry, write, data, valid, in_use }
    }

    /// A job for entry `entry`, once `after` requests of a run have been taken.
    pub fn later(&mut self, after: usize, entry: u64, job: Job) {
        self.jobs.push_back((after, entry, job));
    }

    /// Does a job at once, while the core has nothing else to do.
    pub fn now(&mut self, model: &mut Model, entry: u64, job: Job) {
        self.later(0, entry, job);
        while !self.jobs.is_empty() {
            self.step(model, 0);
            model.clock(1);
        }
    }

    /// Whether the entry is valid.
    pub fn is_valid(&self, model: &mut Model, entry: u64) -> bool {
        model.set(self.entry, entry);
        model.clock(1);
        model.get(self.valid) == 1
    }

    /// Sets the inputs for the next cycle.
    pub fn step(&mut self, model: &mut Model, taken: usize) {
        model.set(self.command, 0);
        model.set(self.write, 0);
        let Some((_, entry, job)) = self.jobs.front().filter(|(after, ..)| *after <= taken) else { return };
        model.set(self.entry, *entry);
        let Job::Write { elements, valid } = job else {
            model.set(self.command, EVICT);
            self.jobs.pop_front();
            return;
        };
        self.step = match self.step {
            Step::Begin => {
                model.set(self.command, BEGIN);
                Step::Opening(2)
            }
            // It may have been in use at the command and no longer now.
            Step::Opening(_) if model.get(self.in_use) == 1 => {
                self.busy += 1;
                Step::Begin
            }
            Step::Opening(0) => Step::Words(0),
            Step::Opening(left) => Step::Opening(left - 1),
            Step::Words(at) if at == 8 * elements.len() => {
                model.set(self.command, COMMIT);
                Step::Committed(2)
            }
            Step::Words(at) => {
                let word = elements[at / 8][4 * (at % 8)..].first_chunk().expect("an element has eight words");
                model.set(self.write, 1);
                model.set(self.data, u32::from_le_bytes(*word).into());
                Step::Words(at + 1)
            }
            Step::Committed(0) => {
                assert_eq!(model.get(self.valid) == 1, *valid, "after {} elements", elements.len());
                self.jobs.pop_front();
                Step::Begin
            }
            Step::Committed(left) => Step::Committed(left - 1),
        };
    }
}
