//! gRPC over HTTP/2 for calls with one question and one answer.
//!
//! A call is a POST whose body is one frame: a byte 0 (not compressed), the length of the message in four bytes with the
//! highest first, the message. The answer is the same, and its trailers carry `grpc-status`, 0 for success; a refusal may
//! carry it among the headers instead.

use super::CallError;
use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Uri, Version, header};
use prost::Message;
use std::future::poll_fn;
use tokio::net::TcpStream;

/// Bytes before a message.
const FRAME_HEADER_BYTES: usize = 5;
/// Longest answer that is taken; those to puts are below a hundred bytes.
const ANSWER_BYTES_MAX: usize = 1 << 16;
/// Longest part of a refusal's reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

/// A connection; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
}

impl Connection {
    /// Connects to a port on loopback; a task of the current runtime reads and writes until the last clone is dropped.
    pub(super) async fn open(port: u16) -> Result<Self, CallError> {
        let failed = |source| CallError::Connect { port, source };
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (requests, connection) = h2::client::handshake(stream).await?;
        // Its error reaches every call that waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { requests })
    }

    /// Asks `uri` and returns its answer.
    pub(super) async fn call<R: Message + Default>(
        &mut self,
        uri: &Uri,
        question: &impl Message,
    ) -> Result<R, CallError> {
        poll_fn(|context| self.requests.poll_ready(context)).await?;
        let (response, mut body) = self.requests.send_request(head(uri), false)?;
        // Both go out in one segment: the connection's task writes after this one has come to rest.
        body.send_data(frame(question), true)?;
        let (head, body) = response.await?.into_parts();
        if head.headers.contains_key("grpc-status") {
            check(&head.headers)?;
        }
        let bytes = read(body).await?;
        R::decode(message_of(&bytes)?).map_err(|_| CallError::Unreadable("its message is damaged"))
    }
}

fn head(uri: &Uri) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(header::TE, header::HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/grpc"));
    request
}

/// The whole body of a successful answer.
async fn read(mut body: RecvStream) -> Result<BytesMut, CallError> {
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        if bytes.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(CallError::Unreadable("it is over 65536 bytes long"));
        }
        bytes.extend_from_slice(&data);
    }
    check(&body.trailers().await?.unwrap_or_default())?;
    Ok(bytes)
}

/// Whether the headers or trailers tell of success.
fn check(headers: &HeaderMap) -> Result<(), CallError> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let status = text("grpc-status").and_then(|text| text.parse().ok());
    match status {
        Some(0) => Ok(()),
        Some(status) => {
            let message = text("grpc-message").unwrap_or_default().chars().take(REASON_CHARS_MAX).collect();
            Err(CallError::Refused { status, message })
        }
        None => Err(CallError::Unreadable("it has no gRPC status")),
    }
}

/// A message as the body of a request.
fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(FRAME_HEADER_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("a key and a value of a benchmark are below 4 GiB"));
    message.encode(&mut bytes).expect("a growing buffer has room");
    bytes.freeze()
}

/// The one message in the body of an answer.
fn message_of(body: &[u8]) -> Result<&[u8], CallError> {
    let (header, message) =
        body.split_first_chunk::<FRAME_HEADER_BYTES>().ok_or(CallError::Unreadable("it is shorter than a frame"))?;
    let [compressed, length @ ..] = *header;
    match (compressed, u32::from_be_bytes(length) as usize == message.len()) {
        (0, true) => Ok(message),
        (0, false) => Err(CallError::Unreadable("its length is not that of its frame")),
        _ => Err(CallError::Unreadable("it is compressed, which nobody asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{PutRequest, StatusRequest};
    use http::HeaderValue;

    #[test]
    fn a_message_is_framed_by_a_zero_and_its_length() {
        let put = PutRequest { key: b"k".to_vec(), value: vec![9; 300] };
        // The key takes 3 bytes, the value 3 and itself: 306 is 0x132.
        assert_eq!(frame(&put)[..8], [0, 0, 0, 0x01, 0x32, 0x0a, 1, b'k']);
        assert_eq!(frame(&StatusRequest {})[..], [0, 0, 0, 0, 0]);
        assert_eq!(message_of(&frame(&put)).expect("it is whole").len(), 306);
    }

    #[test]
    fn a_body_that_is_not_one_frame_is_unreadable() {
        let bodies: [&[u8]; 5] = [&[], &[0, 0, 0, 0], &[0, 0, 0, 0, 2, 7], &[0, 0, 0, 0, 0, 7], &[1, 0, 0, 0, 1, 7]];
        for body in bodies {
            assert!(matches!(message_of(body), Err(CallError::Unreadable(_))), "{body:?}");
        }
    }

    #[test]
    fn only_status_0_is_success() {
        let with = |status| HeaderMap::from_iter([(header::HeaderName::from_static("grpc-status"), status)]);
        assert!(check(&with(HeaderValue::from_static("0"))).is_ok());
        let mut refusal = with(HeaderValue::from_static("14"));
        refusal.insert("grpc-message", HeaderValue::from_static("no leader"));
        let error = check(&refusal).expect_err("14 is a refusal").to_string();
        assert_eq!(error, "etcd refused with gRPC status 14: no leader");
        for damaged in [with(HeaderValue::from_static("zero")), HeaderMap::new()] {
            assert!(matches!(check(&damaged), Err(CallError::Unreadable(_))));
        }
    }
}
