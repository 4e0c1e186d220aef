//! Chains executed by the calling thread on mapped memory.

use crate::copy::copy_words;
use crate::memory::Memory;
use crate::own::Acceptor;
use paxon_fastpath::{Area, CHAIN_OPS_MAX, Op};
use std::sync::atomic::AtomicU64;

/// Executes a chain of the replica that holds `own` on the memory of an acceptor, which may be its own; reads land in
/// `scratch`. Returns what the compare-and-exchange found, 0 if there was none.
///
/// # Panics
/// If the caller breaks the contract of [`Fabric::post`](paxon_fastpath::Fabric::post): too many operations, a write to
/// another lane than its own, a span outside of its area or of the scratch. The operations before the bad one were executed.
#[inline]
pub fn execute_chain(own: &Acceptor, memory: &Memory, scratch: &[AtomicU64], chain: &[Op]) -> u64 {
    assert!(chain.len() <= CHAIN_OPS_MAX, "a chain of {} operations, {CHAIN_OPS_MAX} are allowed", chain.len());
    let replica = own.replica();
    let mut found = None;
    for op in chain {
        match *op {
            Op::Write(span) => {
                assert!(span.area == Area::Lane(replica), "{replica} writes to {span:?}, which is not its own");
                let (from, into) = (own.span(span), memory.span(span));
                if !std::ptr::eq::<Memory>(&**own, memory) {
                    copy_words(from, into);
                }
            }
            Op::Read { span, into } => copy_words(memory.span(span), &scratch[into..][..span.words]),
            Op::Cas { expected, new } => {
                assert!(found.is_none(), "a chain has at most one compare-and-exchange");
                found = Some(memory.exchange(expected, new));
            }
        }
    }
    found.unwrap_or(0)
}
