// What the pages reported: see observer.js.

/** Adds a value to a set in a map. */
function put(map, key, value) {
  if (!map.has(key)) map.set(key, new Set());
  map.get(key).add(value);
}

export class Observed {
  reports = [];

  take(report) {
    this.reports.push(report);
  }

  /** Returns the reports of a kind, perhaps of one participant. */
  of(kind, me) {
    return this.reports.filter((one) => one.kind === kind && (me === undefined || one.me === me));
  }

  /** Returns how many objects of a sender a participant has opened. */
  opened(me, from) {
    return this.of('opened', me).filter((one) => one.from === from).length;
  }

  /**
   * Returns the objects that members should have opened and did not: for each run of a page and each sender, those
   * between the first and the last that it opened. `native` are the senders that number without a hole, and report
   * nothing.
   */
  gaps(native) {
    const sent = new Map();
    for (const { me, sequence } of this.of('sent')) put(sent, me, sequence);
    // The last report of a page that is loaded again may be lost, but who opened an object knows that it was sent.
    for (const { from, sequence } of this.of('opened')) put(sent, from, sequence);
    const opened = new Map();
    for (const { run, me, from, sequence } of this.of('opened')) put(opened, JSON.stringify([run, me, from]), sequence);
    const gaps = [];
    for (const [key, have] of opened) {
      const [, me, from] = JSON.parse(key);
      const [first, last] = [Math.min(...have), Math.max(...have)];
      const all = native.includes(from)
        ? Array.from({ length: last - first + 1 }, (_, at) => first + at)
        : [...sent.get(from)].filter((sequence) => sequence >= first && sequence <= last);
      gaps.push(...all.filter((sequence) => !have.has(sequence)).map((sequence) => ({ me, from, sequence })));
    }
    return gaps;
  }
}
