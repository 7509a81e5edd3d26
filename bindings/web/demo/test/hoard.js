// In a page: what a removed member could still do. It keeps the base key of every track in every epoch that it was in,
// takes what the relay has by sessions of its own, and tries every key.

import { ObjectKey } from '../../webcrypto.js';
import { fromProperties } from '../keyid.js';
import { bytes, mediaTrack, text } from '../names.js';
import { Relay } from '../relay.js';
import { PRIORITY } from '../streams.js';

/** Begins to hoard the keys of a call. Returns `watch`, which begins to take the media of these senders. */
export function hoard(call) {
  /** Keys of each track: the sender, then the epoch. */
  const keys = new Map();
  const take = async () => {
    const { epoch } = call.state();
    if (epoch === undefined) return;
    for (const { sender } of call.members()) {
      const track = mediaTrack(call.relayOptions.group, sender);
      const base = call.trackKey(epoch, track);
      const key = await ObjectKey.derive(base, epoch, track);
      keys.set(text(sender), new Map(keys.get(text(sender))).set(epoch, key));
    }
  };
  call.addEventListener('epoch', take);
  take();

  const result = { opened: [], closed: 0 };
  const watch = (senders) => {
    const relay = new Relay({ ...call.relayOptions, me: bytes('hoard') });
    for (const sender of senders) {
      const track = mediaTrack(call.relayOptions.group, bytes(sender));
      relay.follow(track, async ({ groupId, objectId, payload, properties }) => {
        const place = { groupId, objectId, priority: PRIORITY };
        const { immutable } = fromProperties(properties) ?? {};
        const tried = [...(keys.get(sender)?.values() ?? [])].map((key) => key.open(place, immutable, payload));
        const found = (await Promise.allSettled(tried)).find(({ status }) => status === 'fulfilled');
        if (!found) return (result.closed += 1);
        const at = Number(new DataView(found.value.payload.slice(0, 8).buffer).getBigUint64(0));
        return result.opened.push({ sender, at });
      });
    }
    return relay;
  };
  return { watch, result };
}
