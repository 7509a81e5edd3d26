// The counter service over fetch. The package makes the request and reads the response; this carries them.

import { counterReply, counterRequest } from 'moq-mls';

import { bytes, text } from './names.js';

const PATIENCE = 10_000;
/** Headers that the browser writes itself. */
const NOT_OURS = new Set(['host', 'content-length']);
/** Headers that are no longer true of a body that fetch has unpacked. */
const UNPACKED = new Set(['content-length', 'content-encoding', 'transfer-encoding', 'connection']);

/** Returns how an HTTP/1.1 request is made by fetch. */
function toFetch(request) {
  const end = request.findIndex((_, at) => text(request.subarray(at, at + 4)) === '\r\n\r\n');
  const [line, ...lines] = text(request.subarray(0, end)).split('\r\n');
  const [method, target] = line.split(' ');
  const fields = lines.map((field) => [field.slice(0, field.indexOf(':')), field.slice(field.indexOf(':') + 1).trim()]);
  const headers = fields.filter(([name]) => !NOT_OURS.has(name.toLowerCase()));
  const body = request.slice(end + 4);
  return { method, target, headers, body: body.length > 0 ? body : undefined };
}

/** Returns a response of fetch as HTTP/1.1. */
function fromFetch(status, headers, body) {
  const fields = [...headers].filter(([name]) => !UNPACKED.has(name.toLowerCase()));
  fields.push(['content-length', `${body.length}`]);
  const head = bytes(`HTTP/1.1 ${status} -\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  const response = new Uint8Array(head.length + body.length);
  response.set(head);
  response.set(body, head.length);
  return response;
}

export class Counter {
  #base;
  #token;
  #heard;

  /**
   * `base` is the service's address, `token` a bearer token; `heard` hears of errors, and of `undefined` after them.
   */
  constructor(base, token, heard = () => {}) {
    this.#base = base.replace(/\/+$/, '');
    const { protocol, hostname } = new URL(this.#base);
    const isOpen = protocol !== 'https:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname);
    if (token && isOpen) throw new Error('a token goes out over https only, or to this machine');
    this.#token = token || undefined;
    this.#heard = heard;
  }

  /**
   * Asks what an action asks. Returns the events that answer it, in order: times first, with Retry-After among them.
   */
  async ask(action) {
    try {
      const { method, target, headers, body } = toFetch(counterRequest(action, new URL(this.#base).host, this.#token));
      const response = await fetch(this.#base + target, {
        method,
        headers,
        body,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(PATIENCE),
      });
      const answer = fromFetch(response.status, response.headers, new Uint8Array(await response.arrayBuffer()));
      const reply = counterReply(action.kind, action.id, answer, true);
      if (!reply) throw new Error(`status ${response.status} with an answer that is not whole`);
      this.#heard(undefined);
      return reply.events;
    } catch (error) {
      this.#heard(error);
      // A page cannot know whether a request that failed had reached the service.
      return [{ kind: 'failed', request: action.kind, id: action.id, failure: 'unknown', code: 0n }];
    }
  }
}
