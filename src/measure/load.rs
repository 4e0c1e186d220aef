//! The commands of a measurement.

use super::Options;
use super::machine::Tally;
use crate::node::Node;
use paxon_fastpath::{Batch, Command, Fabric, Slot, Unheard};

/// What is proposed in one go: `outstanding` records of `batch` commands each.
pub(super) struct Load {
    command: Vec<u8>,
    batch: Batch,
    batch_size: usize,
    outstanding: usize,
    count: u64,
}

/// What came of a proposal.
pub(super) struct Group {
    /// The slot of its last record.
    pub(super) last: Slot,
    /// Whether there was room for all of it.
    pub(super) whole: bool,
    pub(super) commands: u64,
}

impl Load {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            command: vec![0; options.payload],
            batch: Batch::new(options.record_bytes(), options.batch),
            batch_size: options.batch,
            outstanding: options.outstanding,
            count: 0,
        }
    }

    /// Proposes a group of records, or as many of them as there is room for; `None` if there is none.
    #[inline]
    pub(super) fn propose(&mut self, node: &mut Node<Tally, impl Fabric, Unheard>) -> Option<Group> {
        let mut last = None;
        let mut records = 0;
        while records < self.outstanding {
            let Some(slot) = self.propose_record(node) else { break };
            last = Some(slot);
            records += 1;
        }
        let commands = (records * self.batch_size) as u64;
        Some(Group { last: last?, whole: records == self.outstanding, commands })
    }

    #[inline]
    fn propose_record(&mut self, node: &mut Node<Tally, impl Fabric, Unheard>) -> Option<Slot> {
        if self.batch_size == 1 {
            self.next_command();
            return node.propose(&self.command).ok();
        }
        self.batch.clear();
        for _ in 0..self.batch_size {
            self.next_command();
            self.batch.push(Command::plain(&self.command)).expect("the batch was sized for it");
        }
        node.submit_batch(&self.batch).ok()
    }

    /// No two commands are the same, so that a lost or doubled one changes the digest.
    fn next_command(&mut self) {
        self.count += 1;
        if let Some(number) = self.command.first_chunk_mut() {
            *number = self.count.to_le_bytes();
        }
    }
}
