//! What an operation of the ring is about, as the number that travels with it.

/// The operations of a ring. A place has at most one of each kind under way, so a kind and a place name an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Receive(u32),
    Send(u32),
    CancelReceive(u32),
    CancelSend(u32),
    /// Waits for the waker.
    Wake,
    CancelWake,
}

/// Operations that one place may have under way.
pub(crate) const OPERATIONS_OF_A_PLACE: usize = 4;
/// Operations that belong to no place.
pub(crate) const OPERATIONS_OF_THE_RING: usize = 2;

impl Operation {
    /// The kind in the upper half, the place in the lower.
    pub(crate) fn number(self) -> u64 {
        let (kind, index) = match self {
            Operation::Receive(index) => (0, index),
            Operation::Send(index) => (1, index),
            Operation::CancelReceive(index) => (2, index),
            Operation::CancelSend(index) => (3, index),
            Operation::Wake => (4, 0),
            Operation::CancelWake => (5, 0),
        };
        kind << 32 | u64::from(index)
    }

    /// The operation with this number, if any.
    pub(crate) fn of(number: u64) -> Option<Operation> {
        let index = number as u32;
        match number >> 32 {
            0 => Some(Operation::Receive(index)),
            1 => Some(Operation::Send(index)),
            2 => Some(Operation::CancelReceive(index)),
            3 => Some(Operation::CancelSend(index)),
            4 => Some(Operation::Wake),
            5 => Some(Operation::CancelWake),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_operations() {
        let with_place = [Operation::Receive, Operation::Send, Operation::CancelReceive, Operation::CancelSend];
        let all = with_place.iter().flat_map(|of| [of(0), of(7), of(u32::MAX)]);
        for operation in all.chain([Operation::Wake, Operation::CancelWake]) {
            assert_eq!(Operation::of(operation.number()), Some(operation));
        }
        assert_eq!(Operation::of(6 << 32), None);
    }
}
