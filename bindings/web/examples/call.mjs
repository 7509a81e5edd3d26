// A whole call in one process: three members join, seal and open an object, one is restarted, and one is removed.
//
//     node examples/call.mjs

import assert from 'node:assert/strict';
import { Identity, Participant, defaultConfig, init } from 'moq-mls';

import { Hub } from './hub.mjs';

await init();
const bytes = (text) => new TextEncoder().encode(text);
const hub = new Hub();
const config = defaultConfig(bytes('room-1'));
const media = { namespace: [bytes('media')], name: bytes('alice') };

const members = ['alice', 'bob', 'carol'].map((name) => {
  const identity = Identity.generate(1, bytes(name));
  const participant = new Participant(identity, config, hub.nowMs);
  const track = participant.addTrack(4, media);
  participant.handle(hub.nowMs, { kind: 'join' });
  return { name, identity, participant, track, ended: false };
});
const [alice, bob, carol] = members;

/** Says whether these are the members of one epoch, and no others are. */
function agree(some) {
  const states = some.map(({ participant }) => participant);
  return (
    states.every((one) => one.phase() === 'member' && one.members().length === some.length) &&
    new Set(states.map((one) => Buffer.from(one.epochAuthenticator()).toString('hex'))).size === 1
  );
}

hub.run(members, () => agree(members));
const epoch = alice.participant.epoch();
// A media key that an application would hand to its own media stack: by method only.
assert.deepEqual(alice.participant.trackKey(epoch, media), bob.participant.trackKey(epoch, media));

// Sealed by one, opened by the others. By itself, the switch to a new epoch waits for those who may lack it.
alice.participant.switchNow(hub.nowMs);
const place = { groupId: 7n, objectId: 0n, priority: 0 };
const sealed = alice.participant.seal(alice.track, place, bytes('hello'));
const publisher = alice.participant.senderId();
const open = ({ participant, track }, at, { properties, object }) =>
  new TextDecoder().decode(participant.open(hub.nowMs, track, at, properties, object, publisher).payload);
assert.equal(open(bob, place, sealed), 'hello');
assert.equal(open(carol, place, sealed), 'hello');
// The same place again would use a nonce twice.
assert.throws(() => alice.participant.seal(alice.track, place, bytes('again')), { status: 'sealNotAbove' });

// A process that ends, and comes back with what it stored.
hub.drain(bob);
bob.participant.free();
assert.throws(() => bob.participant.epoch(), { status: 'invalidHandle' });
bob.participant = Participant.restore(bob.identity, config, bob.snapshot, bob.keys, hub.nowMs);
bob.track = bob.participant.addTrack(4, media);
assert.equal(open(bob, place, sealed), 'hello');
hub.run(members, () => agree(members));

// One is removed, and opens nothing that is sealed after it.
alice.participant.handle(hub.nowMs, { kind: 'remove', sender: carol.participant.senderId() });
hub.run(members, () => carol.ended && agree([alice, bob]));
alice.participant.switchNow(hub.nowMs);
const later = { groupId: 8n, objectId: 0n, priority: 0 };
const without = alice.participant.seal(alice.track, later, bytes('without carol'));
assert.equal(open(bob, later, without), 'without carol');
assert.throws(() => open(carol, later, without), { status: 'openUnknownKey' });

console.log(`call.mjs: members agree at epoch ${alice.participant.epoch()}`);
for (const { identity, participant } of members) {
  participant.free();
  identity.free();
}
