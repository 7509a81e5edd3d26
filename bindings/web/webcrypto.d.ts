// Secure Objects by WebCrypto, suite 4, asynchronous. In Chromium it is faster than `Participant.seal` and `open`, in Node
// only with many in flight: docs/bindings/web.md has the figures.

import type { OpenedObject, SealedObject } from './index.js';
import type { ObjectPlace, TrackName } from './types.js';

/**
 * The key of one track and epoch. Of one track and epoch make one key to seal with, in all runs: a second one does not
 * know what the first has sealed. Seal only with the epoch that the last `keys` action `sendWith` named, and not at all
 * after `silent`.
 */
export class ObjectKey {
  private constructor();
  /** Derives the key from what `Participant.trackKey` returned for this epoch and track. */
  static derive(baseKey: Uint8Array, epoch: bigint, track: TrackName): Promise<ObjectKey>;
  /** The Key ID: the epoch. */
  readonly keyId: bigint;
  /** The Key ID property, serialized: the least that immutable properties hold. */
  readonly keyIdProperty: Uint8Array;
  /** Seals an object. Places only rise, in the order of the calls. */
  seal(
    place: ObjectPlace,
    payload: Uint8Array,
    options?: { immutable?: Uint8Array; encrypted?: Uint8Array },
  ): Promise<SealedObject>;
  /** Opens an object of this key. Give the participant the event `mediaOpened` when its publisher is known. */
  open(place: ObjectPlace, properties: Uint8Array, object: Uint8Array): Promise<OpenedObject>;
}
