// Starts everything for a call on this machine: the relay, the counter service and the page.
//
//     node demo/start.mjs path/to/moq-mls-live
//
// Certificate, receipt key and the state of a native participant are in a new temporary folder; the counter is in memory.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startCounter, startRelay } from './programs.mjs';
import { serve } from './serve.mjs';

const [live] = process.argv.slice(2);
if (live === undefined || live.startsWith('-')) {
  console.error('usage: node demo/start.mjs path/to/moq-mls-live');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'moq-mls-demo-'));
const running = [];
let isStopping = false;

/** Ends the programs, and this one. */
async function stop(code = 0) {
  if (isStopping) return;
  isStopping = true;
  await Promise.all(running.map((program) => program.stop()));
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

process.on('SIGINT', () => stop());
process.on('SIGTERM', () => stop());
try {
  const server = await serve({ port: 8000 });
  const origin = `http://localhost:${server.address().port}`;
  const relay = await startRelay(live, join(folder, 'tls'), 4443);
  running.push(relay);
  const counter = await startCounter(live, folder, origin);
  running.push(counter);

  const settings = new URLSearchParams({
    relay: `https://127.0.0.1:${relay.port}/`,
    hash: relay.hash,
    counter: counter.address,
  });
  const where = `--relay localhost:${relay.port} --relay-cert ${relay.certificate} --counter ${counter.address}`;
  console.log(`Open this page, in two windows:\n\n  ${origin}/demo/#${settings}\n`);
  console.log('A native participant for the same room:\n');
  console.log(`  ${live} participant --group room-1 --name nina --state-dir ${join(folder, 'nina')} ${where}\n`);
  console.log('Ctrl-C ends it.');
  await Promise.race([relay.ended, counter.ended]);
  if (!isStopping) throw new Error('the relay or the counter service has ended');
} catch (error) {
  console.error(`start: ${error.message.split('\n')[0]}`);
  await stop(1);
}
