//! Who verifies what, and what a leader's screen saves its machine.

mod support;

use paxon_fastpath::{Command, Slot};
use paxon_signed::{Candidate, Fault, Genesis, Policy, Refusal, RegistryCommand, Screen, Screened};
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::*;

fn forged(sequence: u64) -> Vec<u8> {
    signer_in(CLUSTER, CLIENT, 8).command(at(sequence), b"forged")
}

fn with(policy: Policy) -> Replica {
    Replica::new(&Genesis { policy, ..genesis() }, Diligence::Prompt)
}

#[test]
fn under_leader_the_others_trust_in_signatures_of_commands_and_in_nothing_else() {
    let mut replica = with(Policy::Leader);
    assert!(is_applied(&replica.decide_one(at(1), &forged(1))), "that is what the policy says");
    let revoke = RegistryCommand::Revoke { id: CLIENT };
    let bytes = signer_in(CLUSTER, ADMINISTRATOR, 9).registry(at(2), &revoke);
    assert_eq!(replica.decide_one(at(2), &bytes), Refusal::BadSignature.into());
    assert_eq!(replica.decide_one(at(2), b"garbage"), Refusal::Malformed.into());
}

#[test]
fn a_sample_that_finds_a_forged_command_stops_the_replica_and_says_why() {
    let mut replica = with(Policy::Sampled { per_mille: 1000 });
    assert!(is_applied(&replica.decide_one(at(1), &client().command(at(1), b"honest"))));
    let keyring = replica.service.machine().keyring();
    let applied = replica.service.applied();
    let stopped = catch_unwind(AssertUnwindSafe(|| replica.decide_one(at(2), &forged(2))));
    assert!(stopped.is_err());
    assert_eq!(replica.service.applied(), applied, "the slot was not announced as applied");
    let fault = keyring.fault().expect("it says why");
    assert!(matches!(fault, Fault::ForgedInSample { sequence: 2, key: CLIENT, .. }), "{fault}");
}

#[test]
fn a_sample_is_as_large_as_it_was_said() {
    let mut replica = with(Policy::Sampled { per_mille: 100 });
    for sequence in 1..=1000 {
        assert!(is_applied(&replica.decide_one(at(sequence), &client().command(at(sequence), b"honest"))));
    }
    let machine = replica.service.machine().keyring();
    assert_eq!(machine.counters().accepted(), 1000);
    let mut lax = with(Policy::Sampled { per_mille: 1 });
    let escaped = (1..=50).filter(|sequence| {
        catch_unwind(AssertUnwindSafe(|| lax.decide_one(at(*sequence), &forged(*sequence))))
            .is_ok_and(|told| is_applied(&told))
    });
    assert!(escaped.count() > 30, "most of them are not looked at");
}

fn screened(screen: &mut Screen<Worker>, next: Slot, bytes: &[(u64, Vec<u8>)]) -> Vec<Screened> {
    let candidates: Vec<_> = bytes
        .iter()
        .map(|(sequence, payload)| Candidate {
            token: *sequence,
            command: Command { session: SESSION, sequence: *sequence, payload },
        })
        .collect();
    let (mut taken, mut verdicts) = (0, Vec::new());
    for _ in 0..10_000 {
        taken += screen.submit(next, &candidates[taken..]);
        screen.poll(&mut verdicts);
    }
    assert_eq!((taken, screen.under_way()), (bytes.len(), 0));
    verdicts.sort_by_key(|screened| screened.token);
    verdicts
}

#[test]
fn a_screen_comes_to_the_verdicts_of_the_machine_which_need_not_verify_again() {
    for diligence in [Diligence::Prompt, Diligence::Slow, Diligence::Full] {
        let mut replica = Replica::honest();
        let keyring = replica.service.machine().keyring();
        let mut screen = Screen::new(keyring.clone(), Worker::new(diligence), strict);
        let mut commands: Vec<_> =
            (1..=200).map(|sequence| (sequence, client().command(at(sequence), b"honest"))).collect();
        for (sequence, bytes) in commands.iter_mut().filter(|(sequence, _)| sequence.is_multiple_of(4)) {
            *bytes = if sequence.is_multiple_of(8) { forged(*sequence) } else { bytes[..40].to_vec() };
        }
        let verdicts = screened(&mut screen, replica.slot().next(), &commands);
        for (Screened { token, verdict }, (sequence, bytes)) in verdicts.iter().zip(&commands) {
            assert_eq!(token, sequence);
            let told = replica.decide_one(at(*sequence), bytes);
            match verdict {
                Ok(()) => assert!(is_applied(&told)),
                Err(refusal) => assert_eq!(told, (*refusal).into()),
            }
        }
        assert_eq!((screen.counters().accepted(), screen.counters().refused_in_all()), (150, 50));
        assert_eq!(keyring.counters().known(), 150, "{diligence:?}");
    }
}

#[test]
fn what_a_screen_has_verified_does_not_outlive_the_key() {
    for (change, why) in [
        (RegistryCommand::Revoke { id: CLIENT }, Refusal::RevokedKey),
        (RegistryCommand::Rotate { id: CLIENT, key: public(8), expires: Slot::NONE }, Refusal::BadSignature),
        (RegistryCommand::Rotate { id: CLIENT, key: public(8), expires: Slot(1) }, Refusal::ExpiredKey),
    ] {
        let mut replica = Replica::honest();
        let mut screen = Screen::new(replica.service.machine().keyring(), Worker::new(Diligence::Prompt), strict);
        let bytes = client().command(at(2), b"screened in time");
        let verdicts = screened(&mut screen, replica.slot().next(), &[(2, bytes.clone())]);
        assert_eq!(verdicts, [Screened { token: 2, verdict: Ok(()) }]);
        assert!(is_applied(&replica.administer(1, &change)));
        assert_eq!(replica.decide_one(at(2), &bytes), why.into());
    }
}

#[test]
fn what_the_leader_vets_gets_the_verdict_of_the_slot_and_is_not_verified_twice() {
    for diligence in [Diligence::Prompt, Diligence::Slow, Diligence::Full, Diligence::Silent] {
        let mut replica = Replica::new(&genesis(), diligence);
        for sequence in 1..=8 {
            let bytes = match sequence % 4 {
                0 => forged(sequence),
                1 => b"garbage".to_vec(),
                _ => client().command(at(sequence), b"honest"),
            };
            let vetted = replica.vet(at(sequence), &bytes);
            match replica.decide_one(at(sequence), &bytes) {
                Told::Refused(code) => assert_eq!(vetted, Err(code)),
                told => assert!(is_applied(&told) && vetted == Ok(()), "{told:?}"),
            }
        }
        let keyring = replica.service.machine().keyring();
        let vetted = keyring.vetted();
        assert_eq!((vetted.accepted(), vetted.refused_in_all()), (4, 4));
        let on_the_spot = vetted.on_the_spot() + keyring.counters().on_the_spot();
        let answers = matches!(diligence, Diligence::Prompt | Diligence::Slow);
        assert_eq!(on_the_spot, if answers { 0 } else { 6 }, "{diligence:?}: once for each signature");
    }
}

#[test]
fn a_command_that_the_machine_inside_will_refuse_is_not_proposed_and_sessions_are_opened_unvetted() {
    let mut replica = Replica::honest();
    assert_eq!(replica.vet(at(1), &client().command(at(1), UNWANTED)), Err(99));
    assert_eq!(replica.service.vet(&Command::open_session()), Some(Ok(())));
}
