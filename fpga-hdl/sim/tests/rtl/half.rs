//! Half-size scalars: the choice of u and v, what follows from it on the curve, and the modules that compute them.

use crate::scalar::order;
use crate::stream::{Handshake, Stalls};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use num_bigint::{BigInt, BigUint};
use paxon_fpga_sim::{Model, Port};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;

/// Remainders below 2^HALF_BITS are short enough; cofactors have at most COFACTOR_BITS bits.
const HALF_BITS: u64 = 127;
const COFACTOR_BITS: u64 = 132;
/// DESIGN.md: each of the divisions with a quotient of b bits takes 2 b + 1 cycles.
const HALVE_CYCLES_MAX: u64 = 830;
/// The longest that the scalars below take.
const HALVE_CYCLES_FOUND: u64 = 600;

/// u = ±v h mod 8 l.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Half {
    u: BigUint,
    v: BigUint,
    negative: bool,
}

fn one() -> BigUint {
    BigUint::from(1_u8)
}

/// Euclid's algorithm with early stop; `HALF_BITS` says where.
fn halve(h: &BigUint) -> Half {
    let (mut r0, mut r1) = (order() * 8_u8, h.clone());
    let (mut t0, mut t1, mut negative) = (BigUint::ZERO, one(), false);
    loop {
        let short = r1.bits() <= HALF_BITS;
        if short && t1.bit(0) {
            return Half { u: r1, v: t1, negative };
        }
        let next_is_long = || (&t1 << (&r0 / &r1).bits()).bits() > COFACTOR_BITS;
        if short && (r0.bits() <= HALF_BITS + 2 || next_is_long()) {
            return Half { u: r0, v: t0, negative: !negative };
        }
        let quotient = &r0 / &r1;
        (r0, r1) = (r1.clone(), r0 - &quotient * r1);
        (t0, t1) = (t1.clone(), t0 + quotient * t1);
        negative = !negative;
    }
}

/// Scalars with chosen quotients: the first is at least 8, since h is below l.
fn with_quotients(quotients: impl Iterator<Item = u32>) -> BigUint {
    // 8 l / h is about the continued fraction: from its last convergent.
    let (mut p0, mut p1, mut q0, mut q1) = (BigUint::ZERO, one(), one(), BigUint::ZERO);
    for quotient in quotients {
        (p0, p1) = (p1.clone(), p1 * quotient + p0);
        (q0, q1) = (q1.clone(), q1 * quotient + q0);
        if p1.bits() > 250 {
            break;
        }
    }
    order() * 8_u8 * q1 / p1
}

/// Scalars where the choice is special, and random ones.
fn scalars(rng: &mut SmallRng, random: usize) -> Vec<BigUint> {
    let l = order();
    let mut all = vec![BigUint::ZERO, one(), BigUint::from(2_u8), &l - 1_u8, &l - 2_u8, &l / 2_u8, &l / 2_u8 + 1_u8];
    for bit in 0..252 {
        all.extend([one() << bit, (one() << bit) - 1_u8, (one() << bit) + 1_u8, &l - (one() << bit)]);
    }
    // Short vectors with an even cofactor: v h = u + 4 l for small u and v.
    for v in (5_u32..60).step_by(2) {
        for u in 0_u32..60 {
            let sum: BigUint = &l * 4_u8 + u;
            all.extend((&sum % v == BigUint::ZERO).then(|| sum / v));
        }
    }
    // Equal quotients, and two in turn.
    for a in [1_u32, 2, 3, 4, 5, 7, 8, 15, 16, 1 << 20, u32::MAX] {
        for b in [1_u32, 2, 3, 4, 1 << 20, u32::MAX] {
            all.extend(
                [8_u32, 9, 16].map(|first| with_quotients(std::iter::once(first).chain([a, b].into_iter().cycle()))),
            );
        }
    }
    // A long quotient at every place.
    for at in 0..90 {
        for long in [1_u32 << 8, 1 << 30] {
            let quotients = (0..).map(|place| {
                if place == 0 {
                    9
                } else if place == at {
                    long
                } else {
                    1 + place % 3
                }
            });
            all.push(with_quotients(quotients));
        }
    }
    all.extend((0..random).map(|_| {
        let bytes: [u8; 32] = rng.random();
        BigUint::from_bytes_le(&bytes) % &l
    }));
    all.retain(|h| *h < l);
    all
}

