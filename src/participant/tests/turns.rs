//! Whose turn it is, and at what place its objects are.

use super::*;
use crate::participant::member::turn::{MOST_TURNS, turns};

/// In a group of ten with two leaves gone, so that ranks and leaves differ.
fn gappy() -> Machine {
    let names: Vec<String> = (0..10).map(|i| format!("m{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut a, _) = among(config(), &names);
    for leaf in [2, 5] {
        epoch(&mut a).roster.remove(leaf);
    }
    a
}

#[test]
fn members_take_turns_by_rank_and_epoch() {
    let mut a = gappy();
    let leaves: Vec<u32> = a.member().unwrap().epoch.roster.iter().map(|member| member.leaf_index).collect();
    assert_eq!(leaves, [0, 1, 3, 4, 6, 7, 8, 9, 10]);
    for number in [1, 9, 13] {
        let mut places = Vec::new();
        for leaf in &leaves {
            let epoch = epoch(&mut a);
            (epoch.number, epoch.leaf, epoch.committer) = (number, *leaf, None);
            places.push(turns(epoch, false));
        }
        let expected: Vec<u32> = (0..9).map(|rank| (rank + 9 - number as u32 % 9) % 9).collect();
        assert_eq!(places, expected, "epoch {number}");
    }
    assert_eq!(MOST_TURNS, 8, "nobody waits for more, however many there are");
}

#[test]
fn who_made_the_epoch_lets_the_next_one_go_first() {
    let mut a = gappy();
    // At epoch 9 the places are the ranks. Whose it is, who made the epoch, and whether nobody else has the work.
    for (leaf, committer, private, place) in [
        (0, Some(0), false, 1),
        (1, Some(0), false, 0),
        (3, Some(0), false, 2),
        (0, Some(0), true, 0),
        (1, Some(0), true, 0),
        (10, Some(10), false, 8),
        (9, Some(10), false, 7),
        // It is gone.
        (0, Some(2), false, 0),
        (3, Some(2), false, 2),
        (0, None, false, 0),
    ] {
        let epoch = epoch(&mut a);
        (epoch.number, epoch.leaf, epoch.committer) = (9, leaf, committer);
        assert_eq!(turns(epoch, private), place, "{leaf} {committer:?} {private}");
    }
}

/// Some relays and subscribers drop an object whose id is below one that they had before.
#[test]
fn later_objects_of_a_group_have_higher_object_ids() {
    let a = alone(config());
    let place = |millis| a.cx.state_place(b"key", Timestamp::from_millis(millis), b"state").unwrap();
    // From 2001 until 2200, in steps of some days and of one millisecond.
    let dates = (0..100).flat_map(|i| [0, 1].map(|more| 1_000_000_000_000 + i * 63_000_000_000 + more));
    let states: Vec<u64> = dates.map(place).collect();
    assert!(states.is_sorted() && states.windows(2).all(|pair| pair[0] != pair[1]));
    let commits = (0..=255).map(|hash| a.cx.commit_place(&[hash; 32], u32::from(hash)).unwrap());
    let commits: Vec<u64> = commits.collect();
    let receipts: Vec<u64> =
        (0..=255).map(|key| a.cx.receipt_place(&[key; 32], b"receipt").unwrap()).collect();
    assert!(states.iter().max() < commits.iter().min());
    assert!(commits.iter().max() < receipts.iter().min());
    assert!(states.iter().chain(&receipts).all(|place| place % 2 == 1));
    assert!(commits.iter().all(|place| place % 2 == 0));
}
