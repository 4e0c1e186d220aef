//! The multiplier, in every number of rows and in both forms, and the add lane.

use crate::field::{corners, element, prime};
use num_bigint::BigUint;
use paxon_fpga_sim::Model;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;

const RANDOM_PRODUCTS: usize = 2_000;

fn pairs(rng: &mut SmallRng) -> Vec<(BigUint, BigUint)> {
    let corners = corners();
    let all = corners.iter().flat_map(|a| corners.iter().map(|b| (a.clone(), b.clone())));
    let mut pairs: Vec<_> = all.collect();
    pairs.extend((0..RANDOM_PRODUCTS).map(|_| (element(rng), element(rng))));
    pairs
}

/// Both forms give every product, at the same time, after the promised latency.
fn multiplies(rows: u32, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut model = Model::new(&format!("fe25519_mul_{rows}")).expect("the model is in models.txt");
    let port = |name: &str| model.port(name).expect("a port of fe25519_mul_pair");
    let (valid, a, b) = (port("valid_i"), port("a_i"), port("b_i"));
    let outputs = [("valid_o", "r_o"), ("tiled_valid_o", "tiled_r_o")].map(|(v, r)| (port(v), port(r)));
    let (interval, latency) = (model.get(port("interval_o")), model.get(port("latency_o")));
    assert_eq!(interval, u64::from(11_u32.div_ceil(rows)));

    let mut waiting: VecDeque<_> = pairs(&mut rng).into();
    let mut expected = VecDeque::new();
    let mut next_start = 0;
    while !waiting.is_empty() || !expected.is_empty() {
        let start = model.cycles() >= next_start && !waiting.is_empty();
        model.set(valid, u64::from(start));
        if start {
            let (x, y) = waiting.pop_front().expect("not empty");
            model.set_bytes(a, &x.to_bytes_le());
            model.set_bytes(b, &y.to_bytes_le());
            expected.push_back((model.cycles() + latency, x * y % prime()));
            // Mostly back to back, sometimes a pause.
            let pause = if rng.random_ratio(1, 8) { rng.random_range(0..30) } else { 0 };
            next_start = model.cycles() + interval + pause;
        } else {
            model.set_bytes(a, &element(&mut rng).to_bytes_le());
            model.set_bytes(b, &element(&mut rng).to_bytes_le());
        }
        model.clock(1);
        let due = expected.front().is_some_and(|(at, _)| *at == model.cycles());
        let product = due.then(|| expected.pop_front().expect("not empty").1);
        for (valid_o, r) in outputs {
            assert_eq!(model.get(valid_o) == 1, due, "valid at cycle {}", model.cycles());
            if let Some(product) = &product {
                assert_eq!(&BigUint::from_bytes_le(&model.get_bytes(r)), product);
            }
        }
    }
}

#[test]
fn a_multiplier_of_one_row_gives_every_product_in_both_forms() {
    multiplies(1, 1);
}

#[test]
fn a_multiplier_of_two_rows_gives_every_product_in_both_forms() {
    multiplies(2, 2);
}

#[test]
fn a_multiplier_of_four_rows_gives_every_product_in_both_forms() {
    multiplies(4, 3);
}

#[test]
fn a_multiplier_of_eleven_rows_gives_every_product_in_both_forms() {
    multiplies(11, 4);
}

#[test]
fn the_add_lane_adds_and_subtracts_both_ways_and_tells_zero_and_odd() {
    let mut rng = SmallRng::seed_from_u64(5);
    let mut model = Model::new("fe25519_addsub").expect("the model is in models.txt");
    let port = |name: &str| model.port(name).expect("a port of fe25519_addsub");
    let [valid, op, a, b] = ["valid_i", "op_i", "a_i", "b_i"].map(port);
    let [valid_o, r, zero, odd] = ["valid_o", "r_o", "zero_o", "odd_o"].map(port);
    let p = prime();
    let mut expected = VecDeque::new();
    let mut work: VecDeque<_> = pairs(&mut rng).into_iter().map(|(x, y)| (rng.random_range(0..3_u64), x, y)).collect();
    // Numbers from outside, up to 2^255 - 1, are reduced by adding zero.
    work.extend((0_u32..19).map(|above| (0, &p + above, BigUint::ZERO)));
    while !work.is_empty() || !expected.is_empty() {
        let start = rng.random_ratio(7, 8) && !work.is_empty();
        model.set(valid, u64::from(start));
        if start {
            let (operation, x, y) = work.pop_front().expect("not empty");
            model.set(op, operation);
            model.set_bytes(a, &x.to_bytes_le());
            model.set_bytes(b, &y.to_bytes_le());
            let result = match operation {
                0 => (x + y) % &p,
                1 => (&p + x - y) % &p,
                _ => (&p + y - x) % &p,
            };
            expected.push_back((model.cycles() + 3, result));
        }
        model.clock(1);
        let due = expected.front().is_some_and(|(at, _)| *at == model.cycles());
        assert_eq!(model.get(valid_o) == 1, due);
        if due {
            let (_, result) = expected.pop_front().expect("not empty");
            assert_eq!(BigUint::from_bytes_le(&model.get_bytes(r)), result);
            assert_eq!(model.get(zero) == 1, result == BigUint::ZERO);
            assert_eq!(model.get(odd) == 1, result.bit(0));
        }
    }
}
