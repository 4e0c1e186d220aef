//! The fabric that a simulated replica sees.

use crate::memory::Memory;
use crate::network::Network;
use paxon_fastpath::{Area, Fabric, FabricEvent, Op, PostError, ReplicaId, Token};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

/// One process's end of the network.
#[derive(Debug)]
pub struct SimFabric {
    network: Rc<RefCell<Network>>,
    me: ReplicaId,
    memory: Rc<Memory>,
    scratches: Vec<Rc<[AtomicU64]>>,
    /// Every so many calls of [`Fabric::local`], operations of others land; zero: never.
    interfere_every: u32,
    /// Calls left until then.
    countdown: Cell<u32>,
}

impl SimFabric {
    /// The end of `me`, with its present memory.
    pub fn new(
        network: Rc<RefCell<Network>>,
        me: ReplicaId,
        scratches: Vec<Rc<[AtomicU64]>>,
        interfere_every: u32,
    ) -> Self {
        let memory = network.borrow().memory(me);
        Self { network, me, memory, scratches, interfere_every, countdown: Cell::new(interfere_every) }
    }

    /// The memory is passive: between any two looks of its owner at it, somebody else may have written.
    fn interfere(&self) {
        if self.interfere_every == 0 {
            return;
        }
        self.countdown.set(self.countdown.get() - 1);
        if self.countdown.get() == 0 {
            self.countdown.set(self.interfere_every);
            self.network.borrow_mut().interfere();
        }
    }
}

impl Fabric for SimFabric {
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.interfere();
        self.memory.area(area)
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        &self.scratches[peer.index()]
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        self.network.borrow_mut().post(self.me, peer, token, chain)
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        self.network.borrow_mut().pop(self.me)
    }
}
