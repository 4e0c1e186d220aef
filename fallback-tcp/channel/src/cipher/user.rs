//! TLS 1.3 in this process, by rustls.

use super::CipherError;
use rustls::{CipherSuite, Connection};
use std::fmt;
use std::io::{BufRead, Write};

/// A TLS session whose handshake is done.
///
/// Keys are renewed by rustls before as many records as AES-GCM is safe for have used them; that costs no round trip.
pub struct UserSpace {
    connection: Box<Connection>,
}

impl UserSpace {
    /// Takes over a session whose handshake is done and whose received plaintext has been read.
    pub(crate) fn new(mut connection: Box<Connection>) -> Self {
        // `seal` empties the buffer before it returns, so its bound is that of the caller's slice.
        connection.set_buffer_limit(None);
        Self { connection }
    }

    pub(super) fn open(&mut self, mut received: &[u8], plain: &mut Vec<u8>) -> Result<(), CipherError> {
        while !received.is_empty() {
            // A slice never fails to be read, and the plaintext of the round before has been taken.
            if self.connection.read_tls(&mut received).map_or(true, |taken| taken == 0) {
                return Err(CipherError::Closed);
            }
            let state = self.connection.process_new_packets();
            take_plaintext(&mut self.connection, plain);
            if state.map_err(CipherError::Tls)?.peer_has_closed() {
                return Err(CipherError::Closed);
            }
        }
        Ok(())
    }

    pub(super) fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), CipherError> {
        let sealed = self.connection.writer().write_all(plain);
        // What rustls has to say on its own (a renewed key, an alert) goes along.
        while self.connection.wants_write() {
            if self.connection.write_tls(wire).is_err() {
                return Err(CipherError::Closed);
            }
        }
        sealed.map_err(|error| match error.downcast::<rustls::Error>() {
            Ok(tls) => CipherError::Tls(tls),
            Err(_) => CipherError::Closed,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.connection.negotiated_cipher_suite().map(|suite| suite.suite()) {
            Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => "TLS 1.3 (AES-128-GCM) in user space",
            Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => "TLS 1.3 (AES-256-GCM) in user space",
            Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS 1.3 (ChaCha20-Poly1305) in user space",
            _ => "TLS 1.3 in user space",
        }
    }
}

/// Moves what a session has decrypted behind `plain`.
pub(crate) fn take_plaintext(session: &mut Connection, plain: &mut Vec<u8>) {
    let mut reader = session.reader();
    // An error only says that there is nothing to read now, or at all; who gave the session its bytes has been told which.
    while let Ok(chunk) = reader.fill_buf()
        && !chunk.is_empty()
    {
        plain.extend_from_slice(chunk);
        let taken = chunk.len();
        reader.consume(taken);
    }
}

impl fmt::Debug for UserSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserSpace").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::test_sessions;

    fn pair() -> [UserSpace; 2] {
        test_sessions().map(|session| UserSpace::new(Box::new(session)))
    }

    fn carry(from: &mut UserSpace, to: &mut UserSpace, message: &[u8]) -> Result<Vec<u8>, CipherError> {
        let (mut wire, mut plain) = (vec![], vec![]);
        from.seal(message, &mut wire)?;
        to.open(&wire, &mut plain).map(|()| plain)
    }

    #[test]
    fn a_renewed_key_and_the_answer_to_it_go_along_with_data() {
        let [mut here, mut there] = pair();
        for round in 0..3 {
            here.connection.refresh_traffic_keys().expect("the handshake is done");
            for _ in 0..2 {
                assert_eq!(carry(&mut here, &mut there, &[round; 100]), Ok(vec![round; 100]));
                assert_eq!(carry(&mut there, &mut here, &[round; 50]), Ok(vec![round; 50]));
            }
        }
    }

    #[test]
    fn a_farewell_ends_the_connection_after_what_came_before() {
        let [mut here, mut there] = pair();
        let (mut wire, mut plain) = (vec![], vec![]);
        here.seal(b"last words", &mut wire).expect("it stands");
        here.connection.send_close_notify();
        here.seal(b"", &mut wire).expect("the farewell goes along");
        assert_eq!(there.open(&wire, &mut plain), Err(CipherError::Closed));
        assert_eq!(plain, b"last words");
        assert_eq!(there.open(b"more", &mut plain), Err(CipherError::Closed));
    }

    #[test]
    fn a_record_that_is_too_long_is_an_error_before_it_is_there() {
        let [_, mut there] = pair();
        let mut plain = vec![];
        assert!(matches!(there.open(&[23, 3, 3, 0xff, 0xff], &mut plain), Err(CipherError::Tls(_))));
    }

    #[test]
    fn a_message_of_many_records_is_sealed_whole() {
        let [mut here, mut there] = pair();
        let message = vec![7; 3 << 20];
        assert_eq!(carry(&mut here, &mut there, &message), Ok(message));
    }
}
