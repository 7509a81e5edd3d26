// What a caller can do wrong ends with an error, for each kind of wrong, and changes nothing.

import assert from 'node:assert/strict';
import test from 'node:test';

import { MoqMlsError } from '../errors.js';
import { NOW, api, bytes, fresh, glue } from './build.mjs';

const { Identity, Participant, Service, counterReply, counterRequest, defaultConfig, defaultServiceConfig } = api;
const status = (name) => (error) =>
  error instanceof MoqMlsError && error.status === name && Number.isInteger(error.code);
const type = (at) => (error) => error instanceof TypeError && error.message.startsWith(`${at}: `);

test('values of a wrong type are a TypeError that names their place', () => {
  const some = fresh();
  for (const [event, at] of [
    [undefined, 'event'],
    ['join', 'event'],
    [{}, 'event.kind'],
    [{ kind: 7 }, 'event.kind'],
    [{ kind: 'published' }, 'event.id'],
    [{ kind: 'published', id: 7 }, 'event.id'],
    [{ kind: 'refuse', sender: 'text' }, 'event.sender'],
    [{ kind: 'refuse', sender: [1, 2] }, 'event.sender'],
    [{ kind: 'fetched', id: 1n, objects: {} }, 'event.objects'],
    [{ kind: 'fetched', id: 1n, objects: [{}] }, 'event.objects.0.track'],
    [{ kind: 'admit', sender: bytes('a'), credential: { kind: 'basic' } }, 'event.credential.kind'],
  ]) {
    assert.throws(() => some.handle(NOW, event), type(at));
  }
  for (const nowMs of [undefined, '1', 1n, -1, NaN, Infinity]) {
    assert.throws(() => some.handle(nowMs, { kind: 'join' }), type('nowMs'));
  }
  const config = defaultConfig(bytes('room'));
  for (const [change, at] of [
    [{ treeObjects: 1 }, 'config.treeObjects'],
    [{ timers: {} }, 'config.timers.batchMs'],
    [{ adders: [1] }, 'config.adders.0'],
    [{ limits: { ...config.limits, roster: 5 } }, 'config.limits.roster'],
  ]) {
    const identity = Identity.generate(1, bytes('a'));
    assert.throws(() => new Participant(identity, { ...config, ...change }, NOW), type(at));
  }
  assert.throws(() => new Participant({}, config, NOW), TypeError);
  assert.throws(() => new Identity(), TypeError);
  assert.throws(() => Identity.generate('1', bytes('a')), type('suite'));
  assert.throws(() => some.seal(1, { groupId: 1, objectId: 0n, priority: 0 }, bytes('a')), type('place.groupId'));
  assert.throws(() => Participant.prototype.epoch.call({}), TypeError);
  assert.equal(some.poll(), undefined);
});

test('unknown kinds and codes are refused', () => {
  const some = fresh();
  for (const kind of ['', 'Join', 'nothing', '__proto__', 'constructor']) {
    assert.throws(() => some.handle(NOW, { kind }), status('unknownCode'));
  }
  const failed = { kind: 'failed', request: 'lock', id: 1n, failure: 'notSent', code: 0n };
  assert.throws(() => some.handle(NOW, { ...failed, request: 'locks' }), status('unknownCode'));
  assert.throws(() => some.handle(NOW, { ...failed, failure: 'ok' }), status('unknownCode'));
  const config = { ...defaultConfig(bytes('room')), mode: 'fast' };
  assert.throws(() => new Participant(Identity.generate(1, bytes('a')), config, NOW), status('unknownCode'));
  assert.throws(() => Identity.generate(9, bytes('a')), status('unsupported'));
  assert.throws(() => some.addTrack(99, { namespace: [bytes('m')], name: bytes('a') }), status('unknownCode'));
});

test('lengths and numbers out of range are refused', () => {
  const some = fresh();
  for (const id of [-1n, 2n ** 64n]) {
    assert.throws(() => some.handle(NOW, { kind: 'published', id }), status('invalidLength'));
  }
  const place = { groupId: 1n, objectId: 0n, priority: 256 };
  assert.throws(() => some.seal(1, place, bytes('a')), status('invalidLength'));
  assert.throws(() => some.seal(1, { ...place, priority: 0.5 }, bytes('a')), status('invalidLength'));
  const state = { current: 1n, pin: bytes('short'), pinForgotten: false };
  assert.throws(() => some.handle(NOW, { kind: 'incremented', id: 1n, state }), status('invalidLength'));
  assert.throws(() => new Service(defaultServiceConfig(), bytes('short')), status('invalidLength'));
  assert.throws(() => some.exportSecret(bytes('l'), bytes('c'), 8161), status('invalidLength'));
  for (const name of [bytes(''), bytes('x'.repeat(256)), bytes('..')]) {
    assert.throws(() => defaultConfig(name), status('invalidName'));
  }
  assert.throws(() => some.addTrack(4, { namespace: [], name: bytes('a') }), status('invalidName'));
});

