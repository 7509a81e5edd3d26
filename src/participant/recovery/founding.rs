//! Founding the successor.

use crate::codec::successor::Successor;
use crate::counter::SLOT_KEY_LEN;
use crate::engine::{Engine, EngineError};
use crate::error::Error;
use crate::notice::{Notice, Recovery as Step};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::future::FutureCommits;
use crate::participant::genesis::Genesis;
use crate::participant::joiners::Permit;
use crate::participant::member::epoch::Epoch;
use crate::participant::recovery::Recovery;
use crate::secret::Secret;

/// The bits of an epoch base that count successors one after another, and those that keep two of one group apart.
const GENERATION_SHIFT: u32 = 46;
const NAME_SHIFT: u32 = 24;

/// A successor's group, and the key that its name is a hash of.
pub(crate) type Founded<G> = (Genesis<G>, Secret);

/// Returns what is added to the epochs of the successor of this name: more than any epoch of the group before it, and
/// most likely what no other successor of it has. Key ids stay below 2^62. `key_id` is that of the last epoch.
pub(crate) fn epoch_base(key_id: u64, founding_hash: [u8; 16]) -> u64 {
    let generation = (key_id >> GENERATION_SHIFT).saturating_add(1);
    let [a, b, c, ..] = founding_hash;
    let name = u64::from(u32::from_be_bytes([0, a, b, c]) >> 2);
    (generation << GENERATION_SHIFT) | (name << NAME_SHIFT)
}

/// Goes over to a name that nobody else can begin with, and creates the group there. The announcement is made, and not
/// shown before the group is created. `None` if there can be no such name.
pub(crate) fn found<E: Engine>(
    cx: &mut Context<E>,
    before: &Epoch<E::Group>,
    again: bool,
) -> Result<Option<Founded<E::Group>>, Error> {
    let mut key = Vec::with_capacity(SLOT_KEY_LEN);
    while key.len() < SLOT_KEY_LEN {
        key.extend_from_slice(&cx.engine.random()?.to_be_bytes());
    }
    let key = Secret::new(key);
    let hash = cx.engine.sha256(key.as_bytes())?;
    let hash = hash.first_chunk::<16>().copied().unwrap_or_default();
    let Ok(group) = cx.moved.home.successor(hash) else { return Ok(None) };
    cx.move_to(group.clone(), epoch_base(before.shown(), hash), again);
    let genesis = Genesis::create(cx)?;
    let said = Successor { group: group.clone(), pin: genesis.pin };
    let payload = cx.engine.seal(&before.group, &said.encode())?;
    let object = cx.next_object_id()?;
    cx.set_beacon(object, payload);
    cx.notify(Notice::Recovery(Step::Founding { group }));
    Ok(Some((genesis, key)))
}

/// Lets the members of the last epoch in without asking, but for those who are to be left out.
pub(crate) fn admit_members<E: Engine>(
    cx: &Context<E>,
    before: &Epoch<E::Group>,
    recovery: &Recovery,
    carried: &mut Carried,
) -> Result<(), EngineError> {
    let limits = &cx.config.limits;
    // Of the group before.
    carried.future = FutureCommits::default();
    carried.joiners.empty_room();
    for sender in recovery.left_out() {
        carried.joiners.bar(sender, limits);
    }
    for member in before.roster.iter().filter(|member| member.sender != cx.me) {
        let sender = &member.sender;
        // What it joined the group before by opens no Welcome any more, and relays show it again.
        if let Some(object_id) = member.key_package_object_id {
            carried.joiners.spend(sender, object_id, limits);
        }
        if !carried.joiners.barred.contains(sender) && !carried.intents.removals.contains_key(sender) {
            let permit = Permit { credential: cx.credential_hash(&member.credential)?, replacing: None };
            carried.joiners.let_in(sender, &member.credential, permit, limits);
        }
    }
    carried.intents.removals.clear();
    Ok(())
}
