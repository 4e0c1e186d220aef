//! Would the edge cases tell a verifier with other rules? Each rule that is broken here has to be found out, and the rule as it
//! should be has to agree with the oracle throughout.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use paxon_fastpath::verify::Verdict;
use paxon_verify_conformance::{Case, edges, oracle};
use sha2::{Digest, Sha512};

/// As few cases as a slow model of the hardware takes.
const CASES: usize = 500;

/// What verifiers have been known to do otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slip {
    None,
    TakesKeysOfSmallOrder,
    TakesSmallR,
    TakesAnyS,
    MultipliesByTheCofactor,
    DropsWhatIsSmallInTheKey,
    ComparesWithoutTheSign,
    HashesTheMessageAlone,
    IgnoresTheLastByte,
}

fn valid(case: &Case, slip: Slip) -> bool {
    let decide = || -> Option<bool> {
        let key = CompressedEdwardsY::from_slice(&case.key).ok()?.decompress()?;
        let (r, s) = case.signature.split_first_chunk::<32>()?;
        let s: [u8; 32] = s.try_into().ok()?;
        let s = match slip {
            Slip::TakesAnyS => Scalar::from_bytes_mod_order(s),
            _ => Option::<Scalar>::from(Scalar::from_canonical_bytes(s))?,
        };
        let r_point = CompressedEdwardsY(*r).decompress()?;
        if (key.is_small_order() && slip != Slip::TakesKeysOfSmallOrder)
            || (r_point.is_small_order() && slip != Slip::TakesSmallR)
        {
            return Some(false);
        }
        let h = challenge(case, r, slip);
        let key = match slip {
            Slip::DropsWhatIsSmallInTheKey => key.mul_by_cofactor() * Scalar::from(8_u8).invert(),
            _ => key,
        };
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&h, &-key, &s);
        Some(match slip {
            Slip::MultipliesByTheCofactor => (expected - r_point).is_small_order(),
            Slip::ComparesWithoutTheSign => {
                let (mut ours, mut theirs) = (expected.compress().to_bytes(), *r);
                (ours[31], theirs[31]) = (ours[31] & 0x7f, theirs[31] & 0x7f);
                ours == theirs
            }
            _ => expected.compress().to_bytes() == *r,
        })
    };
    decide().unwrap_or(false)
}

fn challenge(case: &Case, r: &[u8; 32], slip: Slip) -> Scalar {
    let message = match slip {
        Slip::IgnoresTheLastByte => &case.message[..case.message.len().saturating_sub(1)],
        _ => &case.message,
    };
    let hash = match slip {
        Slip::HashesTheMessageAlone => Sha512::new().chain_update(message),
        _ => Sha512::new().chain_update(r).chain_update(&case.key).chain_update(message),
    };
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn found_out(slip: Slip) -> usize {
    let cases = edges::ed25519(3, CASES);
    cases.iter().filter(|case| valid(case, slip) != (oracle(case) == Verdict::Valid)).count()
}

#[test]
fn the_rule_as_it_should_be_agrees_with_the_oracle() {
    assert_eq!(found_out(Slip::None), 0);
}

#[test]
fn every_slip_is_found_out() {
    for slip in [
        Slip::TakesKeysOfSmallOrder,
        Slip::TakesSmallR,
        Slip::TakesAnyS,
        Slip::MultipliesByTheCofactor,
        Slip::DropsWhatIsSmallInTheKey,
        Slip::ComparesWithoutTheSign,
        Slip::HashesTheMessageAlone,
        Slip::IgnoresTheLastByte,
    ] {
        assert!(found_out(slip) > 0, "{CASES} edge cases do not tell a verifier that {slip:?}");
    }
}
