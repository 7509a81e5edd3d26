// The commits that this participant has seen, for those who missed them.
//
// The relay keeps no history: it passes a FETCH on to the session that published the namespace. So every participant
// publishes the namespace `(group, commits, its SenderId)` with one track, `seen`: MOQT group = the epoch, object = a
// number from 0, payload = `u16 length of the track's name | the name | u64 object id | the object's payload`.
// Receivers judge commits by the pin, so nothing in it needs to be believed.

import { trackKey } from './names.js';

const KEPT_EPOCHS = 128;
const KEPT_OBJECTS = 64;

/** Objects of commit tracks, by MOQT group in the order they came. */
export class CommitLog {
  #groups = new Map();

  /** Takes an object of a commit track. */
  note(object) {
    const key = `${trackKey(object.track)} ${object.objectId}`;
    if (!this.#groups.has(object.groupId)) this.#groups.set(object.groupId, new Map());
    const group = this.#groups.get(object.groupId);
    if (group.size < KEPT_OBJECTS && !group.has(key)) group.set(key, object);
    while (this.#groups.size > KEPT_EPOCHS) this.#groups.delete(this.#ids()[0]);
  }

  #ids() {
    return [...this.#groups.keys()].sort((a, b) => (a < b ? -1 : 1));
  }

  /** Returns what came of these MOQT groups, by group. */
  seen(first, last) {
    const ids = this.#ids().filter((id) => id >= first && id <= last);
    return ids.flatMap((id) => [...this.#groups.get(id).values()]);
  }

  /** Returns the same as objects of the track `seen`. */
  archive(first, last) {
    const numbers = new Map();
    return this.seen(first, last).map(({ track, groupId, objectId, payload }) => {
      const number = numbers.get(groupId) ?? 0n;
      numbers.set(groupId, number + 1n);
      const { length } = track.name;
      const out = new Uint8Array(2 + length + 8 + payload.length);
      const view = new DataView(out.buffer);
      view.setUint16(0, length);
      out.set(track.name, 2);
      view.setBigUint64(2 + length, objectId);
      out.set(payload, 10 + length);
      return { groupId, objectId: number, payload: out };
    });
  }
}

/** Returns the object of a commit track under `commits` that an object of a track `seen` holds. */
export function fromArchive(commits, { groupId, payload }) {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const length = view.getUint16(0);
  const objectId = view.getBigUint64(2 + length);
  const track = { namespace: commits, name: payload.slice(2, 2 + length) };
  return { track, groupId, objectId, payload: payload.slice(10 + length) };
}
