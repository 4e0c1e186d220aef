//! Namespaces joined by veth pairs, one for any two of them, so that each direction has an interface of its own at either
//! end: `netem` delays where packets leave, nftables loses them where they arrive.

use super::command::{ip_lines, run, run_in};
use super::{NamespaceError, address, enter, mac, mac_text, pairs, switch_ipv6_off};
use crate::Impairment;
use std::collections::BTreeSet;
use std::io;
use std::net::UdpSocket;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Every link carries something by then: interfaces come up in milliseconds.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two packets that look whether a link is alive.
const KNOCK_EVERY: Duration = Duration::from_millis(20);
/// Packets that `netem` holds if no rate bounds them: two seconds of 60 megabytes each.
const NETEM_PACKETS: u64 = 80_000;
/// `netem` can reorder only what it delays.
const REORDER_DELAY_MIN: Duration = Duration::from_millis(1);
/// Bytes of a packet, to turn a queue of bytes into one of packets.
const PACKET_BYTES: u64 = 1500;

/// The veth pairs.
#[derive(Debug)]
pub(super) struct Mesh {
    /// Whether the kernel has `netem`, else what it said.
    netem: Result<(), String>,
    /// Directions that are not perfect.
    impaired: Mutex<BTreeSet<(usize, usize)>>,
}

impl Mesh {
    pub(super) fn join(names: &[String]) -> Result<Self, NamespaceError> {
        names.iter().try_for_each(|name| enter(name, switch_ipv6_off))?;
        for (a, b) in pairs(names.len()).filter(|(a, b)| a < b) {
            add_pair(names, a, b)?;
        }
        for (namespace, name) in names.iter().enumerate() {
            ip_lines(name, &interfaces(namespace, names.len()))?;
        }
        pairs(names.len()).try_for_each(|(from, to)| wait_until_alive(names, from, to))?;
        let netem = probe_netem(names);
        if netem.is_err() {
            run("nft", &["--version"], "")?;
        }
        Ok(Self { netem, impaired: Mutex::default() })
    }

    #[track_caller]
    pub(super) fn impair(
        &self,
        names: &[String],
        (from, to): (usize, usize),
        impairment: &Impairment,
    ) -> Result<(), NamespaceError> {
        impairment.check();
        assert!(from < names.len() && to < names.len() && from != to, "no link from {from} to {to}");
        let mut impaired = self.impaired.lock().unwrap_or_else(PoisonError::into_inner);
        if *impairment == Impairment::NONE && !impaired.contains(&(from, to)) {
            return Ok(());
        }
        match &self.netem {
            Ok(()) => set_netem(names, from, to, impairment)?,
            Err(reason) => set_loss(names, from, to, impairment, reason)?,
        }
        if *impairment == Impairment::NONE {
            impaired.remove(&(from, to))
        } else {
            impaired.insert((from, to))
        };
        Ok(())
    }

    pub(super) fn heal(&self, names: &[String]) -> Result<(), NamespaceError> {
        pairs(names.len()).try_for_each(|pair| self.impair(names, pair, &Impairment::NONE))
    }
}

/// The interface that faces `peer`.
fn facing(peer: usize) -> String {
    format!("to{peer}")
}

fn add_pair(names: &[String], a: usize, b: usize) -> Result<(), NamespaceError> {
    let (to_a, to_b) = (facing(a), facing(b));
    let ends = ["netns", &names[a], "type", "veth", "peer", "name", &to_a, "netns", &names[b]];
    run("ip", &[&["link", "add", "name", &to_b][..], &ends].concat(), "").map(drop).map_err(|error| match error {
        NamespaceError::Command { .. } => NamespaceError::Unavailable(format!("no veth pair: {error}")),
        other => other,
    })
}

/// The lines of `ip` that bring a namespace's interfaces up.
fn interfaces(namespace: usize, count: usize) -> Vec<String> {
    let own = address(namespace);
    let mut lines = vec!["link set lo up".to_owned(), format!("address add {own}/32 dev lo")];
    for peer in (0..count).filter(|&peer| peer != namespace) {
        let (facing, other) = (facing(peer), address(peer));
        lines.extend([
            format!("link set {facing} address {} up", mac_text(mac(namespace, peer + 1))),
            format!("route add {other}/32 dev {facing} src {own}"),
            format!(
                "neighbour replace {other} lladdr {} dev {facing} nud permanent",
                mac_text(mac(peer, namespace + 1))
            ),
        ]);
    }
    lines
}

/// An interface is up before its queue passes packets: only a packet that arrived proves a link.
fn wait_until_alive(names: &[String], from: usize, to: usize) -> Result<(), NamespaceError> {
    let dead = |_: io::Error| NamespaceError::Dead { from, to };
    let bind = |namespace: usize| enter(&names[namespace], || UdpSocket::bind((address(namespace), 0)));
    let (sender, receiver) = (bind(from)?.map_err(dead)?, bind(to)?.map_err(dead)?);
    let at = receiver.local_addr().map_err(dead)?;
    receiver.set_read_timeout(Some(KNOCK_EVERY)).map_err(dead)?;
    let deadline = Instant::now() + ALIVE_WITHIN;
    while Instant::now() < deadline {
        // Refused as long as the interface is not ready; the deadline decides.
        let _ = sender.send_to(b"alive?", at);
        if receiver.recv(&mut [0; 8]).is_ok() {
            return Ok(());
        }
    }
    Err(NamespaceError::Dead { from, to })
}

