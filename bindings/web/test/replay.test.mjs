// `vectors/replay` through the public functions: the same actions and the same states, to the last byte.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

import { MoqMlsError } from '../errors.js';
import { glue, seeded } from './build.mjs';

const folder = new URL('../../../vectors/replay/', import.meta.url);

/** One participant, by nothing but its public functions. */
class Through {
  start(name, seed, config, snapshot, nowMs) {
    const next = seeded(name, seed, config, snapshot, nowMs);
    this.participant?.free();
    this.participant = next;
  }

  handle(nowMs, event) {
    this.participant.handle(nowMs, event);
  }

  poll() {
    return this.participant.poll();
  }

  state() {
    const some = (read) => {
      try {
        return read();
      } catch (error) {
        if (error instanceof MoqMlsError && error.status !== 'panicked') return undefined;
        throw error;
      }
    };
    const { participant } = this;
    return {
      phase: participant.phase(),
      epoch: participant.epoch(),
      authenticator: some(() => participant.epochAuthenticator()),
      contextHash: participant.contextHash(),
    };
  }
}

test('every vector comes to the same actions through WebAssembly', () => {
  const names = readdirSync(folder);
  let actions = 0;
  for (const name of names) {
    try {
      actions += glue.replay(readFileSync(new URL(name, folder), 'utf8'), new Through());
    } catch (error) {
      throw new Error(`${name}: ${error.message}`);
    }
  }
  assert.ok(actions > 100, `${actions} actions`);
  console.log(`figure replay_wasm ${names.length} files`);
  console.log(`figure replay_wasm_actions ${actions} actions`);
});

test('a loss shows', () => {
  const name = readdirSync(folder)[0];
  const log = readFileSync(new URL(name, folder), 'utf8');
  class Lossy extends Through {
    poll() {
      const action = super.poll();
      if (action?.kind === 'publish') action.object.objectId += 1n;
      return action;
    }
  }
  assert.throws(() => glue.replay(log, new Lossy()), /line \d+: found/);
});
