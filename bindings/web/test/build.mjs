// The public classes over the testing build, with its functions beside them.

import { readFile } from 'node:fs/promises';

import { bind } from '../api.js';
import { found } from '../bench/alone.js';
import * as glue from '../wasm-testing/moq_mls_wasm.js';

export const api = bind(glue);
await api.load(await readFile(new URL('../wasm-testing/moq_mls_wasm_bg.wasm', import.meta.url)));

export const bytes = (text) => new TextEncoder().encode(text);
export const NOW = 1_700_000_000_000;

/** Returns a participant whose engine is `seeded NAME SEED`, from a snapshot if there is one. */
export function seeded(name, seed, config, snapshot, nowMs) {
  return api.over(glue.Participant.seeded(name, seed, config, snapshot, nowMs));
}

/** Returns a participant that has not begun. */
export function fresh(name = 'alice') {
  return new api.Participant(api.Identity.generate(1, bytes(name)), api.defaultConfig(bytes('room')), NOW);
}

/** Returns a participant that is the only member of its group. */
export function alone() {
  return found(api, seeded('alice', 1n, api.defaultConfig(bytes('room')), undefined, NOW), NOW);
}

export { glue };
