//! Whatever is not exactly what a registered key has signed for this place changes nothing.

mod support;

use paxon_fastpath::verify::Scheme;
use paxon_fastpath::{Command, Slot};
use paxon_signed::{Envelope, KeyId, Kind, Mode, Position, Refusal, RegistryCommand};
use support::*;

/// Has a command decided that must be refused for this reason, and nothing may have changed: neither the digest of machine,
/// registry and sessions nor the number, which the honest command still gets.
fn refused(replica: &mut Replica, position: Position, bytes: &[u8], why: Refusal) {
    let (before, entries) = (replica.service.digest(), replica.log().len());
    assert_eq!(replica.decide_one(position, bytes), why.into());
    assert_eq!((replica.service.digest(), replica.log().len()), (before, entries), "{why}");
}

#[test]
fn honest_commands_are_applied_once_and_without_their_envelopes() {
    let mut replica = Replica::honest();
    let bytes = client().command(at(1), b"hello");
    assert!(is_applied(&replica.decide_one(at(1), &bytes)));
    assert!(is_applied(&replica.decide_one(at(1), &bytes)), "a retry is answered");
    assert_eq!(replica.log(), [b"hello"]);
}

#[test]
fn every_single_flipped_bit_of_an_envelope_is_refused() {
    let mut replica = Replica::honest();
    let bytes = client().command(at(1), b"pay 5");
    let before = replica.service.digest();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(replica.decide_one(at(1), &altered), Told::Refused(_)), "bit {bit}");
    }
    assert_eq!(replica.service.digest(), before);
    assert!(is_applied(&replica.decide_one(at(1), &bytes)), "the number is still free");
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let mut replica = Replica::honest();
    let bytes = client().command(at(1), b"pay 5");
    for length in 0..bytes.len() {
        let told = replica.decide_one(at(1), &bytes[..length]);
        let why = if length < Mode::Signed(Scheme::Ed25519).overhead_bytes() {
            Refusal::Malformed
        } else {
            Refusal::BadSignature
        };
        assert_eq!(told, why.into(), "{length} bytes");
    }
    refused(&mut replica, at(1), &[&bytes[..], b"0"].concat(), Refusal::BadSignature);
    assert_eq!(replica.log().len(), 0);
}

#[test]
fn a_command_is_valid_in_its_session_position_and_cluster_only() {
    let mut replica = Replica::honest();
    let bytes = client().command(at(1), b"pay 5");
    let other_session = Position { session: SESSION * 2 + 1, sequence: 1 };
    assert!(is_applied(&replica.decide_one(other_session, &client().command(other_session, b"mine"))), "it is open");
    let next = Position { sequence: 2, ..other_session };
    refused(&mut replica, next, &bytes, Refusal::BadSignature);
    refused(&mut replica, at(2), &bytes, Refusal::BadSignature);
    refused(&mut replica, Position { session: 0, sequence: 1 }, &bytes, Refusal::NoSession);
    let elsewhere = signer_in(CLUSTER + 1, CLIENT, 7).command(at(1), b"pay 5");
    refused(&mut replica, at(1), &elsewhere, Refusal::BadSignature);
    assert!(is_applied(&replica.decide_one(at(1), &bytes)));
}

#[test]
fn a_key_signs_under_its_own_id_scheme_and_role_only() {
    let mut replica = Replica::honest();
    refused(&mut replica, at(1), &signer_in(CLUSTER, CLIENT, 8).command(at(1), b"x"), Refusal::BadSignature);
    refused(&mut replica, at(1), &signer_in(CLUSTER, KeyId(8), 7).command(at(1), b"x"), Refusal::UnknownKey);
    refused(&mut replica, at(1), &administrator().command(at(1), b"x"), Refusal::WrongRole);
    let grab = RegistryCommand::Revoke { id: ADMINISTRATOR };
    refused(&mut replica, at(1), &client().registry(at(1), &grab), Refusal::WrongRole);
    let envelope = Envelope {
        mode: Mode::Signed(Scheme::MlDsa44),
        kind: Kind::Command,
        key: CLIENT.0,
        expires: Slot::NONE,
        proof: &[0; 2420],
        payload: b"x",
    };
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes);
    refused(&mut replica, at(1), &bytes, Refusal::WrongScheme);
}

