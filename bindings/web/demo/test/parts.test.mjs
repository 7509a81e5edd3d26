// The parts of the page that need no browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import test from 'node:test';

import { CommitLog, fromArchive } from '../commits.js';
import { fromProperties, toProperties } from '../keyid.js';
import { bytes, commitNamespace, fromWire, hex, kind, mediaTrack, prefix, toWire, unhex } from '../names.js';
import { Outbox } from '../outbox.js';
import { Received } from '../received.js';
import { serve } from '../serve.mjs';
import { Bell, within } from '../waiting.js';
import { Observed } from './observed.mjs';

test('a Key ID is carried as the native participants carry it, and comes back', () => {
  for (const [immutable, wire] of [
    ['00020100', '0b020200'],
    ['0002013f', '0b02023f'],
    ['0002024040', '0b020240'],
    ['000204800003e8', '0b030283e8'],
    ['0002048fffffff', '0b0502efffffff'],
  ]) {
    assert.equal(hex(toProperties(unhex(immutable))), wire);
    const { epoch, immutable: back } = fromProperties(unhex(wire));
    assert.equal(hex(toProperties(back)), wire);
    assert.ok(epoch < 2n ** 28n);
  }
  assert.equal(hex(fromProperties(unhex('0b030283e8')).immutable), '00020243e8');
  assert.equal(fromProperties(unhex('')), undefined);
  assert.equal(fromProperties(unhex('0b020407')), undefined);
});

test('names come back from the wire', () => {
  const [group, me] = [bytes('room'), bytes('a11ce')];
  for (const field of ['keypackages', 'welcome', 'commits', 'trees']) {
    const track = { namespace: [group, bytes(field)], name: me };
    assert.deepEqual(fromWire(toWire(track)), track);
    assert.ok(kind(track));
  }
  const welcome = { namespace: [group, bytes('welcome')], name: me };
  assert.deepEqual(toWire(welcome), { namespace: [group, bytes('welcome'), me], name: bytes('welcome') });
  assert.deepEqual(prefix(welcome), [group, bytes('welcome'), me]);
  assert.equal(kind(mediaTrack(group, me)), undefined);
  assert.throws(() => unhex('0'));
});

test('commits that were seen come back from the archive', () => {
  const commits = commitNamespace(bytes('room'));
  const object = (groupId, objectId, name) => ({
    track: { namespace: commits, name: bytes(name) },
    groupId,
    objectId,
    payload: bytes(`${groupId} ${objectId}`),
  });
  const all = [object(10n, 0n, 'a'), object(4n, 1n, 'a'), object(4n, 0n, 'b')];
  const log = new CommitLog();
  for (const one of [...all, ...all]) log.note(one);
  const sorted = [all[1], all[2], all[0]];
  assert.deepEqual(log.seen(0n, 20n), sorted);
  const archived = log.archive(0n, 20n);
  assert.deepEqual(
    archived.map(({ groupId, objectId }) => [groupId, objectId]),
    [
      [4n, 0n],
      [4n, 1n],
      [10n, 0n],
    ],
  );
  assert.deepEqual(
    archived.map((one) => fromArchive(commits, one)),
    sorted,
  );
  assert.deepEqual(log.archive(5n, 6n), []);
});

test('what is missing is counted in each run', () => {
  const received = new Received();
  const notes = [5, 7, 8, 7].map((sequence) => received.note(sequence));
  assert.deepEqual(notes, [true, true, true, false]);
  assert.deepEqual([received.opened, received.missing], [3, 1]);
  assert.equal(received.note(6), true);
  // Another run begins at a later time.
  received.note(900_000);
  received.note(900_002);
  assert.deepEqual([received.opened, received.missing], [6, 1]);
});

test('a gap is what a run of a page did not open between what it opened', () => {
  const observed = new Observed();
  for (const sequence of [1, 2, 3, 4, 900, 901]) observed.take({ kind: 'sent', run: 1, me: 'a', sequence });
  const opens = (run, from, sequences) => {
    for (const sequence of sequences) observed.take({ kind: 'opened', run, me: 'b', from, sequence });
  };
  opens(2, 'a', [2, 4, 901]);
  opens(3, 'a', [900, 901]);
  opens(2, 'native', [10, 12]);
  const gaps = observed.gaps(['native']);
  assert.deepEqual(
    gaps.map(({ from, sequence }) => `${from} ${sequence}`),
    ['a 3', 'a 900', 'native 11'],
  );
});

test('objects of a track leave one by one, and after the subscriptions', async () => {
  const left = [];
  const outbox = new Outbox((id) => new Promise((resolve) => left.push({ id, resolve })));
  const object = (name) => ({ track: { namespace: [bytes('room')], name: bytes(name) } });
  outbox.subscribing(1n);
  outbox.push(2n, object('a'));
  outbox.push(3n, object('a'));
  outbox.push(4n, object('b'));
  assert.deepEqual(left, []);
  outbox.subscribed(1n);
  assert.deepEqual(
    left.map(({ id }) => id),
    [2n, 4n],
  );
  let isIdle = false;
  outbox.idle().then(() => (isIdle = true));
  left[0].resolve();
  await new Promise(setImmediate);
  assert.deepEqual(
    left.map(({ id }) => id),
    [2n, 4n, 3n],
  );
  assert.equal(isIdle, false);
  left.slice(1).forEach(({ resolve }) => resolve());
  await new Promise(setImmediate);
  assert.equal(isIdle, true);
});

test('a bell wakes its waiter, and a ring before the wait is not lost', async () => {
  const bell = new Bell();
  bell.ring();
  assert.equal(await bell.wait(10_000), true);
  assert.equal(await bell.wait(1), false);
  setTimeout(() => bell.ring(), 1);
  assert.equal(await bell.wait(10_000), true);
  await assert.rejects(within(1, new Promise(() => {})), /no answer/);
});

test('the server gives the page and the package, and nothing beside it', async () => {
  const { files } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  // What is built may not be there.
  const shipped = files.filter((path) => /^[\w-]+\.js$/.test(path));
  assert.ok(shipped.includes('load.js'));
  const server = await serve({ port: 0 });
  const get = (path) =>
    new Promise((resolve, reject) => {
      const asked = { host: '127.0.0.1', port: server.address().port, path };
      request(asked, (answer) => answer.resume().on('end', () => resolve(answer)))
        .on('error', reject)
        .end();
    });
  try {
    const page = await get('/demo/');
    assert.deepEqual([page.statusCode, page.headers['content-type']], [200, 'text/html; charset=utf-8']);
    assert.equal((await get('/')).headers.location, '/demo/');
    assert.equal((await get('/index.js')).headers['content-type'], 'text/javascript; charset=utf-8');
    for (const path of shipped) assert.equal((await get(`/${path}`)).statusCode, 200, path);
    for (const path of [
      '/package.json',
      '/../../README.md',
      '/demo/..%2f..%2f..%2fREADME.md',
      '/Cargo.toml',
      '/%',
      '//[',
    ]) {
      assert.ok((await get(path)).statusCode >= 400, path);
    }
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
