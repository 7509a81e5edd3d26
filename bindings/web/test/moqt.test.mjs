// MoQT's control messages and streams, there and back, whole and in pieces.

import assert from 'node:assert/strict';
import test from 'node:test';

import { MoqMlsError } from '../errors.js';
import { api, bytes, glue } from './build.mjs';

const { FetchWriter, StreamReader, SubgroupWriter, decodeMessage, encodeMessage } = api;
const track = { namespace: [bytes('room'), bytes('commits')], name: bytes('sender') };
const namespace = track.namespace;
const none = { parameters: [] };
const open = { ...none, trackProperties: [] };
const requestId = 2n ** 32n;
const broken = (error) => error instanceof MoqMlsError && error.status === 'invalidMoqt' && error.code === 1000;

const messages = [
  {
    kind: 'setup',
    options: [
      { key: 1n, value: bytes('/') },
      { key: 5n, value: bytes('localhost') },
    ],
  },
  { kind: 'goAway', newSessionUri: bytes('https://other/'), timeout: 1000n, requestId: 6n },
  { kind: 'requestOk', ...open },
  { kind: 'requestError', errorCode: 0x20n, retryInterval: 0n, reasonPhrase: bytes('not for me') },
  {
    kind: 'requestError',
    errorCode: 0x34n,
    retryInterval: 0n,
    reasonPhrase: bytes(''),
    redirect: { connectUri: bytes('https://other/'), namespace, name: bytes('other') },
  },
  { kind: 'subscribe', requestId, track, ...none },
  { kind: 'subscribeOk', trackAlias: 9n, ...open },
  { kind: 'requestUpdate', requestId, ...none },
  { kind: 'publish', requestId, track, trackAlias: 7n, ...open },
  { kind: 'publishDone', statusCode: 0n, streamCount: 3n, reasonPhrase: bytes('') },
  { kind: 'publishNamespace', requestId, namespace, ...none },
  { kind: 'namespace', namespaceSuffix: [bytes('sender')] },
  { kind: 'namespaceDone', namespaceSuffix: [bytes('sender')] },
  { kind: 'subscribeNamespace', requestId, namespacePrefix: namespace, ...none },
  { kind: 'subscribeTracks', requestId, namespacePrefix: namespace, ...none },
  { kind: 'trackStatus', requestId, track, ...none },
  { kind: 'fetch', requestId, track, startGroup: 3n, startObject: 0n, endGroup: 8n, endObject: 0n, ...none },
  { kind: 'joiningFetch', requestId, absolute: true, joiningRequestId: 4n, joiningStart: 5n, ...none },
  { kind: 'joiningFetch', requestId, absolute: false, joiningRequestId: 4n, joiningStart: 5n, ...none },
  { kind: 'fetchOk', endOfTrack: false, endGroup: 8n, endObject: 2n, ...open },
  { kind: 'publishBlocked', namespaceSuffix: [], name: bytes('sender') },
];

test('every control message comes back as it was, and no byte less is enough', () => {
  for (const message of messages) {
    const encoded = encodeMessage(message);
    assert.deepEqual(decodeMessage(encoded), { message, consumed: encoded.length });
    for (let length = 0; length < encoded.length; length += 1) {
      assert.equal(decodeMessage(encoded.subarray(0, length)), undefined, `${message.kind} of ${length} bytes`);
    }
  }
  assert.deepEqual(new Set(messages.map(({ kind }) => kind)), new Set(glue.kinds('MoqtMessage')));
});

test('SETUP is the bytes that a relay takes', () => {
  assert.deepEqual([...encodeMessage({ kind: 'setup', options: [] })], [0xaf, 0x00, 0x00, 0x00]);
});

