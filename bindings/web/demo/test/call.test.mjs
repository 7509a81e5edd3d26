// A call in a real browser: two pages and a native participant, over the real relay and the real counter service.
//
//     MOQ_MLS_LIVE=path/to/moq-mls-live node --test demo/test/call.test.mjs
//
// SCREENSHOT names a file for a picture of the call, CHROMIUM another browser, and VERBOSE=1 shows what programs print.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { serve } from '../serve.mjs';
import { CHROMIUM, hasBrowser, startBrowser } from './browser.mjs';
import { Observed } from './observed.mjs';
import { sleep } from '../waiting.js';
import { startCounter, startParticipant, startRelay, until } from '../programs.mjs';

const LIVE = process.env.MOQ_MLS_LIVE ?? 'moq-mls-live';
const ROOM = 'demo-room';
/** The native participant is given so long to print an authenticator. */
const ANOTHER_EPOCH_MS = 3000;
/** More than a page keeps open for the relay: `OPEN_GROUPS` in `publishing.js`. */
const COMMITS_AWAY = 6;
/** Members seal with a new epoch so long after a removal at the latest: the key ring's `switchAfterRemovalMs`. */
const SWITCH_BOUND_MS = 500;
const OBSERVER = fileURLToPath(new URL('observer.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'moq-mls-demo-'));
const observed = new Observed();
const errors = [];
const ends = [];
const finish = (end) => ends.unshift(end);

/** Opens a page in a profile of its own. */
async function openPage(context, address) {
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(error));
  page.on('console', (message) => {
    // The browser reports refusals by the counter service, which are answers, and tries while the relay is away.
    const isExpected = /^Failed to (load resource|establish a connection)/.test(message.text());
    if (message.type() === 'error' && !isExpected) errors.push(new Error(message.text()));
    if (process.env.VERBOSE) console.log(`page: ${message.text()}`);
  });
  await page.exposeFunction('report', (report) => observed.take(report));
  await page.addInitScript({ path: OBSERVER });
  await page.goto(address);
  return page;
}

async function enter(page, name) {
  await page.getByLabel('Name').fill(name);
  await page.keyboard.press('Enter');
}

/** Returns where a page is: its phase, epoch and epoch authenticator. */
const stateOf = (page) => page.evaluate(() => ({ ...document.body.dataset }));
const tilesOf = (page) => page.locator('#members > li').evaluateAll((all) => all.map(({ dataset }) => dataset.name));
const senderOf = (page) => page.evaluate(() => new TextDecoder().decode(globalThis.call.me));

/** Returns whether the native participant has printed what matches, of its own lines. */
const hasSaid = (native, some) => native.lines.some(({ line }) => line.includes(some));

/**
 * Waits until pages agree on the epoch and its authenticator, with so many members, and the native participant too. That
 * one prints no authenticator of an epoch that it has passed on the way to its terminal: then another epoch is made.
 */
async function agreement(pages, native, count) {
  let asked = Date.now();
  return until(`${count} members agree`, async () => {
    const states = await Promise.all(pages.map(stateOf));
    const [{ phase, epoch, authenticator }] = states;
    const tiles = await Promise.all(pages.map(tilesOf));
    const areSame = states.every((one) => one.epoch === epoch && one.authenticator === authenticator);
    if (phase !== 'member' || !areSame || tiles.some(({ length }) => length !== count)) return undefined;
    if (native && !hasSaid(native, `authenticator ${authenticator.slice(0, 16)}`)) {
      if (hasSaid(native, `at epoch ${epoch}`) && Date.now() > asked + ANOTHER_EPOCH_MS) {
        asked = Date.now();
        await pages[0].getByRole('button', { name: 'New epoch' }).click();
      }
      return undefined;
    }
    return { epoch: Number(epoch), authenticator };
  });
}

/** Returns how many objects of a member the native participant has opened. */
async function nativeOpened(native, name) {
  const from = native.lines.length;
  native.type('media');
  return Number((await native.line(new RegExp(`${name}: (\\d+) opened`), from)).match[1]);
}

/** In a page: asks a member for the commits that it has seen, and returns their epochs. */
async function fetchSeen(member) {
  const { Session } = await import('/demo/session.js');
  const { bytes, commitNamespace, seenTrack } = await import('/demo/names.js');
  const { fromArchive } = await import('/demo/commits.js');
  const { relayOptions } = globalThis.call;
  const commits = commitNamespace(relayOptions.group);
  const session = await Session.open(relayOptions, { object() {} });
  try {
    const objects = await session.fetch(seenTrack(commits, bytes(member)), 0n, 1000n);
    return objects.map((object) => Number(fromArchive(commits, object).groupId));
  } finally {
    session.close();
  }
}

test('two pages and a native participant in one call', { timeout: 300_000 }, async (t) => {
  if (!hasBrowser()) return t.skip(`there is no ${CHROMIUM}`);
  t.after(async () => {
    for (const end of ends) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  const server = await serve({ port: 0 });
  finish(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const origin = `http://localhost:${server.address().port}`;
  let relay = await startRelay(LIVE, join(folder, 'tls'));
  finish(() => relay.stop());
  const counter = await startCounter(LIVE, folder, origin);
  finish(() => counter.stop());
  const browser = await startBrowser(folder);
  finish(() => browser.close());
  const settings = new URLSearchParams({
    room: ROOM,
    relay: `https://127.0.0.1:${relay.port}/`,
    hash: relay.hash,
    counter: counter.address,
  });
  const address = `${origin}/demo/#${settings}`;

  const [hers, his] = [await browser.newContext(), await browser.newContext()];
  const viewport = { width: 1280, height: 500 };
  const alice = await openPage(hers, address);
  await alice.setViewportSize(viewport);
  const began = Date.now();
  await enter(alice, 'alice');
  await agreement([alice], undefined, 1);
  console.log(`figure browser_create ${Date.now() - began} ms`);

  let bob = await openPage(his, address);
  const joins = Date.now();
  await enter(bob, 'bob');
  await agreement([alice, bob], undefined, 2);
  console.log(`figure browser_join ${Date.now() - joins} ms`);
  const nina = startParticipant(LIVE, folder, { name: 'nina', room: ROOM, relay, counter });
  finish(() => nina.stop());
  await agreement([alice, bob], nina, 3);
  const [aliceId, bobId] = [await senderOf(alice), await senderOf(bob)];
  const ninaId = (await nina.line(/^nina is ([0-9a-f]{64})/)).match[1];

  // Everybody sees everybody.
  await until('the pages open each other and the native participant', () =>
    [
      [aliceId, bobId],
      [aliceId, ninaId],
      [bobId, aliceId],
      [bobId, ninaId],
    ].every(([me, from]) => observed.opened(me, from) >= 20),
  );
  for (const name of ['alice', 'bob']) {
    await until(`the native participant opens ${name}`, async () => (await nativeOpened(nina, name)) >= 20);
  }
  if (process.env.SCREENSHOT) await alice.screenshot({ path: process.env.SCREENSHOT });

  // The camera takes the place of what is drawn.
  await alice.getByLabel('Use the camera').check();
  const taken = observed.opened(bobId, aliceId);
  await until('pictures of the camera come', () => observed.opened(bobId, aliceId) >= taken + 10);
  assert.ok(await alice.getByLabel('Use the camera').isChecked());
  await alice.getByLabel('Use the camera').uncheck();

  // One page for one state.
  const second = await openPage(his, address);
  await enter(second, 'bob');
  await second.getByText('in another page of this browser').waitFor();
  await second.close();

  // A page that is loaded again goes on with its state, and seals under another epoch only.
  const [before] = observed.of('sent', bobId).slice(-1);
  await bob.reload();
  await until('bob goes on', () => observed.of('began', bobId).some(({ isRestored }) => isRestored));
  const { run } = observed.of('began', bobId).at(-1);
  const again = await agreement([alice, bob], nina, 3);
  const [first] = await until('bob sends again', () => {
    const sent = observed.of('sent', bobId).filter((one) => one.run === run);
    return sent.length > 20 && sent;
  });
  assert.ok(first.epoch > before.epoch, `sealed under epoch ${before.epoch}, and after the reload ${first.epoch}`);
  assert.ok(first.sequence > before.sequence);
  await until('alice and bob open each other again', () => {
    const opens = (me, from) => observed.of('opened', me).filter((one) => one.from === from && one.at > first.at);
    return opens(aliceId, bobId).length >= 20 && opens(bobId, aliceId).length >= 20;
  });

  // The relay starts over, and the call goes on.
  await relay.stop();
  relay = await startRelay(LIVE, join(folder, 'tls'), relay.port);
  const back = Date.now();
  await until('the pages open what is sent after the restart', () => {
    const opens = (me, from) => observed.of('opened', me).filter((one) => one.from === from && one.at > back);
    return [
      [aliceId, bobId],
      [aliceId, ninaId],
      [bobId, aliceId],
      [bobId, ninaId],
    ].every(([me, from]) => opens(me, from).length >= 10);
  });
  console.log(`figure browser_relay_restart ${Date.now() - back} ms`);
  await alice.getByRole('button', { name: 'New epoch' }).click();
  await until('a new epoch', async () => Number((await stateOf(alice)).epoch) > again.epoch);
  await agreement([alice, bob], nina, 3);

  // A page that was away for more commits than the relay keeps catches up.
  await bob.close();
  for (let made = 0; made < COMMITS_AWAY; made += 1) {
    const { epoch } = await stateOf(alice);
    await alice.getByRole('button', { name: 'New epoch' }).click();
    await until('a new epoch', async () => Number((await stateOf(alice)).epoch) > Number(epoch));
  }
  bob = await openPage(his, address);
  const returns = Date.now();
  await enter(bob, 'bob');
  const renewed = await agreement([alice, bob], nina, 3);
  console.log(`figure browser_catch_up ${Date.now() - returns} ms`);
  assert.equal(await senderOf(bob), bobId);

  // What is past is had by FETCH, of a page and of a native participant.
  for (const member of [aliceId, ninaId]) {
    const places = await bob.evaluate(fetchSeen, member);
    assert.ok(places.length >= COMMITS_AWAY, `${member.slice(0, 6)} gave ${places.length} commits`);
  }

  // The removed page keeps all its keys, and takes what the relay has.
  await bob.evaluate(
    async (senders) => {
      const { hoard } = await import('/demo/test/hoard.js');
      globalThis.hoarded = hoard(globalThis.call);
      globalThis.hoardsRelay = globalThis.hoarded.watch(senders);
    },
    [aliceId, ninaId],
  );
  const hoarded = () => bob.evaluate(() => globalThis.hoarded.result);
  await until('the hoard opens what its keys are for', async () => {
    const { opened } = await hoarded();
    return [aliceId, ninaId].every((sender) => opened.filter((one) => one.sender === sender).length >= 10);
  });
  const linesBefore = nina.lines.length;
  await alice.getByRole('button', { name: 'Remove bob' }).click();
  await until('bob is out', () => observed.of('over', bobId).length > 0);
  const without = await agreement([alice], nina, 2);
  assert.ok(without.epoch > renewed.epoch);
  const heard = {
    [aliceId]: (await until('alice heard of it', () => observed.of('left', aliceId).find(({ who }) => who === bobId)))
      .at,
    [ninaId]: (await nina.line(new RegExp(`sees ${bobId.slice(0, 6)} go`), linesBefore)).at,
  };
  const shown = observed.of('opened', bobId).length;
  const closedBefore = (await hoarded()).closed;
  await sleep(6000);
  assert.equal(observed.of('opened', bobId).length, shown, 'the removed page shows nothing more');
  assert.deepEqual(await tilesOf(bob), []);
  const { opened, closed } = await hoarded();
  const late = opened.filter(({ sender, at }) => at >= heard[sender] + SWITCH_BOUND_MS);
  assert.ok(closed - closedBefore >= 20, `only ${closed - closedBefore} objects reached the removed page`);
  console.log(`figure browser_closed_to_removed ${closed - closedBefore} objects`);
  console.log(`figure browser_opened_by_removed ${late.length} objects`);
  assert.deepEqual(late, []);

  // One leaves, and the other goes on alone.
  const lastLines = nina.lines.length;
  await alice.getByRole('button', { name: 'Leave' }).press('Enter');
  await until('alice has left', () => observed.of('over', aliceId).length > 0);
  await nina.line(new RegExp(`sees ${aliceId.slice(0, 6)} go`), lastLines);

  const gaps = observed.gaps([ninaId]);
  console.log(`figure browser_media_opened ${observed.of('opened').length} objects`);
  console.log(`figure browser_media_gaps ${gaps.length} objects`);
  assert.deepEqual(gaps, []);
  assert.deepEqual(errors, []);
});
