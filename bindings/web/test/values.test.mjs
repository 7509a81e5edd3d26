// Every kind of event, action and notice goes to Rust and comes back as it was. No kind is left out.

import assert from 'node:assert/strict';
import test from 'node:test';

import { api, bytes, glue } from './build.mjs';

const track = { namespace: [bytes('room'), bytes('welcome')], name: bytes('sender') };
const object = { track, groupId: 1n, objectId: 2n ** 64n - 1n, payload: bytes('payload') };
const credential = { kind: 2, data: bytes('chain') };
const state = { current: 4n, pin: new Uint8Array(96).fill(3), receipt: bytes('receipt'), pinForgotten: true };
const [sender, group, peer, founder] = ['sender', 'group', 'peer', 'founder'].map(bytes);
const [id, epoch] = [2n ** 63n, 2n ** 53n + 1n];

const events = [
  { kind: 'join' },
  { kind: 'admit', sender, credential, keyPackageRef: bytes('ref'), replacing: bytes('old') },
  { kind: 'admit', sender, credential },
  { kind: 'refuse', sender },
  { kind: 'add', keyPackage: bytes('package') },
  { kind: 'remove', sender },
  { kind: 'gone', sender },
  { kind: 'update' },
  { kind: 'follow', group },
  { kind: 'leave' },
  { kind: 'object', object },
  { kind: 'subscribed', id },
  { kind: 'published', id },
  { kind: 'fetched', id, objects: [object, object] },
  { kind: 'fetched', id, objects: [] },
  { kind: 'lockGranted', id, lockId: bytes('token'), expiresInMs: 5n },
  { kind: 'lockGranted', id, expiresInMs: 0n },
  { kind: 'lockConflict', id, retryLaterMs: 6n },
  { kind: 'lockCounterError', id, state },
  { kind: 'incremented', id, state: { current: 0n, pinForgotten: false } },
  { kind: 'incrementCounterError', id, state },
  { kind: 'incrementWrongKey', id, state },
  { kind: 'commitFound', id, state, commit: bytes('') },
  { kind: 'commitCounterError', id, state },
  ...glue
    .kinds('Reason')
    .flatMap((reason) => ['lockRefused', 'incrementRefused', 'commitRefused'].map((kind) => ({ kind, id, reason }))),
  ...glue
    .kinds('RequestKind')
    .flatMap((request) =>
      glue.kinds('Failure').map((failure) => ({ kind: 'failed', request, id, failure, code: 7n })),
    ),
  { kind: 'peerAuthenticator', peer, epoch, authenticator: bytes('authenticator') },
  { kind: 'mediaOpened', peer, epoch },
  { kind: 'mediaAhead', epoch },
  { kind: 'serviceTime', timeMs: 8n },
  { kind: 'retryAfter', waitMs: 9n },
  { kind: 'timer' },
];

const notices = [
  ...glue.kinds('EpochCause').map((cause) => ({ kind: 'epoch', epoch, cause })),
  { kind: 'epoch', epoch, cause: 'commit', committer: sender },
  ...glue.kinds('Breach').map((breach) => ({ kind: 'againstPolicy', epoch, committer: sender, breach })),
  { kind: 'memberJoined', sender, leafIndex: 2 ** 32 - 1, credential },
  { kind: 'memberLeft', sender },
  { kind: 'memberReplaced', old: sender, new: peer, leafIndex: 0, credential },
  { kind: 'memberChanged', leafIndex: 9, old: sender, new: peer, credential },
  ...glue.kinds('Hold').map((hold) => ({ kind: 'joinRequested', sender, credential, hold })),
  {
    kind: 'joinRequested',
    sender,
    credential,
    keyPackageRef: bytes('ref'),
    hold: 'otherCredential',
    otherCredential: credential,
    otherMember: peer,
  },
  { kind: 'invalidLeafKey', sender },
  { kind: 'credentialExpired', sender },
  { kind: 'removed', epoch },
  { kind: 'left' },
  { kind: 'leaveUnheard' },
  ...glue.kinds('WaitsFor').map((waitsFor) => ({ kind: 'joinStalled', waitsFor })),
  { kind: 'joinStalled', counter: 0n, waitsFor: 'confirmation', epoch },
  { kind: 'notReadBack', epoch },
  { kind: 'treeMissing', epoch },
  ...glue.kinds('RejoinReason').map((reason) => ({ kind: 'rejoining', reason })),
  { kind: 'resumed', epoch },
  { kind: 'stateErased', epoch },
  ...glue.kinds('RecoveryStep').map((step) => ({ kind: 'recovery', step })),
  { kind: 'recovery', step: 'following', group, founder },
  { kind: 'succeeded', group },
  { kind: 'successorOffered', group, credentials: [credential, credential] },
  { kind: 'forkDetected', epoch, peer },
  { kind: 'deadSlot', epoch },
  { kind: 'faultyCommit', epoch, commitHash: new Uint8Array(32).fill(9) },
  ...glue.kinds('ServiceFault').map((fault) => ({ kind: 'serviceFault', fault })),
  { kind: 'serviceFault', fault: 'refused', current: 19n, reason: 'rateLimited' },
  { kind: 'paramsMismatch' },
  ...glue.kinds('SafetyMode').flatMap((mode) =>
    glue.kinds('CommitTracks').map((commitTracks) => ({
      kind: 'paramsMismatch',
      group: { mode, commitTracks, treeObjects: true, epochBase: 6n },
    })),
  ),
  {
    kind: 'paramsMismatch',
    group: {
      mode: 'fenced',
      commitTracks: 'shared',
      treeObjects: false,
      serviceKeyHash: new Uint8Array(32).fill(5),
      epochBase: 0n,
    },
  },
  ...glue.kinds('Refusal').map((reason) => ({ kind: 'refused', sender, reason })),
  ...glue.kinds('Fault').map((fault) => ({ kind: 'underAttack', fault, total: 20n })),
  ...glue
    .kinds('ClockError')
    .flatMap((error) =>
      glue.kinds('ClockWitness').map((witness) => ({ kind: 'clockSkew', error, byMs: 21n, witness })),
    ),
  { kind: 'doubled', times: 22, waitMs: 23n },
  { kind: 'peerFault', from: peer, fault: 'invalid' },
  { kind: 'peerFault', fault: 'foreignTrack' },
];

