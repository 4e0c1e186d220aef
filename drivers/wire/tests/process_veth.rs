//! Namespaces joined by the kernel's own veth pairs, impaired by `netem` or by nftables.

mod probe;

use paxon_wire::{Impairment, Links, NamespaceError, Namespaces};
use probe::{MS, packets, passes, tcp_echo};
use std::io::Write;

fn namespaces(test: &str, count: usize) -> Option<Namespaces> {
    Namespaces::or_skip(test, count, Links::Veth)
}

#[test]
fn veth_pairs_join_any_two_namespaces() {
    let Some(net) = namespaces("veth", 3) else { return };
    for (from, to) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
        assert_eq!(packets(&net, (from, to), 50, MS, 100 * MS).len(), 50, "{from} to {to}");
    }
    tcp_echo(&net, &vec![5; 100_000]);
}

#[test]
fn veth_loss_comes_at_about_its_rate_in_its_direction() {
    let Some(net) = namespaces("veth loss", 2) else { return };
    net.impair(0, 1, &Impairment { loss: 0.1, ..Impairment::NONE }).expect("netem and nft both can");
    let arrived = packets(&net, (0, 1), 1000, MS / 4, 300 * MS).len();
    assert!((850..950).contains(&arrived), "{arrived} of 1000");
    assert_eq!(packets(&net, (1, 0), 100, MS, 300 * MS).len(), 100);
}

#[test]
fn a_one_way_cut_of_a_veth_pair_passes_the_other_way() {
    let Some(net) = namespaces("veth cut", 3) else { return };
    let passing = |net: &Namespaces| [(0, 1), (1, 0), (0, 2), (2, 1)].map(|(from, to)| passes(net, from, to));
    net.impair(0, 1, &Impairment::CUT).expect("netem and nft both can");
    assert_eq!(passing(&net), [false, true, true, true]);
    net.heal().expect("what was set can be undone");
    assert_eq!(passing(&net), [true; 4]);
}

#[test]
fn netem_duplicates_reorders_and_limits_where_the_kernel_has_it() {
    let Some(net) = namespaces("netem", 2) else { return };
    let twice = Impairment { duplicate: 0.2, ..Impairment::NONE };
    if let Err(error) = net.impair(0, 1, &twice) {
        assert!(matches!(error, NamespaceError::Unsupported { .. }), "{error}");
        // Not by the printing macros: the test harness captures those.
        writeln!(std::io::stderr(), "SKIPPED netem: {error}").expect("there is a standard error");
        return;
    }
    let arrived = packets(&net, (0, 1), 500, MS, 300 * MS).len();
    assert!((550..650).contains(&arrived), "{arrived} of 500");
    let mixed = Impairment { reorder: 0.2, delay: 10 * MS, ..Impairment::NONE };
    net.impair(0, 1, &mixed).expect("this is netem's too");
    let arrived = packets(&net, (0, 1), 200, MS, 300 * MS);
    assert!(arrived.len() == 200 && !arrived.iter().map(|arrival| arrival.number).is_sorted(), "{arrived:?}");
    net.impair(0, 1, &Impairment { bytes_per_second: Some(400_000), ..Impairment::NONE }).expect("this is netem's too");
    let took = tcp_echo(&net, &vec![7; 400_000]);
    assert!(took >= 900 * MS, "400 kB at 400 kB a second in {took:?}");
    net.heal().expect("what was set can be undone");
    assert!(tcp_echo(&net, &vec![7; 400_000]) < took);
}

#[test]
fn a_delay_is_kept_or_refused_with_the_reason() {
    let Some(net) = namespaces("veth delay", 2) else { return };
    match net.impair(0, 1, &Impairment { delay: 50 * MS, ..Impairment::NONE }) {
        Ok(()) => {
            let arrived = packets(&net, (0, 1), 50, MS, 300 * MS);
            assert!(arrived.len() == 50 && arrived.iter().all(|arrival| arrival.took >= 49 * MS), "{arrived:?}");
        }
        Err(error @ NamespaceError::Unsupported { .. }) => {
            let text = error.to_string();
            assert!(text.contains("netem") && text.contains("50ms") && text.contains("use links by wire"), "{text}");
            assert!(passes(&net, 0, 1));
        }
        Err(other) => panic!("{other}"),
    }
}
