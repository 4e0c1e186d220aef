//! x
pub mod acceptor;
pub mod exploration;
pub mod journal;
pub mod model;
pub mod mutant;
pub mod operation;
pub mod scenario;
pub mod state;
