// MoQT draft 18 as bytes, for pages that speak it over WebTransport. Messages are in moqt-types.d.ts. What MoQT does
// not allow is a MoqMlsError with the status `invalidMoqt`.

import type { DecodedMessage, MoqtMessage, StreamItem } from './moqt-types.js';

export type * from './moqt-types.js';

/** Returns the bytes of a control message. */
export function encodeMessage(message: MoqtMessage): Uint8Array;

/** Reads the control message at the front of `input`; returns `undefined` if more bytes are needed. */
export function decodeMessage(input: Uint8Array): DecodedMessage | undefined;

/**
 * Reads one stream of the relay: `push` its bytes as they come, and `poll` until it returns `undefined`. What a
 * unidirectional stream is for is its first item, except for the control stream, whose messages begin at once.
 */
export class StreamReader {
  /** With `requests`, it is a request's stream: control messages only. */
  constructor(options?: { requests?: boolean });
  /** Takes the next bytes of the stream. */
  push(chunk: Uint8Array): void;
  /** Returns the next item, or `undefined` if more bytes are needed. After an error do not read on. */
  poll(): StreamItem | undefined;
  /** Returns how many bytes wait for the rest of their item. */
  pending(): number;
  /** Frees it. */
  free(): void;
  [Symbol.dispose](): void;
}

/** Writes the stream of one MOQT group: subgroup 0, object ids that rise. */
export class SubgroupWriter {
  /** With `properties`, each object has a block of them, even if it is empty. */
  constructor(options: { trackAlias: bigint; groupId: bigint; priority: number; properties?: boolean });
  /** Returns the bytes with which the stream begins. */
  start(): Uint8Array;
  /** Returns the bytes of the next object. */
  object(objectId: bigint, payload: Uint8Array, properties?: Uint8Array): Uint8Array;
  /** Frees it. */
  free(): void;
  [Symbol.dispose](): void;
}

/** Writes the stream that answers a FETCH: places that rise. */
export class FetchWriter {
  constructor(requestId: bigint);
  /** Returns the bytes with which the stream begins. */
  start(): Uint8Array;
  /** Returns the bytes of the next object. */
  object(
    groupId: bigint,
    objectId: bigint,
    priority: number,
    payload: Uint8Array,
    properties?: Uint8Array,
  ): Uint8Array;
  /** Frees it. */
  free(): void;
  [Symbol.dispose](): void;
}