#[test]
fn half_size_scalars_are_a_quotient_with_an_odd_divisor() {
    let mut rng = SmallRng::seed_from_u64(30);
    let modulus = BigInt::from(order() * 8_u8);
    let (mut long, random) = (0, 5_000);
    for h in scalars(&mut rng, random) {
        let Half { u, v, negative } = halve(&h);
        let signed = if negative { -BigInt::from(v.clone()) } else { BigInt::from(v.clone()) };
        assert_eq!((BigInt::from(u.clone()) - signed * BigInt::from(h.clone())) % &modulus, BigInt::ZERO, "{h:x}");
        assert!(v.bit(0) && v.bits() <= COFACTOR_BITS && u <= h, "{h:x}");
        long += usize::from(u.bits().max(v.bits()) > HALF_BITS + 3);
    }
    println!("{long} scalars have halves of more than {} bits", HALF_BITS + 3);
}

fn scalar(number: &BigUint) -> Scalar {
    let mut bytes = [0; 32];
    let digits = (number % order()).to_bytes_le();
    bytes[..digits.len()].copy_from_slice(&digits);
    Scalar::from_bytes_mod_order(bytes)
}

/// Multiplies by the number itself: modulo l would lose it for a point with torsion.
fn times(number: &BigUint, point: EdwardsPoint) -> EdwardsPoint {
    let bits = (0..number.bits()).rev();
    bits.fold(EdwardsPoint::default(), |sum, bit| {
        sum + sum + if number.bit(bit) { point } else { EdwardsPoint::default() }
    })
}

#[test]
fn the_half_size_equation_holds_exactly_when_the_full_one_does() {
    let mut rng = SmallRng::seed_from_u64(31);
    let mut equal = 0;
    for (at, h) in scalars(&mut rng, 64).into_iter().step_by(7).enumerate() {
        let [a, s] = [(); 2].map(|()| scalar(&BigUint::from_bytes_le(&rng.random::<[u8; 32]>())));
        let key = ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[rng.random_range(0..8)];
        let full = ED25519_BASEPOINT_POINT * s - times(&h, key);
        let Half { u, v, negative } = halve(&h);
        for r in EIGHT_TORSION.map(|torsion| full + torsion).into_iter().chain([full + ED25519_BASEPOINT_POINT]) {
            let (base, key_part) = (ED25519_BASEPOINT_POINT * (scalar(&v) * s), times(&u, key));
            let key_part = if negative { -key_part } else { key_part };
            let holds = (base - key_part - times(&v, r)).is_identity();
            assert_eq!(holds, r == full, "{at}: {h:x}");
            equal += usize::from(holds);
        }
    }
    assert!(equal > 100, "{equal} equal cases");
}

