//! One direction between two ports: the frames under way, and what chance does to them.
//!
//! A path is told the time, as the time since the wire began, and decides nothing by itself: the same frames at the same
//! times with the same seed fare the same.

use crate::frame::Frame;
use crate::impairment::Impairment;
use crate::traffic::Traffic;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Most bytes under way in one direction: eight megabytes a second for two seconds. What comes on top is dropped.
const UNDER_WAY_BYTES_MAX: usize = 16 << 20;
/// A small frame costs its bookkeeping too.
const FRAME_COST_BYTES: usize = 128;

/// The frames from one port to another.
#[derive(Debug)]
pub(crate) struct Path {
    impairment: Impairment,
    chance: SmallRng,
    /// The earliest on top.
    under_way: BinaryHeap<Reverse<UnderWay>>,
    /// Invariant: [`cost`] of all frames under way, at most [`UNDER_WAY_BYTES_MAX`].
    bytes: usize,
    /// Frames ever put under way.
    count: u64,
    /// The latest of them that has arrived, from 1.
    newest: u64,
    /// When the last frame is due that was not held back: no other is due before.
    last_due: Duration,
    /// When the rate lets the next frame start.
    line_free: Duration,
    traffic: Traffic,
}

/// Ordered by when it is due, then by number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Duration,
    number: u64,
    frame: Bytes,
}

/// A frame without an order of its own: numbers are unique, so it is never asked for one.
#[derive(Debug, PartialEq, Eq)]
struct Bytes(Frame);

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.bytes().cmp(other.0.bytes())
    }
}

/// What chance has drawn for one frame. Always drawn as a whole, so that one knob does not shift the luck of another.
struct Fate {
    lost: bool,
    duplicated: bool,
    held_back: bool,
    jitter: Duration,
}

impl Path {
    /// A perfect path whose chance follows from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            impairment: Impairment::NONE,
            chance: SmallRng::seed_from_u64(seed),
            under_way: BinaryHeap::new(),
            bytes: 0,
            count: 0,
            newest: 0,
            last_due: Duration::ZERO,
            line_free: Duration::ZERO,
            traffic: Traffic::default(),
        }
    }

    /// From now on frames are treated like this. Those under way arrive when they were due, so that new ones may overtake
    /// them; a cut loses them.
    pub(crate) fn set(&mut self, impairment: Impairment) {
        self.impairment = impairment;
        self.last_due = Duration::ZERO;
        self.line_free = Duration::ZERO;
        if impairment.cut {
            self.traffic.cut += self.under_way.len() as u64;
            self.under_way.clear();
            self.bytes = 0;
        }
    }

    /// A frame enters.
    pub(crate) fn offer(&mut self, frame: Frame, now: Duration) {
        self.traffic.offered += 1;
        let fate = self.draw();
        if self.impairment.cut {
            self.traffic.cut += 1;
        } else if fate.lost {
            self.traffic.lost += 1;
        } else {
            self.carry(frame, &fate, now);
        }
    }

    /// The next frame that is due by `now`.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Frame> {
        self.next_due().filter(|&due| due <= now)?;
        let Reverse(UnderWay { number, frame: Bytes(frame), .. }) = self.under_way.pop()?;
        self.bytes -= cost(&frame);
        if number < self.newest {
            self.traffic.reordered += 1;
        }
        self.newest = self.newest.max(number);
        Some(frame)
    }

    /// When the next frame is due, if one is under way.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse(next)| next.due)
    }

    pub(crate) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How a frame that was due fared at the port of its destination.
    pub(crate) const fn delivered(&mut self, taken: bool) {
        if taken {
            self.traffic.forwarded += 1;
        } else {
            self.traffic.undeliverable += 1;
        }
    }

    fn draw(&mut self) -> Fate {
        let Impairment { loss, reorder, duplicate, jitter, .. } = self.impairment;
        Fate {
            lost: self.chance.random_bool(loss),
            duplicated: self.chance.random_bool(duplicate),
            held_back: self.chance.random_bool(reorder),
            jitter: jitter.mul_f64(self.chance.random_range(0.0..=1.0)),
        }
    }

    fn carry(&mut self, frame: Frame, fate: &Fate, now: Duration) {
        let Some(start) = self.queue(&frame, now) else {
            self.traffic.dropped += 1;
            return;
        };
        let mut due = (start + self.impairment.delay + fate.jitter).max(self.last_due);
        if fate.held_back {
            due += self.impairment.held_back;
        } else {
            self.last_due = due;
        }
        if fate.duplicated {
            self.traffic.duplicated += 1;
            self.put(frame.clone(), due);
        }
        self.put(frame, due);
    }

    /// When the frame has passed the rate; `None` if too many bytes wait already.
    fn queue(&mut self, frame: &Frame, now: Duration) -> Option<Duration> {
        let Some(rate) = self.impairment.bytes_per_second else { return Some(now) };
        let free = self.line_free.max(now);
        let waiting = (free - now).as_secs_f64() * rate as f64;
        if waiting > self.impairment.queue_bytes as f64 {
            return None;
        }
        self.line_free = free + Duration::from_secs_f64(frame.bytes().len() as f64 / rate as f64);
        Some(self.line_free)
    }

    fn put(&mut self, frame: Frame, due: Duration) {
        if self.bytes + cost(&frame) > UNDER_WAY_BYTES_MAX {
            self.traffic.dropped += 1;
            return;
        }
        self.bytes += cost(&frame);
        self.count += 1;
        self.under_way.push(Reverse(UnderWay { due, number: self.count, frame: Bytes(frame) }));
    }
}

