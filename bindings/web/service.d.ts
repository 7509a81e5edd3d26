// The counter service of moq-mls: a module of its own, which participants do without.

import type { Action, Event, HttpAnswer, ServiceConfig } from './types.js';

/** Loads the WebAssembly module of the service, once. Everything else here needs it. By default it is beside this file. */
export function init(source?: URL | string | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;

/** Returns the version of the events, actions and codes. */
export function version(): number;

/** Returns the default bounds of a counter service. */
export function defaultServiceConfig(): ServiceConfig;

/** A counter service, whose counters are in memory. */
export class Service {
  /**
   * Makes a service without counters. `signingKey` is an Ed25519 private key of 32 bytes, with which it signs
   * receipts.
   */
  constructor(config: ServiceConfig, signingKey?: Uint8Array);
  /**
   * Does what an action asks, and returns the event that answers it. `token` becomes the token of a lock: 16 bytes that
   * nobody can guess, fresh for each call.
   */
  answer(nowMs: number, action: Action, token: Uint8Array): Event;
  /** Answers the HTTP/1.1 request at the front of `input`; returns `undefined` if more bytes are needed. */
  respond(nowMs: number, input: Uint8Array, token: Uint8Array): HttpAnswer | undefined;
  /** Frees it. */
  free(): void;
  [Symbol.dispose](): void;
}
