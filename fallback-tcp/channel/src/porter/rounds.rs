//! The porter's thread: waits for sockets, commands and deadlines, and sees to each.

use super::gate::Gate;
use super::house::House;
use super::switchboard::Switchboard;
use super::{Arrival, Command};
use mio::{Events, Poll, Token};
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// The token of the bell.
pub const BELL: Token = Token(0);
/// The token of the listener.
pub const LISTENER: Token = Token(1);
/// Events taken from `epoll` at once.
pub const EVENTS: usize = 256;
/// How long the thread rests when `epoll` itself fails, which it has no reason to.
const REST: Duration = Duration::from_millis(100);

/// Everything that the porter's thread has.
pub struct Rounds<F> {
    pub poll: Poll,
    pub house: House,
    pub gate: Option<Gate>,
    pub switchboard: Switchboard,
    pub commands: Receiver<Command>,
    pub on_arrival: F,
}

impl<F: FnMut(Arrival)> Rounds<F> {
    /// Works until it is told to stop.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.wait(&mut events);
            let now = Instant::now();
            for event in &events {
                self.attend(event.token(), now);
            }
            if !self.obey(now) {
                return;
            }
            if let Some(gate) = &mut self.gate {
                gate.tend(&mut self.house, now);
            }
            self.switchboard.tend(&mut self.house, now);
            self.report();
        }
    }

    fn wait(&mut self, events: &mut Events) {
        let now = Instant::now();
        let gate = self.gate.as_ref().and_then(|gate| gate.due(now));
        let due = gate.into_iter().chain(self.switchboard.due()).min();
        // A whole millisecond more, which is what `epoll` counts in: waking just before a deadline would be for nothing.
        let wait = due.map(|due| match due.saturating_duration_since(now) {
            Duration::ZERO => Duration::ZERO,
            wait => wait + Duration::from_millis(1),
        });
        if let Err(error) = self.poll.poll(events, wait)
            && error.kind() != ErrorKind::Interrupted
        {
            log::error!("the porter cannot wait for its sockets: {error}");
            std::thread::sleep(REST);
        }
    }

    fn attend(&mut self, token: Token, now: Instant) {
        match (token, &mut self.gate) {
            (BELL, _) => {}
            (LISTENER, Some(gate)) => gate.knock(),
            (Token(token), gate) => {
                let is_stranger = gate.as_mut().is_some_and(|gate| gate.attend(token, &mut self.house, now));
                if !is_stranger {
                    self.switchboard.attend(token, &mut self.house, now);
                }
            }
        }
        self.report();
    }

    /// Does what was asked for. False if that is to stop.
    fn obey(&mut self, now: Instant) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Dial(peer, hello)) => self.switchboard.dial(peer, hello, &mut self.house, now),
                Ok(Command::Cancel(peer)) => self.switchboard.cancel(peer),
                Ok(Command::Resolved(peer, answer)) => self.switchboard.resolved(peer, answer, &mut self.house, now),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn report(&mut self) {
        for arrival in self.house.arrivals.drain(..) {
            (self.on_arrival)(arrival);
        }
    }
}