const actions = [
  { kind: 'persist', snapshot: bytes('snapshot') },
  { kind: 'announce', namespace: track.namespace },
  { kind: 'subscribeNamespace', id, namespace: track.namespace },
  { kind: 'subscribe', id, track },
  { kind: 'unsubscribe', id },
  { kind: 'fetch', id, namespace: track.namespace, name: track.name, firstGroup: 6n, lastGroup: 2n ** 64n - 1n },
  { kind: 'fetch', id, namespace: [], firstGroup: 0n, lastGroup: 0n },
  { kind: 'publish', id, object },
  { kind: 'lock', id, counter: group, val: 7n },
  {
    kind: 'increment',
    id,
    counter: group,
    val: 7n,
    lockId: bytes('lock'),
    prev: state.pin,
    pin: state.pin,
    key: bytes('key'),
    commit: bytes('commit'),
  },
  { kind: 'increment', id, counter: group },
  { kind: 'getCommit', id, counter: group, val: 7n },
  ...notices.map((notice) => ({ kind: 'notify', notice })),
  { kind: 'keys', notice: { kind: 'epochReady', epoch } },
  ...glue.kinds('SwitchReason').map((reason) => ({ kind: 'keys', notice: { kind: 'sendWith', epoch, reason } })),
  ...glue.kinds('Silence').map((reason) => ({ kind: 'keys', notice: { kind: 'silent', reason } })),
  ...glue.kinds('ForgetReason').map((reason) => ({ kind: 'keys', notice: { kind: 'forgotten', epoch, reason } })),
];

for (const [what, samples] of [
  ['event', events],
  ['action', actions],
  ['notice', notices],
]) {
  test(`every kind of ${what} crosses and comes back as it was`, () => {
    for (const sample of samples) assert.deepEqual(glue.thereAndBack(what, sample), sample);
    const type = what[0].toUpperCase() + what.slice(1);
    assert.deepEqual(new Set(samples.map(({ kind }) => kind)), new Set(glue.kinds(type)));
  });
}

test('a field that must be there is missed, for each field of each kind', () => {
  let missed = 0;
  for (const [what, samples] of [
    ['event', events],
    ['action', actions],
    ['notice', notices],
  ]) {
    for (const sample of samples) {
      for (const field of Object.keys(sample)) {
        const without = { ...sample };
        delete without[field];
        let back;
        try {
          back = glue.thereAndBack(what, without);
        } catch (error) {
          assert.ok(error instanceof TypeError && error.message.startsWith(field), error.message);
          missed += 1;
          continue;
        }
        // It may be absent, and then it stays absent.
        assert.deepEqual(back, without);
      }
    }
  }
  assert.ok(missed > 200, `${missed} fields`);
});

test('a configuration crosses and comes back as it was', () => {
  const config = api.defaultConfig(bytes('room'));
  assert.deepEqual(glue.thereAndBack('config', config), config);
  let number = 2n ** 60n;
  const changed = (values) => Object.fromEntries(Object.keys(values).map((name) => [name, (number += 1n)]));
  for (const mode of glue.kinds('SafetyMode')) {
    for (const admission of glue.kinds('Admission')) {
      const other = {
        ...config,
        mode,
        admission,
        commitTracks: 'perSender',
        treeObjects: !config.treeObjects,
        serviceKey: bytes('key'),
        adders: [sender, peer],
        removers: [],
        mostAdds: 1n,
        mostRemoves: 2n,
        mostBytes: 3n,
        treeThreshold: 4n,
        successor: !config.successor,
        followOffers: !config.followOffers,
        limits: changed(config.limits),
        timers: changed(config.timers),
        keys: changed(config.keys),
      };
      assert.deepEqual(glue.thereAndBack('config', other), other);
    }
  }
});

test('every status crosses', () => {
  for (const status of glue.kinds('Status')) assert.equal(glue.thereAndBack('status', status), status);
});
