//! What a connection's bytes go through between the frames and the socket.

mod user;

pub use user::UserSpace;
pub(crate) use user::take_plaintext;

use std::net::TcpStream;

/// A connection whose other end is known.
#[derive(Debug)]
pub struct Secured {
    /// The socket: nonblocking, with `TCP_NODELAY`.
    pub stream: TcpStream,
    /// What its bytes go through.
    pub cipher: Cipher,
    /// Plaintext that came in one TLS record with the hello or the greeting, mostly empty. It stands before whatever
    /// [`Cipher::open`] yields.
    pub early: Vec<u8>,
}

/// How the bytes of a connection are protected, and where.
#[derive(Debug)]
pub enum Cipher {
    /// Not at all.
    Plain,
    /// TLS 1.3 in this process.
    User(UserSpace),
    /// TLS 1.3 in the kernel: the socket takes and gives plaintext. A record that is not data (an alert, a key update)
    /// makes `recv` fail with `EIO`; the connection is then to be treated as closed.
    Kernel,
}

/// Why a connection cannot go on. It is to be closed; nothing more can be said on it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CipherError {
    /// The other side has said that it sends no more. What it sent before has been given out.
    #[error("the other side has closed the connection")]
    Closed,
    /// The bytes received are not what the other side sent, or it broke the rules of TLS.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
}

impl Cipher {
    /// Appends the plaintext of `received`, bytes of the socket in their order and split anywhere, to `plain`.
    ///
    /// It appends at most as many bytes as `received` has, and holds at most one incomplete record (16 KiB) back.
    ///
    /// # Errors
    /// [`CipherError`] if the connection is over. `plain` then has what came before.
    pub fn open(&mut self, received: &[u8], plain: &mut Vec<u8>) -> Result<(), CipherError> {
        match self {
            Self::User(session) => session.open(received, plain),
            Self::Plain | Self::Kernel => {
                plain.extend_from_slice(received);
                Ok(())
            }
        }
    }

    /// Appends to `wire` the bytes to send for `plain`. They must be sent in the order of the calls.
    ///
    /// # Errors
    /// [`CipherError`] if the connection is over.
    pub fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), CipherError> {
        match self {
            Self::User(session) => session.seal(plain, wire),
            Self::Plain | Self::Kernel => {
                wire.extend_from_slice(plain);
                Ok(())
            }
        }
    }

    /// What protects the connection, for logs and `status`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain => "plaintext",
            Self::User(session) => session.name(),
            Self::Kernel => "TLS 1.3 in the kernel",
        }
    }
}