test('messages that MoQT does not allow are refused', () => {
  const setup = (key, value) => ({ kind: 'setup', options: [{ key, value }] });
  assert.throws(() => encodeMessage(setup(2n, bytes('text'))), broken);
  assert.throws(() => encodeMessage(setup(1n, 7n)), broken);
  assert.throws(() => encodeMessage(setup(1n, 'text')), TypeError);
  assert.throws(() => encodeMessage({ ...messages[3], errorCode: 0x34n }), broken);
  assert.throws(() => encodeMessage({ ...messages[16], startGroup: 9n }), broken);
  assert.throws(() => decodeMessage(Uint8Array.of(0x3f, 0, 0)), broken);
});

/** Returns the items of a stream whose bytes come in chunks of this length. */
function items(stream, length, options) {
  const reader = new StreamReader(options);
  const found = [];
  for (let at = 0; at < stream.length; at += length) {
    reader.push(stream.subarray(at, at + length));
    for (let item = reader.poll(); item; item = reader.poll()) found.push(item);
  }
  assert.equal(reader.pending(), 0);
  reader.free();
  return found;
}

const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const object = (groupId, objectId, payload, properties = bytes('')) => ({
  kind: 'object',
  groupId,
  objectId,
  properties,
  payload,
  status: 'normal',
});

test('a subgroup comes back as it was written, in pieces of any length', () => {
  const properties = Uint8Array.of(0x0b, 0x02, 0x02, 0x07);
  for (const withProperties of [false, true]) {
    const writer = new SubgroupWriter({ trackAlias: 7n, groupId: 300n, priority: 128, properties: withProperties });
    const its = withProperties ? properties : undefined;
    const sent = [
      [0n, 'a'],
      [1n, 'b'.repeat(2000)],
      [9n, 'c'],
    ].map(([id, text]) => object(300n, id, bytes(text), its));
    const stream = joined(writer.start(), ...sent.map((one) => writer.object(one.objectId, one.payload, its)));
    const header = { kind: 'subgroup', trackAlias: 7n, groupId: 300n, priority: 128, endOfGroup: false };
    for (const length of [1, 2, 7, 1000, stream.length]) assert.deepEqual(items(stream, length), [header, ...sent]);
    assert.throws(() => writer.object(9n, bytes('again')), broken);
  }
  const writer = new SubgroupWriter({ trackAlias: 7n, groupId: 300n, priority: 128 });
  assert.throws(() => writer.object(0n, bytes('a'), properties), broken);
});

test('a FETCH comes back as it was written, in pieces of any length', () => {
  const writer = new FetchWriter(6n);
  const sent = [
    [3n, 0n, 'a'],
    [3n, 1n, 'b'],
    [3n, 5n, 'c'],
    [8n, 2n, 'd'.repeat(2000)],
  ].map(([group, id, text]) => object(group, id, bytes(text)));
  const stream = joined(
    writer.start(),
    ...sent.map((one) => writer.object(one.groupId, one.objectId, 128, one.payload)),
  );
  for (const length of [1, 3, 500, stream.length]) {
    assert.deepEqual(items(stream, length), [{ kind: 'fetch', requestId: 6n }, ...sent]);
  }
  assert.throws(() => writer.object(8n, 2n, 128, bytes('again')), broken);
});

test('control streams and streams of requests have messages', () => {
  const control = joined(encodeMessage(messages[0]), encodeMessage(messages[1]));
  const answers = joined(encodeMessage(messages[2]), encodeMessage(messages[20]));
  const of = (...some) => some.map((message) => ({ kind: 'control', message }));
  for (const length of [1, 3, 100]) {
    assert.deepEqual(items(control, length), of(messages[0], messages[1]));
    assert.deepEqual(items(answers, length, { requests: true }), of(messages[2], messages[20]));
  }
});

test('a stream that MoQT does not know is refused', () => {
  const reader = new StreamReader();
  reader.push(Uint8Array.of(0x3f, 1, 2, 3));
  assert.throws(() => reader.poll(), broken);
  assert.throws(() => new StreamReader().push(new Uint8Array(2 ** 24 + 1)), broken);
});
