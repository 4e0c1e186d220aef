//! The messages of etcd's version 3 interface that the benchmark needs, written by hand so that no compiler of protocol
//! files has to be installed.
//!
//! Only the fields that are used are named. Protocol buffers leave out a field that has its default value and skip an unknown
//! one, so a message with fewer fields is the same message.

/// What every answer begins with.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResponseHeader {
    /// The cluster that answers.
    #[prost(uint64, tag = "1")]
    pub cluster_id: u64,
    /// The member that answers.
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    /// Revision of the store when the request was applied; each put raises it by one.
    #[prost(int64, tag = "3")]
    pub revision: i64,
    /// Raft's term; it changes when the leader does.
    #[prost(uint64, tag = "4")]
    pub raft_term: u64,
}

/// Sets a key to a value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PutRequest {
    /// The key; not empty.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// The put was committed and applied at the member that answers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PutResponse {
    /// Which member, at which revision.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
}

/// Asks a member how it is.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct StatusRequest {}

/// How a member is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusResponse {
    /// The member, and the revision up to which it has applied.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// Version of its program.
    #[prost(string, tag = "2")]
    pub version: String,
    /// Identity of the member that it takes for the leader; 0 for none.
    #[prost(uint64, tag = "4")]
    pub leader: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    /// A field of bytes: its number and kind 2, its length, itself.
    #[test]
    fn a_put_is_the_key_as_field_1_and_the_value_as_field_2() {
        let request = PutRequest { key: b"ab".to_vec(), value: vec![0xff, 0x00, 0x7f] };
        assert_eq!(request.encode_to_vec(), [0x0a, 2, b'a', b'b', 0x12, 3, 0xff, 0x00, 0x7f]);
    }

    #[test]
    fn a_long_value_has_a_length_of_two_bytes() {
        let bytes = PutRequest { key: vec![], value: vec![7; 200] }.encode_to_vec();
        assert_eq!((&bytes[..3], bytes.len()), (&[0x12, 0xc8, 0x01][..], 203));
    }

    #[test]
    fn the_answer_to_a_put_carries_member_revision_and_term() {
        // A header of 10 bytes: cluster 1, member 300, revision 200, term 5; then field 2 (the previous value), unknown here.
        let bytes = [0x0a, 10, 0x08, 1, 0x10, 0xac, 0x02, 0x18, 0xc8, 0x01, 0x20, 5, 0x12, 2, 0x0a, 0];
        let response = PutResponse::decode(&bytes[..]).expect("it is a message");
        let expected = ResponseHeader { cluster_id: 1, member_id: 300, revision: 200, raft_term: 5 };
        assert_eq!(response.header, Some(expected));
    }

    #[test]
    fn a_status_carries_version_and_leader_and_skips_the_size_of_the_database() {
        // Field 1: member 2. Field 2: the version. Field 3: 4096 bytes, unknown here. Field 4: the leader.
        let bytes = [0x0a, 2, 0x10, 2, 0x12, 3, b'3', b'.', b'4', 0x18, 0x80, 0x20, 0x20, 0x96, 0x01];
        let response = StatusResponse::decode(&bytes[..]).expect("it is a message");
        assert_eq!((response.header.map(|header| header.member_id), response.leader), (Some(2), 150));
        assert_eq!(response.version, "3.4");
    }

    #[test]
    fn a_question_without_fields_is_empty() {
        assert_eq!(StatusRequest {}.encode_to_vec(), [0u8; 0]);
    }

    #[test]
    fn a_message_cut_short_is_an_error() {
        assert!(PutResponse::decode(&[0x0a, 10, 0x08][..]).is_err());
        assert!(StatusResponse::decode(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f][..]).is_err());
    }
}
