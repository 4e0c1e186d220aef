//! Seeds of what strangers send.

use super::{Seed, seed};
use crate::channel_porter::{CLUSTER, ME};
use crate::frames::LAYOUT;
use paxon_channel::{Greeting, Hello, Purpose, Refusal, Welcome};
use paxon_fastpath::ReplicaId;

/// A private key of nobody, as `openssl genpkey -algorithm ed25519` writes it: the secret is the bytes 1 to 32.
const KEY_FILE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g
-----END PRIVATE KEY-----
";
/// The same as PKCS#8, which `KEY_FILE` holds in base64.
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const TEXTS: [&str; 5] = [
    "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "10.0.0.1:7001",
    "[fe80::1]:7001",
    "db-1.example:7001",
    KEY_FILE,
];

/// The start of a TLS session: a record with a handshake message that announces a hello of 4 KiB and does not have it.
const TLS_RECORD: [u8; 12] = [22, 3, 1, 0, 7, 1, 0, 16, 0, 3, 3, 0];

/// Hellos of a replica and of a client.
pub fn hellos() -> [Hello; 2] {
    let replica = Hello {
        purpose: Purpose::Operations,
        cluster: CLUSTER,
        from: Some(ReplicaId(1)),
        to: ME,
        layout: LAYOUT,
        incarnation: 9,
        attempt: 1 << 32 | 1,
    };
    [replica, Hello { purpose: Purpose::Client, from: None, incarnation: 0, ..replica }]
}

fn greetings() -> [Greeting; 5] {
    [
        Greeting::Welcome(Welcome { incarnation: 9, frame_bytes_max: 1 << 20, outstanding_max: 64 }),
        Greeting::Refused(Refusal::Cluster { here: 1, yours: 2 }),
        Greeting::Refused(Refusal::Impostor { here: None, yours: Some(ReplicaId(2)) }),
        Greeting::Refused(Refusal::Busy { most: 64, retry_ms: 100 }),
        Greeting::Refused(Refusal::Stale),
    ]
}

pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (at, hello) in hellos().iter().enumerate() {
        let bytes = hello.encode();
        seeds.push(seed("channel_greetings", &format!("hello-{at}"), &[&bytes]));
        seeds.push(seed("channel_porter", &format!("hello-{at}"), &[&[2, 0], &bytes]));
        seeds.push(seed("channel_porter", &format!("hello-to-tls-{at}"), &[&[3, 9], &bytes]));
    }
    for (at, greeting) in greetings().iter().enumerate() {
        seeds.push(seed("channel_greetings", &format!("greeting-{at}"), &[&greeting.encode()]));
    }
    for (at, text) in TEXTS.iter().enumerate() {
        seeds.push(seed("channel_keys", &format!("text-{at}"), &[text.as_bytes()]));
    }
    let secret: Vec<u8> = (1..=32).collect();
    seeds.push(seed("channel_keys", "pkcs8", &[&PKCS8_PREFIX, &secret]));
    seeds.push(seed("channel_porter", "tls", &[&[1, 0], &TLS_RECORD]));
    seeds
}
