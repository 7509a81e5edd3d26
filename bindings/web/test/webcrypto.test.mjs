// WebCrypto makes and opens the same bytes as the module, in both directions, and refuses what the module refuses.

import assert from 'node:assert/strict';
import test from 'node:test';

import { MoqMlsError } from '../errors.js';
import { ObjectKey } from '../webcrypto.js';
import { NOW, alone, bytes } from './build.mjs';

const track = { namespace: [bytes('media'), bytes('x'.repeat(100))], name: bytes('alice') };
const status = (name, code) => (error) =>
  error instanceof MoqMlsError && error.status === name && error.code === code;
const place = (groupId, objectId, priority = 128) => ({ groupId, objectId, priority });

async function both() {
  const participant = alone();
  const epoch = participant.epoch();
  const key = await ObjectKey.derive(participant.trackKey(epoch, track), epoch, track);
  return { participant, number: participant.addTrack(4, track), key };
}

test('both seal to the same bytes, and each opens what the other sealed', async () => {
  const { participant, number, key } = await both();
  assert.deepEqual(key.keyIdProperty, participant.keyIdProperty(number));
  // A property of the caller's own beside the Key ID, and a list of encrypted ones.
  const own = Uint8Array.of(...key.keyIdProperty, 0x00, 0x07, 0x01, 0x2a);
  const list = Uint8Array.of(0x00, 0x07, 0x01, 0x2a);
  const variants = [{}, { immutable: own }, { encrypted: list }, { immutable: own, encrypted: list }];
  let group = 0n;
  for (const size of [0, 1, 63, 64, 1200, 16383, 16384, 100_000]) {
    const payload = Uint8Array.from({ length: size }, (_, at) => at % 251);
    for (const options of variants) {
      group += 2n ** 55n;
      const here = await key.seal(place(group, 2n ** 32n - 1n), payload, options);
      const there = participant.seal(number, place(group, 2n ** 32n - 1n), payload, options);
      assert.deepEqual(here, there);
      const at = place(group, 2n ** 32n - 1n);
      const opened = { payload, encrypted: options.encrypted ?? bytes('') };
      assert.deepEqual(await key.open(at, there.properties, there.object), opened);
      assert.deepEqual(participant.open(NOW, number, at, here.properties, here.object), opened);
    }
  }
});

test('what the module refuses to seal, WebCrypto refuses', async () => {
  const { participant, number, key } = await both();
  const seal = async (at, options) => {
    const errors = [];
    for (const attempt of [
      () => key.seal(at, bytes('a'), options),
      () => participant.seal(number, at, bytes('a'), options),
    ]) {
      try {
        await attempt();
      } catch (error) {
        errors.push([error.status, error.code]);
      }
    }
    assert.deepEqual(errors[0], errors[1]);
    return errors[0]?.[0];
  };
  assert.equal(await seal(place(5n, 3n)), undefined);
  for (const below of [place(5n, 3n), place(5n, 0n), place(4n, 9n)]) assert.equal(await seal(below), 'sealNotAbove');
  assert.equal(await seal(place(6n, 2n ** 32n)), 'sealObjectId');
  for (const around of [-1n, 2n ** 64n + 5n]) assert.equal(await seal(place(around, 0n)), 'invalidLength');
  const twice = Uint8Array.of(...key.keyIdProperty, ...key.keyIdProperty);
  for (const immutable of [bytes(''), Uint8Array.of(0, 2, 1, 63), Uint8Array.of(0, 2, 9), twice]) {
    assert.equal(await seal(place(6n, 0n), { immutable }), 'sealKeyId');
  }
  assert.equal(await seal(place(6n, 0n)), undefined);
  // Two calls at once: the first has used the place up.
  const first = key.seal(place(7n, 0n), bytes('a'));
  await assert.rejects(key.seal(place(7n, 0n), bytes('b')), status('sealNotAbove', 62));
  await first;
});

test('an object that was changed does not open', async () => {
  const { key } = await both();
  const at = place(1n, 0n);
  const { properties, object } = await key.seal(at, bytes('hello'));
  const refused = status('openRejected', 82);
  for (let bit = 0; bit < object.length * 8; bit += 5) {
    const changed = object.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    await assert.rejects(key.open(at, properties, changed), refused);
  }
  for (const other of [place(2n, 0n), place(1n, 1n), place(1n, 0n, 0), place(1n, 2n ** 32n)]) {
    await assert.rejects(key.open(other, properties, object), refused);
  }
  await assert.rejects(key.open(at, bytes(''), object), refused);
  await assert.rejects(key.open(at, properties, object.subarray(0, 3)), refused);
  assert.deepEqual((await key.open(at, properties, object)).payload, bytes('hello'));
});
