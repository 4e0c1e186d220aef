//! Scalars: reduction of a digest, and recoding into signed digits.

use crate::stream::{Handshake, Stalls};
use num_bigint::{BigInt, BigUint};
use paxon_fpga_sim::Model;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;

/// The order of the base point.
pub fn order() -> BigUint {
    (BigUint::from(1_u8) << 252) + 27_742_317_777_372_353_535_851_937_790_883_648_493_u128
}

fn wide_numbers(rng: &mut SmallRng) -> Vec<BigUint> {
    let (order, top) = (order(), BigUint::from(1_u8) << 512);
    let mut all = vec![BigUint::ZERO, BigUint::from(1_u8), &top - 1_u8];
    for multiple in [&order * 1_u8, &order * 2_u8, &top / &order * &order, (&top / &order / 2_u8) * &order] {
        all.extend([&multiple - 1_u8, multiple.clone(), &multiple + 1_u8]);
    }
    all.extend([251_u32, 252, 253, 259, 260, 261, 511].map(|bit| BigUint::from(1_u8) << bit));
    all.extend((0..200).map(|_| {
        let mut bytes = [0_u8; 64];
        rng.fill(&mut bytes);
        BigUint::from_bytes_le(&bytes)
    }));
    all
}

#[test]
fn digests_are_reduced_modulo_the_group_order() {
    let mut rng = SmallRng::seed_from_u64(9);
    let mut model = Model::new("sc25519_reduce").expect("the model is in models.txt");
    let [wide, scalar] = ["wide_i", "scalar_o"].map(|name| model.port(name).expect("a port of sc25519_reduce"));
    let input = Handshake::new(&model, "valid_i", "ready_o");
    let output = Handshake::new(&model, "valid_o", "ready_i");
    let mut feed: VecDeque<_> = wide_numbers(&mut rng).into();
    let mut expected: VecDeque<_> = feed.iter().map(|number| number % order()).collect();
    let (mut offering, mut feeding, mut taking) = (false, Stalls::new(), Stalls::new());
    while !expected.is_empty() {
        offering = !feed.is_empty() && (offering || feeding.go(&mut rng));
        if offering {
            model.set_bytes(wide, &feed[0].to_bytes_le());
        }
        input.offer(&mut model, offering);
        output.accept(&mut model, taking.go(&mut rng));
        model.eval();
        if output.moves(&model) {
            assert_eq!(BigUint::from_bytes_le(&model.get_bytes(scalar)), expected.pop_front().expect("not empty"));
        }
        if input.moves(&model) {
            feed.pop_front();
            offering = false;
        }
        model.clock(1);
    }
}

/// Recodes and returns the digits of the width for points and of that for the base point.
fn digits(model: &mut Model, scalar: &BigUint, rng: &mut SmallRng) -> [Vec<i64>; 2] {
    let port = |model: &Model, name: &str| model.port(name).expect("a port of sc25519_digits");
    let (load, number, step) = (port(model, "load_i"), port(model, "scalar_i"), port(model, "step_i"));
    let outputs = ["point", "base"]
        .map(|side| ["nonzero", "negative", "index"].map(|what| port(model, &format!("{side}_{what}_o"))));
    model.set(load, 1);
    model.set_bytes(number, &scalar.to_bytes_le());
    model.clock(1);
    model.set(load, 0);
    let mut digits = [Vec::new(), Vec::new()];
    while digits[0].len() < 256 {
        let go = rng.random_ratio(3, 4);
        model.set(step, u64::from(go));
        for (digits, [nonzero, negative, index]) in digits.iter_mut().zip(outputs).filter(|_| go) {
            let magnitude = model.get(nonzero) as i64 * (2 * model.get(index) as i64 + 1);
            digits.push(if model.get(negative) == 1 { -magnitude } else { magnitude });
        }
        model.clock(1);
    }
    digits
}

#[test]
fn recoded_scalars_have_sparse_odd_digits_and_the_same_value() {
    let mut rng = SmallRng::seed_from_u64(10);
    let mut model = Model::new("sc25519_digits").expect("the model is in models.txt");
    let mut scalars: Vec<_> = wide_numbers(&mut rng).into_iter().map(|number| number % order()).collect();
    scalars.push((BigUint::from(1_u8) << 253) - 1_u8);
    for scalar in scalars {
        for (digits, width) in digits(&mut model, &scalar, &mut rng).into_iter().zip([4, 8]) {
            let value = digits.iter().rev().fold(BigInt::ZERO, |sum, digit| sum * 2 + *digit);
            assert_eq!(value, BigInt::from(scalar.clone()));
            assert!(digits.iter().all(|digit| *digit == 0 || digit % 2 != 0 && digit.abs() < 1 << (width - 1)));
            assert!(digits.windows(width).all(|window| window.iter().filter(|digit| **digit != 0).count() <= 1));
        }
    }
}
