//! Which cores the engine threads of this process are pinned to.

use crate::build_error::BuildError;
use std::sync::{Mutex, PoisonError};

/// Cores that are taken. Two spinning engines on one core would take each other for dead.
static TAKEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A core that belongs to one engine thread of this process as long as the claim lives.
#[derive(Debug)]
pub(crate) struct CoreClaim(usize);

impl CoreClaim {
    /// Claims a core.
    pub(crate) fn new(core: usize) -> Result<Self, BuildError> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        if !cores.iter().any(|known| known.id == core) {
            let available = cores.iter().map(|known| known.id).collect();
            return Err(BuildError::UnknownCore { core, available });
        }
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.contains(&core) {
            return Err(BuildError::CoreTaken { core });
        }
        taken.push(core);
        Ok(Self(core))
    }

    /// Pins the calling thread to the core; `false` if the system does not allow it.
    pub(crate) fn pin_this_thread(&self) -> bool {
        core_affinity::set_for_current(core_affinity::CoreId { id: self.0 })
    }
}

impl Drop for CoreClaim {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|&core| core != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_taken_until_its_claim_is_dropped_and_unknown_cores_are_refused() {
        let core = core_affinity::get_core_ids().expect("the machine has cores")[0].id;
        let claim = CoreClaim::new(core).expect("nobody has it");
        assert!(matches!(CoreClaim::new(core), Err(BuildError::CoreTaken { .. })));
        drop(claim);
        assert!(CoreClaim::new(core).is_ok());
        assert!(matches!(CoreClaim::new(1 << 20), Err(BuildError::UnknownCore { .. })));
    }
}
