//! Keys in files and as text, rosters and identities: what is accepted, and what is said about the rest.

mod town;

use paxon_channel::{
    Identity, IdentityError, KeyError, Party, PrivateKey, PublicKey, PublicKeyError, Roster, RosterError, Security,
};
use paxon_fastpath::ReplicaId;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use town::{KeyRing, R0, R1, Town, long_ago};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("paxon-keys-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("changed");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_key_is_read_as_it_was_written_and_by_its_owner_only() {
    let folder = Folder::new("written");
    let path = folder.0.join("key");
    let key = PrivateKey::generate().expect("random numbers");
    key.write_new(&path).expect("a new file");
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&path).expect("text");
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n") && text.ends_with("-----END PRIVATE KEY-----\n"));
    assert!(text.lines().all(|line| line.len() <= 64));
    assert_eq!(PrivateKey::read(&path).expect("the key").public(), key.public());
    assert!(!format!("{key:?}").contains(text.lines().nth(1).expect("a body")));
}

#[test]
fn a_key_file_is_never_overwritten() {
    let folder = Folder::new("overwritten");
    let path = folder.file("key", "precious");
    let key = PrivateKey::generate().expect("random numbers");
    let error = key.write_new(&path).expect_err("it is there");
    assert!(matches!(&error, KeyError::File { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists));
    assert_eq!(std::fs::read_to_string(&path).expect("text"), "precious");
}

#[test]
fn a_key_that_others_may_read_is_refused_with_what_to_do() {
    let folder = Folder::new("modes");
    let key = PrivateKey::generate().expect("random numbers");
    for (name, mode, is_fine) in [("a", 0o400, true), ("b", 0o600, true), ("c", 0o640, false), ("d", 0o604, false)] {
        let path = folder.0.join(name);
        key.write_new(&path).expect("a new file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
        match PrivateKey::read(&path) {
            Ok(_) => assert!(is_fine, "{mode:o}"),
            Err(error) => {
                assert!(!is_fine && matches!(error, KeyError::Permissions { .. }));
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
    }
}

/// `openssl genpkey -algorithm ed25519`, the example of RFC 8410, section 10.3: version 1, without the public half.
#[test]
fn a_key_made_by_openssl_is_read() {
    let folder = Folder::new("openssl");
    let text = "some text before\n-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\nand after\n";
    let key = PrivateKey::read(folder.file("key", text)).expect("an Ed25519 key");
    assert_eq!(key.public().to_string(), "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
}

#[test]
fn what_is_no_key_is_refused() {
    let folder = Folder::new("garbage");
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n";
    let end = "-----END PRIVATE KEY-----\n";
    let texts = [
        "",
        "-----BEGIN PRIVATE KEY-----\n",
        key,
        &format!("{end}{key}"),
        &format!("-----BEGIN PRIVATE KEY-----\n{end}"),
        &format!("-----BEGIN PRIVATE KEY-----\n!!!!\n{end}"),
        &format!("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n{end}"),
        &"x".repeat(1 << 20),
    ];
    for text in texts {
        assert!(matches!(PrivateKey::read(folder.file("key", text)), Err(KeyError::NotAKey { .. })), "{text:.40}");
    }
    std::fs::write(folder.0.join("key"), [0xff; 100]).expect("written");
    assert!(matches!(PrivateKey::read(folder.0.join("key")), Err(KeyError::NotAKey { .. })));
    assert!(matches!(PrivateKey::read(folder.0.join("none")), Err(KeyError::File { .. })));
    assert!(PrivateKey::read(&folder.0).is_err(), "a folder");
}

#[test]
fn public_keys_that_are_none_are_refused() {
    let good = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    assert!(good.parse::<PublicKey>().is_ok());
    for text in ["", "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "rsa:Gb9E", "ED25519:Gb9E"] {
        assert!(matches!(text.parse::<PublicKey>(), Err(PublicKeyError::Prefix { .. })), "{text}");
    }
    for text in ["ed25519:", "ed25519:Gb9E", &good[..good.len() - 1], &format!("{good}="), &format!(" {good}")] {
        assert!(text.parse::<PublicKey>().is_err(), "{text}");
    }
    let long = format!("{}A", good.trim_end_matches('=')).repeat(1000);
    assert_eq!(long.parse::<PublicKey>(), Err(PublicKeyError::Base64));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,120}") {
        if let Ok(key) = text.parse::<PublicKey>() {
            prop_assert_eq!(key.to_string(), text.as_str());
        }
        if let Ok(key) = format!("ed25519:{text}").parse::<PublicKey>() {
            prop_assert_eq!(key.to_string(), format!("ed25519:{text}"));
        }
        let _ = text.parse::<paxon_channel::Address>();
    }
}

/// What the roster of a plan changed by `change` is found wrong with.
fn wrong(change: impl Fn(&mut town::Plan, &KeyRing)) -> RosterError {
    let town = Town::new(Security::Tls);
    let mut plan = town.plan.clone();
    change(&mut plan, &town.ring);
    let town::Plan { cluster, layout, members, clients, security } = plan;
    Roster::new(cluster, layout, members, clients, security).expect_err("it is wrong")
}

#[test]
fn a_roster_that_cannot_work_is_refused() {
    assert!(matches!(wrong(|plan, _| drop(plan.members.pop())), RosterError::Members { replicas: 3, .. }));
    assert!(matches!(wrong(|plan, _| plan.members[0].id = R1), RosterError::Members { .. }));
    assert!(matches!(wrong(|plan, _| plan.layout.replicas = 100), RosterError::Members { .. }));
    let address = wrong(|plan, _| plan.members[1].address = "nowhere".into());
    assert!(matches!(address, RosterError::Address { id: R1, .. }));
    assert_eq!(wrong(|plan, _| plan.members[1].key = None), RosterError::NoKey { id: R1 });
    let twice = |plan: &mut town::Plan, ring: &KeyRing| plan.members[1].key = Some(ring.public("r0"));
    assert!(matches!(wrong(twice), RosterError::KeyTwice { .. }));
    let shared = |plan: &mut town::Plan, ring: &KeyRing| plan.clients[0].key = ring.public("r0");
    assert!(matches!(wrong(shared), RosterError::KeyTwice { .. }));
    for name in ["", &"x".repeat(65)] {
        assert!(matches!(wrong(|plan, _| plan.clients[0].name = name.into()), RosterError::ClientName { .. }));
    }
    let twice = |plan: &mut town::Plan, ring: &KeyRing| {
        let mut other = plan.clients[0].clone();
        other.key = ring.public("mallory");
        plan.clients.push(other);
    };
    assert!(matches!(wrong(twice), RosterError::ClientName { .. }));
    let crowd = |plan: &mut town::Plan, _: &KeyRing| plan.clients = vec![plan.clients[0].clone(); 5000];
    assert_eq!(wrong(crowd), RosterError::Clients { clients: 5000 });
}

#[test]
fn members_may_be_given_in_any_order_and_without_keys_in_plaintext() {
    let mut plan = Town::new(Security::Plaintext).plan;
    plan.members.reverse();
    plan.members.iter_mut().for_each(|member| member.key = None);
    let roster = plan.roster();
    assert_eq!(roster.members().iter().map(|member| member.id.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(roster.member(ReplicaId(3)), None);
    assert!(Identity::replica(roster.clone(), R0, None).is_ok());
    let client = Identity::client(roster, None).expect("anyone may be a client");
    assert_eq!(client.me(), &Party::Client(String::new()));
}

#[test]
fn one_is_only_who_the_roster_says() {
    let town = Town::new(Security::Tls);
    let roster = town.plan.roster();
    let replica = |id, key| Identity::replica(roster.clone(), id, key).map(drop);
    let (r0, r1) = (town.ring.public("r0"), town.ring.public("r1"));
    assert_eq!(replica(R0, Some(town.ring.private("r0"))), Ok(()));
    assert_eq!(replica(R0, None), Err(IdentityError::NoKey { me: Party::Replica(R0) }));
    let other = IdentityError::OtherKey { id: R0, listed: r0, held: r1 };
    assert_eq!(replica(R0, Some(town.ring.private("r1"))), Err(other));
    let nobody = IdentityError::NoMember { id: ReplicaId(3), members: 3 };
    assert_eq!(replica(ReplicaId(3), Some(town.ring.private("r0"))), Err(nobody));
    let held = town.ring.public("mallory");
    let client = |key| Identity::client(roster.clone(), key).map(|identity| identity.me().clone());
    assert_eq!(client(Some(town.ring.private("mallory"))), Err(IdentityError::UnlistedClient { held }));
    assert_eq!(client(Some(town.ring.private("alice"))), Ok(Party::Client("alice".into())));
    assert!(client(None).is_err());
}

#[test]
fn whoever_has_an_expired_key_may_still_try() {
    let town = Town::new(Security::Tls);
    let mut plan = town.plan.clone();
    plan.members[0].expires = long_ago();
    town.replica(&plan, R0);
}

#[test]
fn a_client_has_no_door() {
    let town = Town::new(Security::Tls);
    let listener = town.listener(R0);
    let error = paxon_channel::Porter::start(town.client(&town.plan), Some(listener), drop).expect_err("no id");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
