//! Control messages on a MoQT draft-02 wire: the draft's three (section 4.2) and the few around them.
//!
//! A control stream there is a sequence of `Type (i), fields`, without a length: a message ends where
//! its last field ends. So decoding is incremental. [`DecodeError::Incomplete`] says how many more
//! bytes are needed at least; [`DecodeError::Malformed`] says that no more bytes can help. A length over its
//! limit is malformed at once. [`ControlDecoder`] does it for a stream that arrives in pieces.
//!
//! Decoding is total: any bytes give a value or an error, and nothing is allocated that the input does
//! not hold already: with [`Bytes`] as input, every field is a view of it.
//!
//! The draft gives its three messages no type numbers; [`SUBSCRIBE_NAMESPACE`],
//! [`SUBSCRIBE_NAMESPACE_RESPONSE`] and [`NAMESPACE_INFO`] are ours, from the range that draft-02
//! leaves free. Namespaces on this wire are one flat byte string ([`TrackNamespace::to_flat`]).
//!
//! [`Bytes`]: bytes::Bytes
//! [`TrackNamespace::to_flat`]: crate::tracks::TrackNamespace::to_flat

mod announce;
mod announce_ok;
#[cfg(feature = "arbitrary")]
pub(crate) mod any;
mod decoder;
mod fields;
pub mod leaf_origin;
mod message;
mod namespace_info;
mod object_stream;
pub mod params;
pub mod pinned;
mod subscribe;
mod subscribe_done;
mod subscribe_namespace;
mod subscribe_namespace_response;
mod subscribe_ok;
pub mod successor;
mod track_name;
pub mod tree_object;
mod unsubscribe;
pub mod varint;
mod wire;

pub use self::announce::Announce;
pub use self::announce_ok::AnnounceOk;
pub use self::decoder::ControlDecoder;
pub use self::fields::MAX_REASON;
pub use self::message::{
    ANNOUNCE, ANNOUNCE_OK, ControlMessage, NAMESPACE_INFO, SUBSCRIBE, SUBSCRIBE_DONE, SUBSCRIBE_NAMESPACE,
    SUBSCRIBE_NAMESPACE_RESPONSE, SUBSCRIBE_OK, UNSUBSCRIBE,
};
pub use self::namespace_info::NamespaceInfo;
pub use self::object_stream::{OBJECT_STREAM, ObjectStream};
pub use self::subscribe::{Filter, Subscribe};
pub use self::subscribe_done::SubscribeDone;
pub use self::subscribe_namespace::SubscribeNamespace;
pub use self::subscribe_namespace_response::SubscribeNamespaceResponse;
pub use self::subscribe_ok::SubscribeOk;
pub use self::unsubscribe::Unsubscribe;
pub use self::wire::{Decode, DecodeError, Encode, EncodeError};
