//! kTLS: handing the keys of a finished handshake to the kernel.
//!
//! Only for ChaCha20-Poly1305. A key of AES-GCM may protect 2^24 records (RFC 8446, section 5.5), which a busy connection
//! sends in minutes, and renewing it in the kernel takes control messages that the data path does not have. A connection on
//! which AES was agreed stays in user space.

use nix::libc::{self, tls_crypto_info, tls12_crypto_info_chacha20_poly1305};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{TcpTlsRx, TcpTlsTx, TcpUlp, TlsCryptoInfo};
use rustls::{Connection, ConnectionTrafficSecrets};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

/// How long the probe waits for its own bytes on a loopback connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether this kernel can take over a session. Asked once, with a connection of this process to itself.
pub fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| match probe() {
        Ok(()) => true,
        Err(error) => {
            log::info!("TLS stays in user space: the kernel does not take it over ({error})");
            false
        }
    })
}

/// Prepares a socket for [`hand_over`]. It goes on as it was until then, and for ever if this fails: the kernel refuses a
/// socket whose other side has ended the connection already.
///
/// # Errors
/// What the kernel says.
pub fn attach(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, TcpUlp::default(), b"tls")?)
}

/// Gives the keys of `session` to the kernel. All records that were read from the socket must have been processed, and
/// all that the session has to send must be in the socket.
///
/// # Errors
/// What the kernel or rustls says; the connection is then of no more use.
pub fn hand_over(session: Connection, socket: &impl AsFd) -> io::Result<()> {
    let secrets = session.dangerous_extract_secrets().map_err(io::Error::other)?;
    let (sequence, keys) = secrets.tx;
    setsockopt(socket, TcpTlsTx, &crypto_info(sequence, &keys)?)?;
    let (sequence, keys) = secrets.rx;
    setsockopt(socket, TcpTlsRx, &crypto_info(sequence, &keys)?)?;
    Ok(())
}

fn crypto_info(sequence: u64, keys: &ConnectionTrafficSecrets) -> io::Result<TlsCryptoInfo> {
    match keys {
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => chacha(sequence, key.as_ref(), iv.as_ref()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn chacha(sequence: u64, key: &[u8], iv: &[u8]) -> io::Result<TlsCryptoInfo> {
    let wrong_size = |_| io::Error::from(io::ErrorKind::InvalidInput);
    Ok(TlsCryptoInfo::Chacha20Poly1305(tls12_crypto_info_chacha20_poly1305 {
        info: tls_crypto_info { version: libc::TLS_1_3_VERSION, cipher_type: libc::TLS_CIPHER_CHACHA20_POLY1305 },
        iv: iv.try_into().map_err(wrong_size)?,
        key: key.try_into().map_err(wrong_size)?,
        salt: [],
        rec_seq: sequence.to_be_bytes(),
    }))
}

/// Sends a few bytes from the kernel to itself, encrypted with a key that protects nothing.
fn probe() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    // Accepting cannot wait: the connection above is in the queue, or another one of this host is, which fails below.
    let (mut far, _) = listener.accept()?;
    let keys = chacha(0, &[7; 32], &[7; 12])?;
    attach(&near)?;
    attach(&far)?;
    setsockopt(&near, TcpTlsTx, &keys)?;
    setsockopt(&far, TcpTlsRx, &keys)?;
    far.set_read_timeout(Some(PROBE_TIMEOUT))?;
    near.write_all(b"probe")?;
    let mut received = [0; 5];
    far.read_exact(&mut received)?;
    if &received == b"probe" { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
