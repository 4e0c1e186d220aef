//! The life of keys: added, rotated, expired, revoked, by administrators only.

mod support;

use paxon_fastpath::Slot;
use paxon_signed::{Genesis, KeyEntry, KeyId, KeyState, Refusal, RegistryCommand, RegistryReply, Roles};
use support::*;

const NEW: KeyId = KeyId(20);

fn add(id: KeyId, seed: u8, expires: Slot) -> RegistryCommand {
    RegistryCommand::Add { id, entry: KeyEntry::new(public(seed), Roles::CLIENT, expires) }
}

fn said(reply: RegistryReply) -> Told {
    Told::Applied(vec![reply as u8])
}

#[test]
fn an_added_key_counts_from_the_next_command_on() {
    let mut replica = Replica::honest();
    let bytes = signer_in(CLUSTER, NEW, 20).command(at(2), b"new");
    assert_eq!(replica.decide_one(at(2), &bytes), Refusal::UnknownKey.into());
    assert_eq!(replica.administer(1, &add(NEW, 20, Slot::NONE)), said(RegistryReply::Done));
    assert!(is_applied(&replica.decide_one(at(2), &bytes)));
}

#[test]
fn a_rotated_key_no_longer_counts_even_for_what_it_had_signed_and_was_verified_before() {
    let mut replica = Replica::honest();
    let old = client().command(at(5), b"old");
    assert!(is_applied(&replica.decide_one(at(4), &client().command(at(4), b"before"))));
    // A slot in which the command is announced, and verified, under the old key before the record that rotates it is applied.
    let rotate = RegistryCommand::Rotate { id: CLIENT, key: public(8), expires: Slot::NONE };
    let rotation = administrator().registry(at(1), &rotate);
    let told = replica.decide(&[
        paxon_fastpath::Command { session: SESSION, sequence: 1, payload: &rotation },
        paxon_fastpath::Command { session: SESSION, sequence: 5, payload: &old },
    ]);
    assert_eq!(told, [said(RegistryReply::Done), Refusal::BadSignature.into()]);
    let new = signer_in(CLUSTER, CLIENT, 8).command(at(5), b"new");
    assert!(is_applied(&replica.decide_one(at(5), &new)));
    assert_eq!(replica.log(), [&b"before"[..], b"new"]);
    let entry = replica.service.machine().keyring().key(CLIENT).expect("it is there");
    assert_eq!((entry.rotations, entry.key), (1, public(8)));
}

#[test]
fn a_revoked_key_is_refused_within_the_same_record_and_its_id_is_used_up() {
    let mut replica = Replica::honest();
    let revocation = administrator().registry(at(1), &RegistryCommand::Revoke { id: CLIENT });
    let bytes = client().command(at(2), b"too late");
    let told = replica.decide(&[
        paxon_fastpath::Command { session: SESSION, sequence: 1, payload: &revocation },
        paxon_fastpath::Command { session: SESSION, sequence: 2, payload: &bytes },
    ]);
    assert_eq!(told, [said(RegistryReply::Done), Refusal::RevokedKey.into()]);
    assert_eq!(replica.administer(3, &add(CLIENT, 9, Slot::NONE)), said(RegistryReply::KeyExists));
    let rotate = RegistryCommand::Rotate { id: CLIENT, key: public(8), expires: Slot::NONE };
    assert_eq!(replica.administer(4, &rotate), said(RegistryReply::KeyRevoked));
    assert_eq!(replica.administer(5, &RegistryCommand::Revoke { id: CLIENT }), said(RegistryReply::KeyRevoked));
    assert!(replica.log().is_empty());
}

#[test]
fn a_key_expires_after_its_last_slot_and_rotation_revives_it() {
    let mut replica = Replica::honest();
    let last = Slot(replica.slot().0 + 4);
    assert_eq!(replica.administer(1, &add(NEW, 20, last)), said(RegistryReply::Done));
    let signer = signer_in(CLUSTER, NEW, 20);
    replica.pass_until(last.0 - 1);
    assert!(is_applied(&replica.decide_one(at(2), &signer.command(at(2), b"in time"))));
    assert_eq!(replica.decide_one(at(3), &signer.command(at(3), b"late")), Refusal::ExpiredKey.into());
    let keyring = replica.service.machine().keyring();
    assert_eq!(keyring.key(NEW).map(|entry| entry.state(replica.slot())), Some(KeyState::Expired));
    let rotate = RegistryCommand::Rotate { id: NEW, key: public(21), expires: Slot::NONE };
    assert_eq!(replica.administer(4, &rotate), said(RegistryReply::Done));
    let renewed = signer_in(CLUSTER, NEW, 21).command(at(3), b"again");
    assert!(is_applied(&replica.decide_one(at(3), &renewed)));
}

#[test]
fn administrators_cannot_lock_everybody_out_or_fill_the_registry_beyond_its_limit() {
    let mut replica = Replica::new(&Genesis { keys_max: 3, ..genesis() }, Diligence::Prompt);
    let revoke = RegistryCommand::Revoke { id: ADMINISTRATOR };
    assert_eq!(replica.administer(1, &revoke), said(RegistryReply::LastAdministrator));
    let second = KeyEntry::new(public(2), Roles::ADMINISTRATOR, Slot::NONE);
    let add_second = RegistryCommand::Add { id: KeyId(2), entry: second };
    assert_eq!(replica.administer(2, &add_second), said(RegistryReply::Done));
    assert_eq!(replica.administer(3, &add(NEW, 20, Slot::NONE)), said(RegistryReply::RegistryFull));
    assert_eq!(replica.administer(4, &RegistryCommand::Revoke { id: KeyId(99) }), said(RegistryReply::NoSuchKey));
    assert_eq!(replica.administer(5, &revoke), said(RegistryReply::Done));
    assert_eq!(replica.administer(6, &add(NEW, 20, Slot::NONE)), Refusal::RevokedKey.into());
}

#[test]
fn refusals_are_counted_by_their_reasons() {
    let mut replica = Replica::honest();
    replica.decide_one(at(1), b"garbage");
    replica.decide_one(at(1), &signer_in(CLUSTER, KeyId(99), 1).command(at(1), b"x"));
    replica.decide_one(at(1), &client().command(at(1), b"x"));
    let keyring = replica.service.machine().keyring();
    let counters = keyring.counters();
    assert_eq!(counters.accepted(), 1);
    assert_eq!((counters.refused(Refusal::Malformed), counters.refused(Refusal::UnknownKey)), (1, 1));
    assert_eq!((counters.refused_in_all(), replica.service.refused()), (2, 2));
}
