//! What a device reports by itself: ports that go down and come up, queue pairs that break.
//!
//! # Limits
//! The events of a device come to whoever asks first, so one thread of a process asks. SoftRoCE reports ports only.

use crate::device::Device;
use crate::ffi;
use crate::system::check_number;
use std::fmt::{self, Display, Formatter};
use std::io;

/// Something that a device reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// The device works no more: nothing made from it is of use.
    DeviceFailed,
    /// The port has lost its link, or whatever gives it addresses.
    PortDown {
        /// Its number, from 1.
        port: u8,
    },
    /// The port has a link.
    PortUp {
        /// Its number, from 1.
        port: u8,
    },
    /// Addresses, partitions or the subnet's manager of the port are others now; queue pairs keep what they have.
    PortChanged {
        /// Its number, from 1.
        port: u8,
    },
    /// The queue pair works no more.
    QueuePairFailed {
        /// Its number.
        queue_pair: u32,
    },
    /// A peer used the queue pair for what it has no right to, or spoke nonsense over it.
    QueuePairAbused {
        /// Its number.
        queue_pair: u32,
    },
    /// Something else, as the interface numbers it, which needs no answer.
    Other(u32),
}

impl Display for DeviceEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceFailed => f.write_str("the device has failed"),
            Self::PortDown { port } => write!(f, "port {port} is down"),
            Self::PortUp { port } => write!(f, "port {port} is up"),
            Self::PortChanged { port } => write!(f, "port {port} has other addresses"),
            Self::QueuePairFailed { queue_pair } => write!(f, "queue pair {queue_pair} has failed"),
            Self::QueuePairAbused { queue_pair } => write!(f, "a peer broke the rules on queue pair {queue_pair}"),
            Self::Other(number) => write!(f, "event {number}"),
        }
    }
}

impl Device {
    /// The next event, if there is one. Does not wait.
    ///
    /// # Errors
    /// What the system said.
    pub fn next_event(&self) -> io::Result<Option<DeviceEvent>> {
        let mut raw = ffi::AsyncEvent::ZERO;
        // SAFETY: the context is open as long as `self` is; the function writes one `ibv_async_event`, which `raw` is. It does
        // not wait, because the descriptor it reads was made non-blocking when the context was opened.
        let code = unsafe { (self.functions().get_async_event)(self.as_ptr(), &raw mut raw) };
        match check_number(code) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other?,
        }
        let event = understand(&raw);
        // SAFETY: `raw` came from `ibv_get_async_event` and is acknowledged once, after the last look at what it points to.
        unsafe { (self.functions().ack_async_event)(&raw mut raw) };
        Ok(Some(event))
    }
}

fn understand(raw: &ffi::AsyncEvent) -> DeviceEvent {
    // The lower half of the union; ports have numbers of eight bits.
    let port = raw.element.addr() as u8;
    match raw.event_type {
        ffi::EVENT_DEVICE_FATAL => DeviceEvent::DeviceFailed,
        ffi::EVENT_PORT_ERR => DeviceEvent::PortDown { port },
        ffi::EVENT_PORT_ACTIVE => DeviceEvent::PortUp { port },
        ffi::EVENT_LID_CHANGE
        | ffi::EVENT_PKEY_CHANGE
        | ffi::EVENT_SM_CHANGE
        | ffi::EVENT_GID_CHANGE
        | ffi::EVENT_CLIENT_REREGISTER => DeviceEvent::PortChanged { port },
        ffi::EVENT_QP_FATAL | ffi::EVENT_PATH_MIG_ERR => DeviceEvent::QueuePairFailed { queue_pair: number(raw) },
        ffi::EVENT_QP_REQ_ERR | ffi::EVENT_QP_ACCESS_ERR => DeviceEvent::QueuePairAbused { queue_pair: number(raw) },
        other => DeviceEvent::Other(other),
    }
}

/// The number of the queue pair that an event is about.
fn number(raw: &ffi::AsyncEvent) -> u32 {
    let queue_pair = raw.element.cast::<ffi::QueuePair>();
    // SAFETY: an event of a queue pair points to it (the types above are the ones that do), and destroying it waits until
    // the event is acknowledged, which comes after this; its number never changes.
    unsafe { (*queue_pair).qp_num }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::without_provenance_mut;

    #[test]
    fn events_of_ports_carry_their_number() {
        let event = |event_type| understand(&ffi::AsyncEvent { element: without_provenance_mut(2), event_type });
        assert_eq!(event(ffi::EVENT_PORT_ERR), DeviceEvent::PortDown { port: 2 });
        assert_eq!(event(ffi::EVENT_PORT_ACTIVE), DeviceEvent::PortUp { port: 2 });
        assert_eq!(event(ffi::EVENT_GID_CHANGE), DeviceEvent::PortChanged { port: 2 });
        assert_eq!(event(ffi::EVENT_DEVICE_FATAL), DeviceEvent::DeviceFailed);
        assert_eq!(event(99), DeviceEvent::Other(99), "of a newer interface");
    }
}
