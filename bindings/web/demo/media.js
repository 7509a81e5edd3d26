// The own media track, and those of the others, sealed as MoQ Secure Objects.
//
// As the native participants do it: 64 objects to one MOQT group, and `u64 time of sealing in ms | payload` in each. A
// run begins at the time in milliseconds, and nothing is sealed after a restart before an epoch by an own
// commit: so no place is sealed twice.

import { fromProperties, toProperties } from './keyid.js';
import { hex, mediaTrack } from './names.js';
import { Received } from './received.js';
import { PRIORITY } from './streams.js';

const SUITE = 4;
const PER_GROUP = 64;
/** How long an object waits for its key, and how many do. A page that was away catches up epoch by epoch. */
const KEY_WAIT = 30_000;
const MOST_WAITING = 1024;
/** With more objects that wait to be written, the next picture is left out. */
const MOST_UNSENT = 8;

export class Media extends EventTarget {
  #participant;
  #relay;
  #group;
  #me;
  #own;
  #next = Date.now();
  #tracks = new Map();
  #waiting = [];
  /** The newest epoch that can be opened. */
  #newest;

  /** Its events are `opened` and `sent`, with what it is in `detail`. */
  constructor({ participant, relay, group }) {
    super();
    [this.#participant, this.#relay, this.#group] = [participant, relay, group];
    this.#me = participant.senderId();
    this.#own = participant.addTrack(SUITE, mediaTrack(group, this.#me));
  }

  /** Takes the media of these members, and of no others. */
  takeMembers(senders) {
    const wanted = new Set(senders.map(hex));
    for (const [id, { stop, number }] of this.#tracks) {
      if (wanted.has(id)) continue;
      stop();
      this.#participant.removeTrack(number);
      this.#tracks.delete(id);
    }
    for (const sender of senders) {
      const id = hex(sender);
      if (this.#tracks.has(id) || id === hex(this.#me)) continue;
      const track = mediaTrack(this.#group, sender);
      const entry = { sender, received: new Received(), number: this.#participant.addTrack(SUITE, track) };
      entry.stop = this.#relay.follow(track, (object) => this.#open(id, object, undefined));
      this.#tracks.set(id, entry);
    }
  }

  /** Returns what came of a member. */
  received(sender) {
    return this.#tracks.get(hex(sender))?.received;
  }

  /** Seals and sends an object; returns whether there is a key and the relay keeps up. */
  send(payload) {
    const track = mediaTrack(this.#group, this.#me);
    if (this.#relay.waiting(track) >= MOST_UNSENT || !this.#participant.keyIdProperty(this.#own)) return false;
    const sequence = this.#next;
    const now = Date.now();
    const timed = new Uint8Array(8 + payload.length);
    new DataView(timed.buffer).setBigUint64(0, BigInt(now));
    timed.set(payload, 8);
    const groupId = BigInt(Math.floor(sequence / PER_GROUP));
    const objectId = BigInt(sequence % PER_GROUP);
    const sealed = this.#participant.seal(this.#own, { groupId, objectId, priority: PRIORITY }, timed);
    this.#next += 1;
    this.#relay.send({ track, groupId, objectId, payload: sealed.object, properties: toProperties(sealed.properties) });
    this.dispatchEvent(new CustomEvent('sent', { detail: { sequence, at: now } }));
    return true;
  }

  #open(id, object, until) {
    const entry = this.#tracks.get(id);
    if (!entry) return;
    const { groupId, objectId, payload, properties } = object;
    const place = { groupId, objectId, priority: PRIORITY };
    let epoch;
    let immutable;
    let opened;
    try {
      ({ epoch, immutable } = fromProperties(properties) ?? {});
      opened = this.#participant.open(Date.now(), entry.number, place, immutable, payload, entry.sender);
    } catch (error) {
      // Its key may come with a later epoch.
      const isAhead = error.status === 'openUnknownKey' && !(epoch <= this.#newest);
      const mayCome = isAhead && (until ?? Infinity) > Date.now();
      if (mayCome && this.#waiting.length < MOST_WAITING) {
        this.#waiting.push({ id, object, until: until ?? Date.now() + KEY_WAIT });
      }
      return;
    }
    const sequence = Number(groupId) * PER_GROUP + Number(objectId);
    if (opened.payload.length < 8 || !entry.received.note(sequence)) return;
    const view = new DataView(opened.payload.buffer, opened.payload.byteOffset, 8);
    const at = Number(view.getBigUint64(0));
    const detail = { sender: entry.sender, sequence, at, epoch, payload: opened.payload.slice(8) };
    this.dispatchEvent(new CustomEvent('opened', { detail }));
  }

  /** Hears that objects of an epoch can be opened now. */
  ready(epoch) {
    this.#newest = epoch;
    this.retry();
  }

  /** Tries again what waits for its key, and gives up what waited too long. */
  retry() {
    for (const { id, object, until } of this.#waiting.splice(0)) this.#open(id, object, until);
  }

  stop() {
    this.takeMembers([]);
  }
}