test('calls out of order are refused or reported', () => {
  const some = fresh();
  assert.throws(() => some.epochAuthenticator(), status('notAMember'));
  assert.throws(() => some.exportSecret(bytes('l'), bytes('c'), 32), status('notAMember'));
  assert.throws(() => some.removeTrack(5), status('noSuchTrack'));
  const track = some.addTrack(4, { namespace: [bytes('m')], name: bytes('a') });
  assert.throws(() => some.seal(track, { groupId: 1n, objectId: 0n, priority: 0 }, bytes('a')), status('sealNoKey'));
  some.handle(NOW, { kind: 'join' });
  assert.throws(() => some.handle(NOW, { kind: 'join' }), status('alreadyJoined'));
  // An answer to nothing is a fault of the peer, not of the caller.
  some.handle(NOW, { kind: 'subscribed', id: 999n });
  some.handle(NOW, { kind: 'lockConflict', id: 999n, retryLaterMs: 0n });
  const faults = [];
  for (let action = some.poll(); action; action = some.poll()) {
    if (action.kind === 'notify' && action.notice.kind === 'peerFault') faults.push(action.notice.fault);
  }
  assert.deepEqual([...new Set(faults)], ['unknownReply']);
  assert.throws(() => counterRequest({ kind: 'announce', namespace: [] }, 'host'), status('noCounterRequest'));
  const lock = { kind: 'lock', id: 1n, counter: bytes('room'), val: 0n };
  assert.throws(() => counterRequest(lock, 'half \ud800'), status('notUtf8'));
  assert.throws(() => counterRequest(lock, 'whole \ufffd'), status('invalidHttp'));
  assert.throws(
    () => counterReply('publish', 1n, bytes('HTTP/1.1 200 OK\r\n\r\n'), true),
    status('noCounterRequest'),
  );
  assert.throws(
    () =>
      Participant.restore(
        Identity.generate(1, bytes('a')),
        defaultConfig(bytes('room')),
        bytes('no'),
        undefined,
        NOW,
      ),
    status('snapshotMalformed'),
  );
});

test('an object that was freed is invalid, and freeing it again does nothing', () => {
  const some = fresh();
  some.free();
  some.free();
  assert.throws(() => some.poll(), status('invalidHandle'));
  assert.throws(() => some.handle(NOW, { kind: 'join' }), status('invalidHandle'));
  const identity = Identity.generate(1, bytes('a'));
  identity[Symbol.dispose]();
  assert.throws(() => identity.publicKey(), status('invalidHandle'));
  assert.throws(() => new Participant(identity, defaultConfig(bytes('room')), NOW), status('invalidHandle'));
  const service = new Service(defaultServiceConfig());
  service.free();
  assert.throws(() => service.respond(NOW, bytes(''), bytes('')), status('invalidHandle'));
});

test('a getter of the caller cannot come back into the object, and what it throws comes out', () => {
  const some = fresh();
  const event = {
    get kind() {
      return some.phase();
    },
  };
  assert.throws(() => some.handle(NOW, event), status('busy'));
  const freeing = {
    get kind() {
      return some.free();
    },
  };
  assert.throws(() => some.handle(NOW, freeing), status('busy'));
  const own = new RangeError('mine');
  assert.throws(
    () =>
      some.handle(NOW, {
        get kind() {
          throw own;
        },
      }),
    (error) => error === own,
  );
  some.handle(NOW, { kind: 'join' });
});

test('a panic becomes an error, its object is unusable, and others go on', () => {
  const [some, other] = [fresh('a'), fresh('b')];
  assert.throws(
    () => api.internal(some, (inner) => inner.fail()),
    (error) => status('panicked')(error) && /a test asked for it/.test(error.message),
  );
  assert.throws(() => some.poll(), status('panicked'));
  some.free();
  other.handle(NOW, { kind: 'join' });
  assert.notEqual(other.poll(), undefined);
  other.free();
});

test('before the module is loaded, every function says so', async () => {
  const { bind } = await import('../api.js');
  const early = bind(glue);
  assert.throws(() => early.version(), status('unsupported'));
  assert.throws(() => early.Identity.generate(1, bytes('a')), status('unsupported'));
});
