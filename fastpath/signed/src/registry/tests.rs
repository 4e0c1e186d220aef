use super::*;
use crate::bytes::seal;
use crate::genesis::Genesis;
use crate::mac::{MacSession, MacSessions};
use proptest::prelude::*;

fn key(scheme: Scheme, fill: u8) -> PublicKey {
    PublicKey::new(scheme, &vec![fill; scheme.key_bytes()]).expect("the length is right")
}

fn schemes() -> impl Strategy<Value = Scheme> {
    prop::sample::select(&Scheme::ALL[..])
}

fn commands() -> impl Strategy<Value = RegistryCommand> {
    let id = any::<u32>().prop_map(KeyId);
    let expires = any::<u64>().prop_map(Slot);
    (0..3, id, schemes(), any::<u8>(), 1u8..4, expires).prop_map(|(which, id, scheme, fill, roles, expires)| {
        let key = key(scheme, fill);
        match which {
            0 => {
                let roles = Roles::from_bits(roles).expect("known bits");
                RegistryCommand::Add { id, entry: KeyEntry::new(key, roles, expires) }
            }
            1 => RegistryCommand::Rotate { id, key, expires },
            _ => RegistryCommand::Revoke { id },
        }
    })
}

fn founded() -> Genesis {
    Genesis::new(1).with_key(KeyId(1), key(Scheme::Ed25519, 1), Roles::ADMINISTRATOR)
}

proptest! {
    #[test]
    fn a_command_survives_its_bytes_and_no_prefix_is_one(command in commands()) {
        let bytes = command.encode();
        prop_assert_eq!(RegistryCommand::decode(&bytes), Ok(command));
        for length in 0..bytes.len() {
            prop_assert!(RegistryCommand::decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_panic_nobody_and_what_decodes_has_one_encoding(
        head in prop::collection::vec(0u8..4, 0..4), tail in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let bytes = [head, tail].concat();
        if let Ok(command) = RegistryCommand::decode(&bytes) {
            prop_assert_eq!(command.encode(), bytes);
        }
    }

    #[test]
    fn a_registry_survives_its_bytes_whatever_was_done_to_it(history in prop::collection::vec(commands(), 0..30)) {
        let genesis = founded();
        let mut registry = genesis.registry();
        for command in &history {
            registry.execute(Slot(1), command);
        }
        let mut macs = MacSessions::new(genesis.mac_sessions_max as usize, 5);
        macs.begin(MacSession::new(KeyId(1), 2, [3; 32]));
        let mut bytes = Vec::new();
        encode(&genesis.digest(), &registry, &macs, &mut bytes);
        let saved = decode(&genesis, &bytes).expect("its own bytes");
        prop_assert_eq!(&saved.registry, &registry);
        let mut again = Vec::new();
        encode(&genesis.digest(), &saved.registry, &saved.macs, &mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn arbitrary_content_with_a_right_checksum_panics_nobody(tail in prop::collection::vec(0u8..8, 0..200)) {
        let genesis = founded();
        let mut bytes = [&b"PXNKEYS1"[..], &genesis.digest(), &tail].concat();
        seal(&mut bytes, 0);
        if let Ok(saved) = decode(&genesis, &bytes) {
            let mut again = Vec::new();
            encode(&genesis.digest(), &saved.registry, &saved.macs, &mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn what_is_wrong_with_saved_bytes_is_said() {
    let genesis = founded();
    let mut bytes = Vec::new();
    encode(&genesis.digest(), &genesis.registry(), &MacSessions::new(1, 1), &mut bytes);
    let small = Genesis { keys_max: 1, ..founded() };
    let says = |genesis: &Genesis, bytes: &[u8]| decode(genesis, bytes).expect_err("refused").to_string();
    assert!(says(&genesis, &bytes[..bytes.len() - 1]).contains("checksum"));
    assert!(says(&small, &bytes).contains("another genesis"));
    let mut other = bytes[..bytes.len() - 32].to_vec();
    other[0] = b'Q';
    seal(&mut other, 0);
    assert!(says(&genesis, &other).contains("not a key registry"));
    let mut crowded = genesis.registry();
    crowded.execute(Slot(1), &RegistryCommand::Add { id: KeyId(2), entry: founded().keys[&KeyId(1)].clone() });
    let mut bytes = Vec::new();
    encode(&small.digest(), &crowded, &MacSessions::new(1, 1), &mut bytes);
    assert!(says(&small, &bytes).contains("holds 2 keys"));
}
