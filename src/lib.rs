//! Paxon.