/// Runs a module with one input handshake and one output handshake under random stalls; returns the outputs and the longest time
/// from an input to its output.
fn run(
    name: &str,
    inputs: &[&str],
    outputs: &[&str],
    feed: &[Vec<BigUint>],
    rng: &mut SmallRng,
) -> (Vec<Vec<BigUint>>, u64) {
    let mut model = Model::new(name).expect("the model is in models.txt");
    let ports = |names: &[&str]| -> Vec<Port> {
        names.iter().map(|port| model.port(port).expect("a port of the module")).collect()
    };
    let (inputs, outputs) = (ports(inputs), ports(outputs));
    let input = Handshake::new(&model, "valid_i", "ready_o");
    let output = Handshake::new(&model, "valid_o", "ready_i");
    let mut feed: VecDeque<_> = feed.iter().collect();
    let (mut results, mut total, mut longest) = (Vec::new(), feed.len(), 0);
    let (mut offering, mut feeding, mut taking) = (false, Stalls::new(), Stalls::new());
    let mut busy_since = None;
    while total > 0 {
        offering = !feed.is_empty() && (offering || feeding.go(rng));
        for (port, value) in inputs.iter().zip(feed.front().into_iter().flat_map(|values| values.iter())) {
            model.set_bytes(*port, &value.to_bytes_le());
        }
        input.offer(&mut model, offering);
        output.accept(&mut model, taking.go(rng));
        model.eval();
        if let Some(since) = busy_since.filter(|_| output.offered(&model)) {
            longest = longest.max(model.cycles() - since);
            busy_since = None;
        }
        if output.moves(&model) {
            results.push(outputs.iter().map(|port| BigUint::from_bytes_le(&model.get_bytes(*port))).collect());
            total -= 1;
        }
        if input.moves(&model) {
            feed.pop_front();
            offering = false;
            busy_since = Some(model.cycles());
        }
        model.clock(1);
        assert!(busy_since.is_none_or(|since| model.cycles() - since < 2_000), "{name} does not end");
    }
    (results, longest)
}

#[test]
fn scalars_are_halved_as_in_the_reference_within_the_bound() {
    let mut rng = SmallRng::seed_from_u64(32);
    // Every ninth scalar is to stay whole.
    let whole = |at: usize| BigUint::from(u8::from(at.is_multiple_of(9)));
    let feed: Vec<_> = scalars(&mut rng, 500).into_iter().enumerate().map(|(at, h)| vec![h, whole(at)]).collect();
    let inputs = ["scalar_i", "whole_i"];
    let (results, longest) = run("sc25519_halve", &inputs, &["u_o", "v_o", "v_negative_o"], &feed, &mut rng);
    for (input, result) in feed.iter().zip(results) {
        let whole = Half { u: input[0].clone(), v: one(), negative: false };
        let Half { u, v, negative } = if input[1] == one() { whole } else { halve(&input[0]) };
        assert_eq!(result, [u, v, BigUint::from(u8::from(negative))], "{:x}", input[0]);
    }
    println!("sc25519_halve: at most {longest} cycles for {} scalars, bound {HALVE_CYCLES_MAX}", feed.len());
    assert!(longest <= HALVE_CYCLES_FOUND.min(HALVE_CYCLES_MAX), "{longest} cycles");
}

#[test]
fn products_of_a_scalar_and_half_a_scalar_are_reduced() {
    let mut rng = SmallRng::seed_from_u64(33);
    let (l, top) = (order(), one() << COFACTOR_BITS);
    let mut numbers = vec![BigUint::ZERO, one(), &top - 1_u8, &top / 2_u8];
    numbers.extend((0..40).map(|_| BigUint::from_bytes_le(&rng.random::<[u8; 32]>()) % &top));
    let mut feed = Vec::new();
    for number in numbers {
        let random = BigUint::from_bytes_le(&rng.random::<[u8; 32]>()) % &l;
        let factors = [BigUint::ZERO, one(), &l - 1_u8, &l / 2_u8, one() << 252, random];
        let is_one = BigUint::from(u8::from(number == one()));
        feed.extend(factors.map(|factor| vec![number.clone(), factor, is_one.clone()]));
    }
    let inputs = ["number_i", "scalar_i", "one_i"];
    let (results, longest) = run("sc25519_mul", &inputs, &["product_o"], &feed, &mut rng);
    for (input, result) in feed.iter().zip(results) {
        assert_eq!(result, [&input[0] * &input[1] % &l], "{input:x?}");
    }
    assert!(longest <= 3 * COFACTOR_BITS + 3, "{longest} cycles");
}
