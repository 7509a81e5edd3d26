//! What is written is read back, in whatever parts, and erased in the end.

use super::*;

#[test]
fn no_change_of_one_bit_or_length_goes_unseen() {
    for len in (0..=70).chain([1000]) {
        let mut writer = Writer::new();
        (0..len).for_each(|i| writer.u8(i as u8));
        let good = writer.finish();
        assert!(Reader::open(&good).is_ok());
        let bytes = good.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            if let Some(byte) = bad.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            assert!(Reader::open(&Snapshot::from_bytes(bad)).is_err(), "bit {bit} of {len}");
        }
        for cut in 0..bytes.len() {
            assert!(Reader::open(&Snapshot::from_bytes(bytes.slice(..cut))).is_err(), "{cut} of {len}");
        }
        assert!(Reader::open(&Snapshot::from_bytes([&bytes[..], &[0]].concat())).is_err());
    }
}

#[test]
fn short_fields_fill_parts_that_never_grow() {
    let mut writer = Writer::new();
    let fields = 100_000;
    (0..fields).for_each(|i| writer.u64(i));
    let snapshot = writer.finish();
    // The first has magic and version too.
    let (short, long) = snapshot.parts().split_at(SHORT_PARTS + 1);
    assert!(short.iter().all(|part| (PART..=PART + 6).contains(&part.len())));
    assert!(long.iter().all(|part| part.len() <= LONG_PART));
    assert_eq!(long.len(), 12, "a list of names makes no part for each few");
    let mut reader = Reader::open(&snapshot).unwrap_or_else(|_| unreachable!());
    assert!((0..fields).all(|i| reader.u64() == Ok(i)));
    assert_eq!(reader.end(), Ok(()));
}

/// A plain buffer that nobody else holds is unique to [`Bytes`], and one that erases itself never is: its owner
/// could not be asked to give it up.
fn erases_itself(bytes: &Bytes) -> bool {
    !bytes.is_unique()
}

#[test]
fn what_is_written_is_erased_in_the_end() {
    assert!(!erases_itself(&Bytes::from(vec![1, 2, 3])), "or this test could not fail");
    assert!(erases_itself(&Secret::new(vec![1, 2, 3]).into_shared()));
    let mut writer = Writer::new();
    (0..1000).for_each(|i| writer.u64(i));
    let snapshot = writer.finish();
    assert!(snapshot.parts().len() > 1 && snapshot.parts().iter().all(erases_itself));
    assert!(erases_itself(&snapshot.to_bytes()), "all in one piece");
}

#[test]
fn what_is_read_holds_on_to_nothing() {
    let mut writer = Writer::new();
    writer.bytes(b"a name");
    writer.bytes(b"a secret");
    let whole = Bytes::from(writer.finish().to_bytes().to_vec());
    let mut reader = Reader::open(&Snapshot::from_bytes(whole.clone())).unwrap_or_else(|_| unreachable!());
    let (name, secret) = (reader.sender(), reader.secret());
    assert_eq!(reader.end(), Ok(()));
    assert!(name.is_ok() && secret.is_ok_and(|secret| secret.as_bytes() == b"a secret"));
    assert!(whole.is_unique(), "a name keeps no snapshot");
}

#[test]
fn parts_make_no_difference() {
    let long = Bytes::from((0..2000_u32).map(|i| i as u8).collect::<Vec<u8>>());
    for (head, tail) in (0..70).flat_map(|head| [0, 1, 40].map(|tail| (head, tail))) {
        let write = |shared: bool| {
            let mut writer = Writer::new();
            (0..head).for_each(|i| writer.u8(i));
            for len in [long.len() - usize::from(tail), SHARED, SHARED - 1] {
                let field = long.slice(..len);
                if shared {
                    writer.shared(&field)
                } else {
                    writer.bytes(&field)
                }
                (0..tail).for_each(|i| writer.u8(i));
            }
            writer.finish()
        };
        let (parted, whole) = (write(true), write(false));
        let shared = |s: &Snapshot| s.parts().iter().filter(|p| p.as_ptr() == long.as_ptr()).count();
        assert_eq!((shared(&parted), shared(&whole)), (2, 0), "the third is too short to be worth it");
        assert!(whole.parts().len() > 1, "the first part has no room for all");
        assert!(parted.parts().iter().chain(whole.parts()).all(|part| !part.is_empty()));
        assert_eq!(parted, whole);
        assert_eq!((parted.len(), parted.to_bytes()), (whole.len(), whole.to_bytes()));
        assert!(Reader::open(&parted).is_ok());
    }
}
