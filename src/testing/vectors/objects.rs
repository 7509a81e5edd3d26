//! Objects and extensions of this crate, byte by byte: what no document of the working groups has.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::codec::leaf_origin::{self, LeafOrigin};
use crate::codec::pinned::{ReceiptObject, StateObject, WelcomeObject};
use crate::codec::successor::Successor;
use crate::codec::tree_object;
use crate::counter::Pin;
use crate::engine::{RatchetTreeObject, TREE_KEY_LEN, TreePlace};
use crate::secret::Secret;
use crate::testing::vectors::values::{VERSION, hex, int};
use crate::tracks::{GroupName, SenderId};

pub(super) fn file() -> (String, Value) {
    let cases: Vec<Value> = made()
        .into_iter()
        .chain(REFUSED.iter().map(|(kind, text)| (*kind, hex::decode(text).expect("hex").into())))
        .map(|(kind, bytes)| {
            let decoded = decode(kind, &bytes).unwrap_or(Value::Null);
            json!({ "kind": kind, "bytes": hex(&bytes), "decoded": decoded })
        })
        .collect();
    let value = json!({
        "format": "objects", "version": VERSION, "source": "moq-mls: objects and extensions", "cases": cases,
    });
    ("codec/objects.json".to_owned(), value)
}

fn pin() -> Pin {
    Pin::new([0xc0; 32], [0xc1; 32], [0xc2; 32])
}

fn made() -> Vec<(&'static str, Bytes)> {
    let signature = Bytes::from_static(&[0x51; 64]);
    let welcome = Bytes::from_static(b"an MLSMessage");
    let group = GroupName::try_from("room").and_then(|group| group.successor([0x5c; 16])).expect("a name");
    let publisher = SenderId::from_fingerprint([0xab; 32]);
    let tree = |publisher| RatchetTreeObject {
        place: TreePlace { publisher, object_id: (1 << 62) - 1 },
        key: Secret::new((0..TREE_KEY_LEN as u8).collect()),
    };
    let state = StateObject { val: (3 << 62) + 1, current: 5, pin: pin(), receipt: signature.clone() };
    vec![
        ("receipt", ReceiptObject { pin: pin(), receipt: signature.clone() }.encode()),
        ("receipt", ReceiptObject { pin: pin(), receipt: Bytes::new() }.encode()),
        ("signed state", state.encode()),
        ("welcome", WelcomeObject::confirmed(pin(), Some(signature), welcome.clone()).encode()),
        ("welcome", WelcomeObject::confirmed(pin(), None, welcome.clone()).encode()),
        ("welcome", WelcomeObject { confirmation: None, welcome }.encode()),
        ("0xF0A0", leaf_origin::encode(&LeafOrigin { object_id: 7 << 16, group: [0xee; 16] }).into()),
        ("0xF0A2", tree_object::encode(&tree(None)).into()),
        ("0xF0A2", tree_object::encode(&tree(Some(publisher))).into()),
        ("successor", Successor { group, pin: pin() }.encode().into()),
    ]
}

/// Wrong versions and lengths.
const REFUSED: &[(&str, &str)] = &[
    ("receipt", ""),
    ("receipt", "01c0"),
    ("receipt", "02c0"),
    ("signed state", "0300"),
    ("welcome", "03"),
    ("welcome", "02c0"),
    ("0xF0A0", "0000000000000007"),
    ("0xF0A2", "0100000000000000070909090909090909090909090909090909"),
    ("0xF0A2", "020000000000000007090909"),
    ("successor", "0100"),
];

/// Decodes a case to what the vectors write; `None` if it is refused.
pub(super) fn decode(kind: &str, bytes: &Bytes) -> Option<Value> {
    Some(match kind {
        "receipt" => {
            let object = ReceiptObject::decode(bytes.clone()).ok()?;
            json!({ "pin": hex(object.pin.as_bytes()), "signature": hex(&object.receipt) })
        }
        "signed state" => {
            let object = StateObject::decode(bytes.clone()).ok()?;
            json!({
                "val": int(object.val), "current": int(object.current), "pin": hex(object.pin.as_bytes()),
                "signature": hex(&object.receipt),
            })
        }
        "welcome" => {
            let object = WelcomeObject::decode(bytes.clone()).ok()?;
            let confirmation = object.confirmation.as_ref();
            json!({
                "pin": confirmation.map_or(Value::Null, |c| hex(c.pin.as_bytes())),
                "receipt": confirmation.and_then(|c| c.receipt.as_ref()).map_or(Value::Null, |r| hex(r)),
                "welcome": hex(&object.welcome),
            })
        }
        "0xF0A0" => {
            let origin = leaf_origin::decode(bytes).ok()?;
            json!({ "number": int(origin.object_id), "group": hex(&origin.group) })
        }
        "0xF0A2" => {
            let tree = tree_object::decode(bytes).ok()?;
            let publisher = tree.place.publisher.as_ref();
            json!({
                "object": int(tree.place.object_id), "key": hex(tree.key.as_bytes()),
                "publisher": publisher.map_or(Value::Null, |id| hex(id.as_bytes())),
            })
        }
        "successor" => {
            let successor = Successor::decode(bytes.clone()).ok()?;
            json!({ "group": hex(successor.group.as_bytes()), "pin": hex(successor.pin.as_bytes()) })
        }
        _ => return None,
    })
}
