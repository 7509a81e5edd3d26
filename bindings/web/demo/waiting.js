// Small helpers for waiting.

/** Returns a promise that resolves after so many milliseconds. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Returns what a promise comes to, or throws after so many milliseconds. */
export async function within(ms, promise, what = 'no answer') {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Wakes one waiter. A ring that nobody waits for is kept for the next wait. */
export class Bell {
  #rung = false;
  #wake;

  ring() {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits for a ring, for so many milliseconds at most; returns whether there was one. */
  async wait(ms) {
    if (!this.#rung) {
      let timer;
      await new Promise((resolve) => {
        this.#wake = resolve;
        if (ms !== undefined) timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}

/** A wait between tries that doubles each time, from the first to the longest. */
export class Backoff {
  #first;
  #longest;
  #next;

  constructor(first, longest) {
    [this.#first, this.#longest, this.#next] = [first, longest, first];
  }

  async wait() {
    const now = this.#next;
    this.#next = Math.min(now * 2, this.#longest);
    await sleep(now);
  }

  reset() {
    this.#next = this.#first;
  }
}