fn cost(frame: &Frame) -> usize {
    frame.bytes().len() + FRAME_COST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn frame(number: u16, bytes: usize) -> Frame {
        let mut frame = vec![0; bytes];
        frame[..2].copy_from_slice(&number.to_le_bytes());
        Frame::new(&frame).expect("long enough")
    }

    fn number(frame: &Frame) -> u16 {
        u16::from_le_bytes([frame.bytes()[0], frame.bytes()[1]])
    }

    /// A frame of 100 bytes a millisecond; the numbers of those that arrive, and when, in milliseconds.
    fn run(impairment: Impairment, frames: u16) -> (Vec<(u16, u128)>, Traffic) {
        let mut path = Path::new(7);
        path.set(impairment);
        let mut arrived = Vec::new();
        for step in 0..frames + 5_000 {
            let now = MS * u32::from(step);
            if step < frames {
                path.offer(frame(step, 100), now);
            }
            while let Some(frame) = path.take_due(now) {
                path.delivered(true);
                arrived.push((number(&frame), now.as_millis()));
            }
        }
        assert_eq!((path.next_due(), path.bytes), (None, 0));
        let traffic = path.traffic();
        let gone = traffic.forwarded + traffic.cut + traffic.lost + traffic.dropped + traffic.undeliverable;
        assert_eq!(traffic.offered + traffic.duplicated, gone, "{traffic:?}");
        (arrived, traffic)
    }

    #[test]
    fn a_perfect_path_passes_everything_at_once_and_in_order() {
        let (arrived, traffic) = run(Impairment::NONE, 1000);
        assert!(arrived.iter().copied().eq((0..1000).map(|n| (n, n.into()))));
        assert_eq!(traffic, Traffic { offered: 1000, forwarded: 1000, ..Traffic::default() });
    }

    #[test]
    fn delay_is_kept_and_jitter_lies_between_none_and_all_of_it_in_order() {
        let (arrived, _) = run(Impairment { delay: 50 * MS, jitter: 20 * MS, ..Impairment::NONE }, 1000);
        assert!(arrived.iter().map(|(number, _)| *number).eq(0..1000));
        let took: Vec<_> = arrived.iter().map(|(number, at)| at - u128::from(*number)).collect();
        assert!(took.iter().all(|took| (50..=71).contains(took)), "{took:?}");
        assert!(took.iter().any(|took| *took < 62) && took.iter().any(|took| *took > 67));
    }

    #[test]
    fn loss_and_duplication_come_at_their_rates() {
        let (arrived, traffic) = run(Impairment { loss: 0.1, duplicate: 0.2, ..Impairment::NONE }, 10_000);
        assert!((900..1100).contains(&traffic.lost), "{traffic:?}");
        assert!((1700..1900).contains(&traffic.duplicated), "a fifth of what is not lost: {traffic:?}");
        assert_eq!(arrived.len() as u64, traffic.forwarded);
        assert!(arrived.is_sorted());
    }

    #[test]
    fn held_back_frames_are_overtaken_and_counted() {
        let (arrived, traffic) = run(Impairment { reorder: 0.1, held_back: 3 * MS, ..Impairment::NONE }, 1000);
        assert_eq!(arrived.len(), 1000);
        let mut newest = 0;
        let overtaken = arrived.iter().filter(|(number, _)| {
            newest = newest.max(*number);
            *number < newest
        });
        assert_eq!(overtaken.count() as u64, traffic.reordered);
        assert!((60..140).contains(&traffic.reordered), "{traffic:?}");
        assert!(arrived.iter().all(|(number, at)| at - u128::from(*number) <= 3));
    }

    #[test]
    fn a_rate_spaces_frames_and_its_queue_is_bounded() {
        // One frame needs 2 ms; ten may wait, and one is on its way.
        let slow = Impairment { bytes_per_second: Some(50_000), queue_bytes: 1000, ..Impairment::NONE };
        let (arrived, traffic) = run(slow, 100);
        assert!((40..45).contains(&traffic.dropped), "half of them: {traffic:?}");
        assert!(arrived.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 2), "{arrived:?}");
        assert!(arrived.iter().all(|(number, at)| at - u128::from(*number) <= 24), "{arrived:?}");
    }

    #[test]
    fn a_cut_loses_what_is_under_way_and_what_comes() {
        let mut path = Path::new(1);
        path.set(Impairment { delay: 10 * MS, ..Impairment::NONE });
        path.offer(frame(1, 100), Duration::ZERO);
        path.set(Impairment::CUT);
        path.offer(frame(2, 100), MS);
        path.set(Impairment::NONE);
        path.offer(frame(3, 100), 2 * MS);
        assert_eq!(path.take_due(20 * MS).as_ref().map(number), Some(3));
        assert_eq!(path.take_due(20 * MS), None);
        assert_eq!(path.traffic().cut, 2);
    }

    #[test]
    fn frames_overtake_those_of_a_slower_past() {
        let mut path = Path::new(1);
        path.set(Impairment { delay: 100 * MS, ..Impairment::NONE });
        path.offer(frame(1, 100), Duration::ZERO);
        path.set(Impairment::NONE);
        path.offer(frame(2, 100), MS);
        assert_eq!(path.take_due(MS).as_ref().map(number), Some(2));
        assert_eq!(path.take_due(99 * MS), None);
        assert_eq!(path.take_due(100 * MS).as_ref().map(number), Some(1));
        assert_eq!(path.traffic().reordered, 1);
    }

    #[test]
    fn memory_is_bounded_however_long_the_delay() {
        let mut path = Path::new(1);
        path.set(Impairment { delay: Duration::from_secs(3600), ..Impairment::NONE });
        (0..20_000).for_each(|number| path.offer(frame(number, 1500), Duration::ZERO));
        assert!(path.bytes <= UNDER_WAY_BYTES_MAX && path.bytes > UNDER_WAY_BYTES_MAX - 2000);
        assert!(path.traffic().dropped > 9_000, "{:?}", path.traffic());
    }

    #[test]
    fn the_same_seed_is_the_same_luck() {
        let rough = Impairment { loss: 0.3, reorder: 0.2, duplicate: 0.1, jitter: 9 * MS, ..Impairment::NONE };
        assert_eq!(run(rough, 500), run(rough, 500));
    }
}
