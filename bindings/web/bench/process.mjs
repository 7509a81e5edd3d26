// What WebAssembly costs: the events of one member of a group of 100 members, given to the native core and to the
// public JavaScript functions, by turns in one run.
//
//     node bench/process.mjs NATIVE LOG      NATIVE is the benchmark of moq-mls-c; LOG a file that it writes

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { NOW, glue, seeded } from '../test/build.mjs';

const ROUNDS = 7;
const [path, log] = process.argv.slice(2);
const native = spawn(path, [log], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: native.stdout })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value.split(' ');

const [before, commits] = (await line()).slice(1).map(Number);
const { config, events } = glue.logEvents(readFileSync(log, 'utf8'));

function round() {
  const participant = seeded('u1', 1n, config, undefined, NOW);
  let [took, actions] = [0n, 0];
  for (const { line: at, nowMs, event } of events) {
    const start = process.hrtime.bigint();
    participant.handle(nowMs, event);
    for (let action = participant.poll(); action; action = participant.poll()) if (action.kind !== 'keys') actions += 1;
    if (at >= before) took += process.hrtime.bigint() - start;
  }
  const epoch = participant.epoch();
  participant.free();
  return { took: Number(took), actions, epoch };
}

async function nativeRound() {
  native.stdin.write('round\n');
  const [, took, actions, epoch] = await line();
  return { took: Number(took), actions: Number(actions), epoch: BigInt(epoch) };
}

const measured = events.filter((event) => event.line >= before).length;
const [ratios, here, there] = [[], [], []];
for (let at = 0; at < ROUNDS; at += 1) {
  // Neither is always first.
  const first = at % 2 === 0 ? round() : undefined;
  const core = await nativeRound();
  const wasm = first ?? round();
  assert.deepEqual([wasm.actions, wasm.epoch], [core.actions, core.epoch], 'the same actions');
  ratios.push(wasm.took / core.took);
  here.push(wasm.took);
  there.push(core.took);
}
native.stdin.end();
const median = (numbers) => [...numbers].sort((a, b) => a - b)[ROUNDS >> 1];
console.log(`${measured} events a round, ${commits} commits at 100 members`);
console.log(`figure wasm_process_100_ms ${(median(here) / commits / 1e6).toFixed(3)} ms`);
console.log(`figure native_process_100_ms ${(median(there) / commits / 1e6).toFixed(3)} ms`);
console.log(`figure wasm_vs_native_process_100 ${median(ratios).toFixed(2)} x`);
