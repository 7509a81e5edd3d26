// Two processes of member.mjs with a hub in this one: they agree, seal and open, and end as the protocol says.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Service, defaultServiceConfig, init } from 'moq-mls/service';

await init();
const hex = (text) => Buffer.from(text).toString('hex');
const MEDIA = { namespace: [hex('media')], name: hex('alice') };

/** A relay and a counter service, for members that are processes. */
class Hub {
  #service = new Service(defaultServiceConfig());
  #objects = [];
  #subscriptions = [];

  /** Starts a member; `lines` are those that are no request. */
  start(name) {
    const program = fileURLToPath(new URL('member.mjs', import.meta.url));
    const child = spawn(process.execPath, [program, name, 'room'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const member = { child, lines: [], waiting: [], ended: once(child, 'exit') };
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(member, JSON.parse(line)));
    return member;
  }

  say(member, line) {
    member.child.stdin.write(`${JSON.stringify(line)}\n`);
  }

  /** Returns the next line that is no request. */
  async next(member) {
    if (member.lines.length === 0) await new Promise((resolve) => member.waiting.push(resolve));
    return member.lines.shift();
  }

  #take(member, line) {
    const { id } = line;
    const covers = (wanted, track) =>
      JSON.stringify(wanted.namespace) === JSON.stringify(track.namespace) &&
      (wanted.name === null || wanted.name === track.name);
    if (line.type === 'subscribe') {
      this.#subscriptions.push({ member, line });
      this.say(member, { type: 'subscribed', id });
      for (const object of this.#objects) if (covers(line, object)) this.say(member, { type: 'object', ...object });
    } else if (line.type === 'unsubscribe') {
      this.#subscriptions = this.#subscriptions.filter((one) => one.member !== member || one.line.id !== id);
    } else if (line.type === 'publish') {
      const { type: _, id: own, ...object } = line;
      this.#objects.push(object);
      this.say(member, { type: 'published', id: own });
      for (const { member: to, line: wanted } of this.#subscriptions) {
        if (covers(wanted, object)) this.say(to, { type: 'object', ...object });
      }
    } else if (line.type === 'fetch') {
      const [first, last] = [BigInt(line.first_group), BigInt(line.last_group)];
      const objects = this.#objects.filter(
        (one) => covers(line, one) && BigInt(one.group_id) >= first && BigInt(one.group_id) <= last,
      );
      this.say(member, { type: 'fetched', id, objects });
    } else if (line.type === 'http') {
      const token = crypto.getRandomValues(new Uint8Array(16));
      const answer = this.#service.respond(Date.now(), Uint8Array.from(Buffer.from(line.bytes, 'hex')), token);
      assert.ok(answer, 'a whole request');
      this.say(member, {
        type: 'http',
        request: line.request,
        id,
        bytes: Buffer.from(answer.response).toString('hex'),
      });
    } else {
      member.lines.push(line);
      member.waiting.shift()?.();
    }
  }
}

test('two members agree over lines, and end', { timeout: 60_000 }, async () => {
  const hub = new Hub();
  const members = [hub.start('alice'), hub.start('bob')];
  const [alice, bob] = members;
  const { type, sender } = await hub.next(alice);
  assert.equal(type, 'hello');
  assert.match(Buffer.from(sender, 'hex').toString(), /^[0-9a-f]{64}$/);
  assert.equal((await hub.next(bob)).type, 'hello');

  const report = async (member) => {
    hub.say(member, { type: 'report', ...MEDIA });
    return hub.next(member);
  };
  assert.deepEqual(await report(alice), {
    type: 'report',
    epoch: null,
    members: null,
    authenticator: null,
    track_key: null,
  });
  for (const member of members) hub.say(member, { type: 'join' });
  let reports;
  do {
    await new Promise((resolve) => setTimeout(resolve, 50));
    reports = await Promise.all(members.map(report));
    // Until the test's time is over.
  } while (reports.some((one) => one.members !== '2') || reports[0].epoch !== reports[1].epoch);
  assert.deepEqual(reports[0], reports[1]);
  assert.equal(reports[0].authenticator.length, 64);

  const place = { ...MEDIA, group_id: '7', object_id: '0' };
  hub.say(alice, { type: 'seal', ...place, payload: hex('hello') });
  const { type: sealed, ...parts } = await hub.next(alice);
  assert.equal(sealed, 'sealed');
  hub.say(bob, { type: 'open', ...place, ...parts, publisher: sender });
  assert.deepEqual(await hub.next(bob), { type: 'opened', payload: hex('hello') });

  hub.say(alice, { type: 'quit' });
  assert.deepEqual(await alice.ended, [0, null]);
  hub.say(bob, { type: 'dance' });
  assert.equal((await hub.next(bob)).type, 'error');
  assert.deepEqual(await bob.ended, [1, null]);
});
