// The members and the timeline as the page shows them.

import { hex, text } from './names.js';
import { show } from './picture.js';
import { describe } from './timeline.js';

const MOST_LINES = 300;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export class View {
  #members;
  #timeline;
  #remove;
  #tiles = new Map();
  /** Names of those who are or were members. */
  #names = new Map();

  /** `remove(sender)` is what the buttons of members do. */
  constructor({ members, timeline, remove }) {
    [this.#members, this.#timeline, this.#remove] = [members, timeline, remove];
  }

  clear() {
    this.#members.replaceChildren();
    this.#timeline.replaceChildren();
    this.#tiles.clear();
    this.#names.clear();
  }

  #nameOf(sender) {
    return this.#names.get(hex(sender)) ?? text(sender).slice(0, 6);
  }

  /** Adds a line to the timeline. */
  say(notice) {
    if (notice.kind === 'memberJoined') this.#names.set(hex(notice.sender), text(notice.credential.data));
    const said = describe(notice, (sender) => this.#nameOf(sender));
    if (said === undefined) return;
    const now = new Date();
    const time = element('time', { dateTime: now.toISOString(), textContent: now.toLocaleTimeString('en-GB') });
    const line = element('li', {}, time, element('span', { className: notice.kind, textContent: said }));
    line.dataset.kind = notice.kind;
    this.#timeline.prepend(line);
    while (this.#timeline.children.length > MOST_LINES) this.#timeline.lastChild.remove();
  }

  /** Shows who is in the group: a tile for each, in order. */
  show(members, me) {
    const present = new Set(members.map(({ sender }) => hex(sender)));
    for (const [id, tile] of this.#tiles) {
      if (present.has(id)) continue;
      tile.item.remove();
      this.#tiles.delete(id);
    }
    for (const { sender, name, received } of members) {
      const id = hex(sender);
      this.#names.set(id, name);
      const tile = this.#tiles.get(id) ?? this.#add(id, sender, name, id === hex(me));
      if (!received) continue;
      const { opened, missing } = received;
      const epoch = tile.epoch === undefined ? '' : `epoch ${tile.epoch}, `;
      tile.detail.textContent = `${epoch}${opened} opened, ${missing} missing`;
    }
  }

  #add(id, sender, name, isMe) {
    const canvas = element('canvas', { width: 320, height: 180, role: 'img', ariaLabel: `Pictures of ${name}` });
    const detail = element('div', { className: 'detail', textContent: isMe ? 'nothing sent yet' : '' });
    const title = element('div', { className: 'name', textContent: isMe ? `${name} (this page)` : name });
    const about = element('div', { className: 'about' }, element('div', {}, title, detail));
    if (!isMe) {
      const remove = element('button', { type: 'button', textContent: 'Remove', ariaLabel: `Remove ${name}` });
      remove.addEventListener('click', () => this.#remove(sender));
      about.append(remove);
    }
    const item = element('li', { className: 'member' }, canvas, about);
    Object.assign(item.dataset, { name, sender: text(sender) });
    this.#members.append(item);
    const tile = { item, canvas, detail, epoch: undefined };
    this.#tiles.set(id, tile);
    return tile;
  }

  /** Shows what a member sent. */
  async picture({ sender, epoch, payload }) {
    const tile = this.#tiles.get(hex(sender));
    if (!tile) return;
    if (epoch !== undefined) tile.epoch = epoch;
    await show(tile.canvas, payload).catch((error) => console.debug('picture', error.message));
  }

  /** Shows what this page sent. */
  own(me, payload, said) {
    const tile = this.#tiles.get(hex(me));
    if (!tile) return;
    tile.detail.textContent = said;
    show(tile.canvas, payload).catch((error) => console.debug('picture', error.message));
  }
}