#[test]
fn a_signature_for_one_kind_is_none_for_another() {
    let mut replica = Replica::honest();
    let revoke = RegistryCommand::Revoke { id: CLIENT };
    let mut bytes = administrator().registry(at(1), &revoke);
    bytes[2] = Kind::Command as u8;
    refused(&mut replica, at(1), &bytes, Refusal::WrongRole);
    let mut bytes = client().command(at(1), &[9; 32]);
    bytes[2] = Kind::Handshake as u8;
    refused(&mut replica, at(1), &bytes, Refusal::BadSignature);
    refused(&mut replica, at(1), &administrator().registry(at(1), &revoke)[..95], Refusal::Malformed);
}

#[test]
fn a_command_that_expired_is_refused_from_the_slot_after_its_last() {
    let mut replica = Replica::honest();
    let last = replica.slot().0 + 3;
    let signer = client().expiring(Slot(last));
    assert!(is_applied(&replica.decide_one(at(1), &signer.command(at(1), b"early"))));
    replica.pass_until(last - 1);
    assert!(is_applied(&replica.decide_one(at(2), &signer.command(at(2), b"in time"))));
    refused(&mut replica, at(3), &signer.command(at(3), b"late"), Refusal::ExpiredCommand);
}

#[test]
fn arbitrary_bytes_are_refused_in_the_middle_of_honest_ones() {
    let mut replica = Replica::honest();
    let honest: Vec<_> = (1..=8).map(|sequence| client().command(at(sequence), b"honest")).collect();
    let garbage = [&[][..], &[1], &[1; 16], &[1, 1, 1, 0], &[0xff; 200], &honest[1]];
    let mut commands = Vec::new();
    for (sequence, bytes) in (1..).zip(&honest) {
        for noise in garbage {
            commands.push(Command { session: SESSION, sequence: sequence + 100, payload: noise });
        }
        commands.push(Command { session: SESSION, sequence, payload: bytes });
    }
    let told = replica.decide(&commands);
    assert_eq!(told.iter().filter(|told| is_applied(told)).count(), honest.len());
    assert_eq!(replica.log().len(), honest.len());
    assert_eq!(replica.service.refused(), (garbage.len() * honest.len()) as u64);
}

#[test]
fn the_machine_inside_refuses_what_is_authentic_with_codes_of_its_own() {
    let mut replica = Replica::honest();
    assert_eq!(replica.decide_one(at(1), &client().command(at(1), UNWANTED)), Told::Refused(99));
    assert_eq!(Refusal::from_code(99), None);
}

#[test]
fn verifiers_of_any_diligence_come_to_the_same_verdicts() {
    let transcripts = [Diligence::Prompt, Diligence::Slow, Diligence::Full, Diligence::Silent].map(|diligence| {
        let mut replica = Replica::new(&genesis(), diligence);
        let mut told = Vec::new();
        for round in 0..6 {
            let batch: Vec<_> = (1..=5)
                .map(|at| round * 5 + at)
                .map(|sequence| {
                    let mut bytes = client().command(at(sequence), &sequence.to_le_bytes());
                    if sequence.is_multiple_of(3) {
                        let last = bytes.len() - 1;
                        bytes[last] ^= 1;
                    }
                    (sequence, bytes)
                })
                .collect();
            let commands: Vec<_> = batch
                .iter()
                .map(|(sequence, payload)| Command { session: SESSION, sequence: *sequence, payload })
                .collect();
            told.extend(replica.decide(&commands));
        }
        (told, replica.service.digest())
    });
    assert!(transcripts.iter().all(|transcript| *transcript == transcripts[0]));
    assert_eq!(transcripts[0].0.iter().filter(|told| is_applied(told)).count(), 20);
}
