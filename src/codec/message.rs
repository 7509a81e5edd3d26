//! A control message of any type.

use bytes::{Buf, BufMut};

use crate::codec::announce::Announce;
use crate::codec::announce_ok::AnnounceOk;
use crate::codec::namespace_info::NamespaceInfo;
use crate::codec::subscribe::Subscribe;
use crate::codec::subscribe_done::SubscribeDone;
use crate::codec::subscribe_namespace::SubscribeNamespace;
use crate::codec::subscribe_namespace_response::SubscribeNamespaceResponse;
use crate::codec::subscribe_ok::SubscribeOk;
use crate::codec::unsubscribe::Unsubscribe;
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};

/// Message type of SUBSCRIBE.
pub const SUBSCRIBE: u64 = 0x3;
/// Message type of SUBSCRIBE_OK.
pub const SUBSCRIBE_OK: u64 = 0x4;
/// Message type of ANNOUNCE.
pub const ANNOUNCE: u64 = 0x6;
/// Message type of ANNOUNCE_OK.
pub const ANNOUNCE_OK: u64 = 0x7;
/// Message type of UNSUBSCRIBE.
pub const UNSUBSCRIBE: u64 = 0xa;
/// Message type of SUBSCRIBE_DONE, draft-02's SUBSCRIBE_FIN.
pub const SUBSCRIBE_DONE: u64 = 0xb;
/// Message type of SUBSCRIBE_NAMESPACE. Ours: the draft assigns none.
pub const SUBSCRIBE_NAMESPACE: u64 = 0x11;
/// Message type of SUBSCRIBE_NAMESPACE_RESPONSE. Ours: the draft assigns none.
pub const SUBSCRIBE_NAMESPACE_RESPONSE: u64 = 0x12;
/// Message type of NAMESPACE_INFO. Ours: the draft assigns none.
pub const NAMESPACE_INFO: u64 = 0x13;

/// Any control message that is known here, with its type in front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum ControlMessage {
    Announce(Announce),
    AnnounceOk(AnnounceOk),
    NamespaceInfo(NamespaceInfo),
    Subscribe(Subscribe),
    SubscribeDone(SubscribeDone),
    SubscribeNamespace(SubscribeNamespace),
    SubscribeNamespaceResponse(SubscribeNamespaceResponse),
    SubscribeOk(SubscribeOk),
    Unsubscribe(Unsubscribe),
}

macro_rules! each_message {
    ($($name:ident = $kind:ident),+ $(,)?) => {
        impl ControlMessage {
            /// The message's type number.
            pub fn kind(&self) -> u64 {
                match self { $(Self::$name(_) => $kind,)+ }
            }
        }

        impl Encode for ControlMessage {
            fn encoded_len(&self) -> usize {
                varint::encoded_len(self.kind())
                    + match self { $(Self::$name(message) => message.encoded_len(),)+ }
            }

            fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
                varint::encode(self.kind(), "type", out)?;
                match self { $(Self::$name(message) => message.encode(out),)+ }
            }
        }

        impl Decode for ControlMessage {
            #[inline]
            fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
                match varint::decode(input)? {
                    $($kind => $name::decode(input).map(Self::$name),)+
                    other => Err(DecodeError::UnknownType(other)),
                }
            }
        }

        $(impl From<$name> for ControlMessage {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        })+
    };
}
each_message! {
    Announce = ANNOUNCE,
    AnnounceOk = ANNOUNCE_OK,
    NamespaceInfo = NAMESPACE_INFO,
    Subscribe = SUBSCRIBE,
    SubscribeDone = SUBSCRIBE_DONE,
    SubscribeNamespace = SUBSCRIBE_NAMESPACE,
    SubscribeNamespaceResponse = SUBSCRIBE_NAMESPACE_RESPONSE,
    SubscribeOk = SUBSCRIBE_OK,
    Unsubscribe = UNSUBSCRIBE,
}
