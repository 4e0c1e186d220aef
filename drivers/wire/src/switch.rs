//! Where frames go: a learning switch with a path between any two of its ports.

use crate::frame::{Frame, Mac, is_group};
use crate::impairment::Impairment;
use crate::path::Path;
use crate::traffic::Traffic;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most stations that are learned; frames to others are flooded, as if they were unknown.
const STATIONS_MAX: usize = 1024;
/// Spreads one seed over the paths: consecutive seeds of the generator are not to be consecutive numbers.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The ports of a wire, without the sockets behind them.
#[derive(Debug)]
pub(crate) struct Switch {
    ports: usize,
    /// From port `i` to port `j` at `i * ports + j`; those from a port to itself stay empty.
    paths: Vec<Path>,
    /// At which port a station was last heard.
    stations: BTreeMap<Mac, usize>,
}

/// A frame that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) frame: Frame,
}

impl Switch {
    /// Perfect paths between `ports` ports; chance follows from `seed`.
    pub(crate) fn new(ports: usize, seed: u64) -> Self {
        let path = |index| Path::new(seed.wrapping_add(SEED_STEP.wrapping_mul(index as u64 + 1)));
        Self { ports, paths: (0..ports * ports).map(path).collect(), stations: BTreeMap::new() }
    }

    /// A frame came in at a port.
    pub(crate) fn forward(&mut self, from: usize, frame: Frame, now: Duration) {
        self.learn(frame.source(), from);
        match self.stations.get(&frame.destination()) {
            Some(&to) if to == from => {}
            Some(&to) => self.path_mut(from, to).offer(frame, now),
            None => self.flood(from, &frame, now),
        }
    }

    /// The next frame that is due by `now`, whichever its path.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Arrival> {
        let due = |path: &Path| path.next_due().filter(|&due| due <= now);
        let earliest = (0..self.paths.len()).filter_map(|index| Some((due(&self.paths[index])?, index))).min();
        let (_, index) = earliest?;
        let frame = self.paths[index].take_due(now)?;
        Some(Arrival { from: index / self.ports, to: index % self.ports, frame })
    }

    /// When the next frame is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.paths.iter().filter_map(Path::next_due).min()
    }

    /// The port of its destination took a frame, or did not.
    pub(crate) fn delivered(&mut self, from: usize, to: usize, taken: bool) {
        self.path_mut(from, to).delivered(taken);
    }

    /// Impairs one direction.
    #[track_caller]
    pub(crate) fn impair(&mut self, from: usize, to: usize, impairment: Impairment) {
        impairment.check();
        self.path_mut(from, to).set(impairment);
    }

    /// Makes every path perfect.
    pub(crate) fn heal(&mut self) {
        self.paths.iter_mut().for_each(|path| path.set(Impairment::NONE));
    }

    /// The counters of one direction.
    #[track_caller]
    pub(crate) fn traffic(&self, from: usize, to: usize) -> Traffic {
        self.paths[self.index(from, to)].traffic()
    }

    /// The counters of all directions together.
    pub(crate) fn total(&self) -> Traffic {
        let mut total = Traffic::default();
        self.paths.iter().for_each(|path| total += path.traffic());
        total
    }

    /// A station is at this port now.
    pub(crate) fn learn(&mut self, station: Mac, port: usize) {
        let known = self.stations.contains_key(&station);
        if !is_group(station) && (known || self.stations.len() < STATIONS_MAX) {
            self.stations.insert(station, port);
        }
    }

    fn flood(&mut self, from: usize, frame: &Frame, now: Duration) {
        for to in (0..self.ports).filter(|&to| to != from) {
            self.path_mut(from, to).offer(frame.clone(), now);
        }
    }

    #[track_caller]
    fn path_mut(&mut self, from: usize, to: usize) -> &mut Path {
        let index = self.index(from, to);
        &mut self.paths[index]
    }

    #[track_caller]
    fn index(&self, from: usize, to: usize) -> usize {
        assert!(
            from < self.ports && to < self.ports && from != to,
            "no path from {from} to {to}: {} ports",
            self.ports
        );
        from * self.ports + to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Mac = [0xff; 6];

    fn mac(station: u16) -> Mac {
        let [high, low] = station.to_be_bytes();
        [2, 0, 0, 0, high, low]
    }

    fn frame(to: Mac, from: Mac) -> Frame {
        Frame::new(&[&to[..], &from, &[8, 0]].concat()).expect("a header")
    }

    /// Ports that a frame reaches.
    fn reached(switch: &mut Switch, from: usize, frame: Frame) -> Vec<usize> {
        switch.forward(from, frame, Duration::ZERO);
        std::iter::from_fn(|| switch.take_due(Duration::ZERO)).map(|arrival| arrival.to).collect()
    }

    #[test]
    fn unknown_and_group_addresses_are_flooded_and_known_ones_are_not() {
        let mut switch = Switch::new(3, 1);
        assert_eq!(reached(&mut switch, 0, frame(mac(2), mac(1))), [1, 2]);
        assert_eq!(reached(&mut switch, 2, frame(mac(1), mac(2))), [0]);
        assert_eq!(reached(&mut switch, 0, frame(mac(2), mac(1))), [2]);
        assert_eq!(reached(&mut switch, 1, frame(ALL, mac(3))), [0, 2]);
        assert_eq!(reached(&mut switch, 2, frame(mac(2), mac(9))), [0; 0], "it is on its own side");
    }

    #[test]
    fn a_group_is_never_taken_for_a_station() {
        let mut switch = Switch::new(3, 1);
        reached(&mut switch, 0, frame(mac(1), ALL));
        assert_eq!(reached(&mut switch, 1, frame(ALL, mac(2))), [0, 2]);
    }

    #[test]
    fn a_station_that_moves_is_found_where_it_spoke_last() {
        let mut switch = Switch::new(3, 1);
        reached(&mut switch, 0, frame(ALL, mac(1)));
        reached(&mut switch, 1, frame(ALL, mac(1)));
        assert_eq!(reached(&mut switch, 2, frame(mac(1), mac(2))), [1]);
    }

    #[test]
    fn a_flood_of_stations_does_not_grow_the_table() {
        let mut switch = Switch::new(2, 1);
        (0..5000).for_each(|station| switch.forward(0, frame(ALL, mac(station)), Duration::ZERO));
        assert_eq!(switch.stations.len(), STATIONS_MAX);
        assert_eq!(reached(&mut switch, 1, frame(mac(4999), mac(1))).len(), 5001, "it is flooded, after the others");
    }

    #[test]
    fn one_direction_is_impaired_and_the_others_are_not() {
        let mut switch = Switch::new(3, 1);
        switch.impair(0, 1, Impairment::CUT);
        assert_eq!(reached(&mut switch, 0, frame(ALL, mac(1))), [2]);
        assert_eq!(reached(&mut switch, 1, frame(ALL, mac(2))), [0, 2]);
        switch.heal();
        assert_eq!(reached(&mut switch, 0, frame(ALL, mac(1))), [1, 2]);
        assert_eq!((switch.traffic(0, 1).cut, switch.total().cut, switch.total().offered), (1, 1, 6));
    }

    #[test]
    #[should_panic(expected = "no path from 1 to 1")]
    fn a_port_has_no_path_to_itself() {
        Switch::new(3, 1).impair(1, 1, Impairment::CUT);
    }
}
