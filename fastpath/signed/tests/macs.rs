//! MAC sessions: begun by a signature, then commands at the speed of a hash.

mod support;

use paxon_fastpath::Slot;
use paxon_signed::{
    Authenticated, Genesis, Handshake, HandshakeError, MacSecret, MacSigner, Position, Refusal, RegistryCommand, Setup,
    SetupError,
};
use support::*;

fn begin(replica: &mut Replica, sequence: u64) -> MacSigner {
    let (handshake, bytes) =
        Handshake::begin(&genesis(), &client(), at(sequence), [sequence as u8; 32]).expect("offered");
    let Told::Applied(reply) = replica.decide_one(at(sequence), &bytes) else { panic!("refused") };
    handshake.finish(&reply).expect("a reply to a handshake")
}

#[test]
fn commands_of_a_mac_session_are_applied() {
    let mut replica = Replica::honest();
    let mac = begin(&mut replica, 1);
    assert_eq!((mac.session(), replica.service.machine().keyring().mac_sessions()), (SESSION, 1));
    assert!(is_applied(&replica.decide_one(at(2), &mac.command(2, b"fast"))));
    assert_eq!(replica.log(), [b"fast"]);
}

#[test]
fn every_single_flipped_bit_and_every_other_place_is_refused() {
    let mut replica = Replica::honest();
    let mac = begin(&mut replica, 1);
    let bytes = mac.command(2, b"fast");
    let before = replica.service.digest();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(replica.decide_one(at(2), &altered), Told::Refused(_)), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(matches!(replica.decide_one(at(2), &bytes[..length]), Told::Refused(_)), "{length} bytes");
    }
    assert_eq!(replica.decide_one(at(3), &bytes), Refusal::BadMac.into());
    let elsewhere = Position { session: SESSION * 2 + 1, sequence: 2 };
    assert_eq!(replica.decide_one(elsewhere, &bytes), Refusal::UnknownMacSession.into());
    assert_eq!(replica.decide_one(at(2), &mac.expiring(Slot(1)).command(2, b"late")), Refusal::ExpiredCommand.into());
    assert_eq!(replica.service.digest(), before);
    assert!(is_applied(&replica.decide_one(at(2), &bytes)));
}

#[test]
fn a_mac_session_ends_with_its_key() {
    for end in [
        RegistryCommand::Revoke { id: CLIENT },
        RegistryCommand::Rotate { id: CLIENT, key: public(8), expires: Slot::NONE },
    ] {
        let mut replica = Replica::honest();
        let mac = begin(&mut replica, 1);
        assert!(is_applied(&replica.administer(2, &end)));
        assert_eq!(replica.decide_one(at(3), &mac.command(3, b"fast")), Refusal::UnknownMacSession.into());
    }
}

#[test]
fn a_handshake_takes_a_client_key_and_an_honest_ephemeral_key() {
    let mut replica = Replica::honest();
    let (_, bytes) = Handshake::begin(&genesis(), &administrator(), at(1), [9; 32]).expect("offered");
    assert_eq!(replica.decide_one(at(1), &bytes), Refusal::WrongRole.into());
    let (_, bytes) = Handshake::begin(&genesis(), &signer_in(CLUSTER, CLIENT, 9), at(1), [9; 32]).expect("offered");
    assert_eq!(replica.decide_one(at(1), &bytes), Refusal::BadSignature.into());
    assert_eq!(replica.service.machine().keyring().mac_sessions(), 0);
}

#[test]
fn without_a_cluster_key_there_are_no_mac_sessions() {
    let bare = Genesis { mac_key: None, ..genesis() };
    let error = Handshake::begin(&bare, &client(), at(1), [1; 32]).expect_err("not offered");
    assert_eq!(error, HandshakeError::NotOffered);
    let mut replica = Replica::new(&bare, Diligence::Prompt);
    let (_, bytes) = Handshake::begin(&genesis(), &client(), at(1), [1; 32]).expect("offered elsewhere");
    assert_eq!(replica.decide_one(at(1), &bytes), Refusal::MacDisabled.into());
}

#[test]
fn a_replica_without_the_right_secret_is_not_made() {
    let problem = |mac_secret, genesis: &Genesis| {
        let verifier = Worker::new(Diligence::Prompt);
        let setup = Setup { genesis, mac_secret, verifier, software: strict, sample_salt: [0; 32] };
        match Authenticated::new(Log::default(), setup) {
            Err(SetupError::MacSecret { problem }) => problem,
            other => panic!("{other:?}"),
        }
    };
    let secret = |fill| Some(MacSecret::from_bytes([fill; 32]));
    assert!(problem(None, &genesis()).contains("there is no secret"));
    assert!(problem(secret(1), &genesis()).contains("another key"));
    assert!(problem(secret(1), &Genesis { mac_key: None, ..genesis() }).contains("offers no MAC"));
}
