// The programs that a call needs beside its pages: the real relay, the real counter service, and a native participant.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { sleep } from './waiting.js';

/** Waits until `holds` returns something; returns that. */
export async function until(what, holds, ms = 60_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() > end) throw new Error(`still not so: ${what}`);
    await sleep(100);
  }
}

/** Returns a port that is free on loopback. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A running program; what it prints is in `lines`, each with the time. */
export class Program {
  lines = [];
  #child;
  #name;

  constructor(name, path, args) {
    this.#name = name;
    this.#child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
      this.#child.once('error', (error) => resolve({ error }));
    });
    for (const out of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: out }).on('line', (line) => {
        this.lines.push({ at: Date.now(), line });
        if (process.env.VERBOSE) console.log(`${name}: ${line}`);
      });
    }
  }

  type(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Waits for a line; returns what its pattern found, and the time. Lines before `from` do not count. */
  async line(pattern, from = 0) {
    let isOver = false;
    this.ended.then(() => (isOver = true));
    return until(`${this.#name} prints ${pattern}`, () => {
      const hit = this.lines.slice(from).find(({ line }) => pattern.test(line));
      if (!hit && isOver) throw new Error(`${this.#name} has ended: ${this.lines.at(-1)?.line ?? 'it said nothing'}`);
      return hit && { match: pattern.exec(hit.line), at: hit.at };
    });
  }

  async stop() {
    this.#child.kill('SIGTERM');
    await this.ended;
  }
}

/** Starts the relay. Returns it with its `port`, and the file and the `hash` of its certificate. */
export async function startRelay(live, folder, port = 0) {
  const relay = new Program('relay', live, ['relay', '--bind', `127.0.0.1:${port}`, '--tls', folder, '--web']);
  const listens = await relay.line(/relay at \S+:(\d+)/);
  const { match } = await relay.line(/^certificate hash ([0-9a-f]{64})/);
  return Object.assign(relay, {
    port: Number(listens.match[1]),
    hash: match[1],
    certificate: join(folder, 'cert.pem'),
  });
}

/** Starts the counter service, for pages of one origin and for native participants. */
export async function startCounter(live, folder, origin) {
  const port = await freePort();
  const where = [
    '--bind',
    `127.0.0.1:${port}`,
    '--host',
    `127.0.0.1:${port}`,
    '--store',
    'memory',
    '--key',
    join(folder, 'receipts.key'),
  ];
  const counter = new Program('counter', live, ['counter', '--open', '--origin', origin, ...where]);
  await counter.line(/^counter at/);
  return Object.assign(counter, { address: `http://127.0.0.1:${port}` });
}

/** Starts a native participant. */
export function startParticipant(live, folder, { name, room, relay, counter }) {
  const where = ['--relay', `localhost:${relay.port}`, '--relay-cert', relay.certificate, '--counter', counter.address];
  const who = ['--group', room, '--name', name, '--state-dir', join(folder, name)];
  return new Program(name, live, ['participant', '--plain', '--media-every', '200', ...who, ...where]);
}