fn probe_netem(names: &[String]) -> Result<(), String> {
    if names.len() < 2 {
        return Err("there is no link".to_owned());
    }
    let (name, facing) = (&names[0], facing(1));
    let qdisc =
        |words: &[&str]| run_in(name, "tc", &[&["qdisc"], words].concat(), "").map_err(|error| error.to_string());
    qdisc(&["add", "dev", &facing, "root", "netem", "delay", "1ms"])?;
    qdisc(&["delete", "dev", &facing, "root"]).map(drop)
}

fn set_netem(names: &[String], from: usize, to: usize, impairment: &Impairment) -> Result<(), NamespaceError> {
    let facing = facing(to);
    if *impairment == Impairment::NONE {
        return run_in(&names[from], "tc", &["qdisc", "delete", "dev", &facing, "root"], "").map(drop);
    }
    let words = netem_words(impairment);
    let words: Vec<&str> = words.split(' ').collect();
    let args = [&["qdisc", "replace", "dev", &facing, "root", "netem"][..], &words].concat();
    run_in(&names[from], "tc", &args, "").map(drop)
}

/// An impairment in `netem`'s words.
fn netem_words(impairment: &Impairment) -> String {
    let Impairment { cut, loss, delay, jitter, reorder, duplicate, bytes_per_second, queue_bytes, .. } = *impairment;
    let loss = if cut { 1.0 } else { loss };
    let delay = if reorder > 0.0 { delay.max(REORDER_DELAY_MIN) } else { delay };
    let packets = bytes_per_second.map_or(NETEM_PACKETS, |rate| {
        let on_the_way = (delay.as_secs_f64() * rate as f64) as u64;
        (queue_bytes as u64 + on_the_way) / PACKET_BYTES + 1
    });
    let mut words = format!("limit {packets} delay {}us {}us", delay.as_micros(), jitter.as_micros());
    for (word, share) in [("loss", loss), ("duplicate", duplicate), ("reorder", reorder)] {
        if share > 0.0 {
            words += &format!(" {word} {:.4}%", share * 100.0);
        }
    }
    if let Some(rate) = bytes_per_second {
        words += &format!(" rate {}bit", rate.saturating_mul(8));
    }
    words
}

/// What a kernel without `netem` can do.
fn set_loss(
    names: &[String],
    from: usize,
    to: usize,
    impairment: &Impairment,
    reason: &str,
) -> Result<(), NamespaceError> {
    let &Impairment { cut, loss, .. } = impairment;
    if !cut && *impairment != (Impairment { loss, ..Impairment::NONE }) {
        let what = format!("{impairment:?}");
        return Err(NamespaceError::Unsupported { what, reason: reason.to_owned() });
    }
    let loss = if cut { 1.0 } else { loss };
    run_in(&names[to], "nft", &["-f", "-"], &nft_script(from, loss)).map(drop)
}

/// Replaces the rules of packets that come from `from` by one that loses a share of them.
fn nft_script(from: usize, loss: f64) -> String {
    const MILLION: f64 = 1e6;
    let (chain, device) = (format!("netdev paxon from{from}"), facing(from));
    let mut script = format!(
        "add table netdev paxon\n\
         add chain {chain} {{ type filter hook ingress device \"{device}\" priority 0; }}\n\
         flush chain {chain}\n"
    );
    let in_a_million = (loss * MILLION).round();
    if in_a_million >= MILLION {
        script += &format!("add rule {chain} counter drop\n");
    } else if in_a_million > 0.0 {
        script += &format!("add rule {chain} numgen random mod {MILLION} < {in_a_million} counter drop\n");
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impairments_are_said_in_the_words_of_netem() {
        let rough = Impairment {
            delay: Duration::from_millis(50),
            jitter: Duration::from_millis(10),
            loss: 0.01,
            duplicate: 0.005,
            reorder: 0.25,
            bytes_per_second: Some(1_000_000),
            queue_bytes: 100_000,
            ..Impairment::NONE
        };
        assert_eq!(
            netem_words(&rough),
            "limit 101 delay 50000us 10000us loss 1.0000% duplicate 0.5000% reorder 25.0000% rate 8000000bit"
        );
        assert_eq!(netem_words(&Impairment::CUT), "limit 80000 delay 0us 0us loss 100.0000%");
        let reordered = netem_words(&Impairment { reorder: 0.5, ..Impairment::NONE });
        assert_eq!(reordered, "limit 80000 delay 1000us 0us reorder 50.0000%");
    }

    #[test]
    fn loss_is_said_in_the_words_of_nft() {
        assert!(nft_script(2, 0.015).ends_with("numgen random mod 1000000 < 15000 counter drop\n"));
        assert!(nft_script(2, 1.0).ends_with("add rule netdev paxon from2 counter drop\n"));
        assert!(nft_script(2, 0.0).ends_with("flush chain netdev paxon from2\n"));
    }
}
