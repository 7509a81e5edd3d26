// What came of the objects of one track. Sequences of a run rise by one, and a run begins at the time in milliseconds.

/** A larger step is the beginning of another run. */
const STEP = 1000;

export class Received {
  opened = 0;
  #runs = [];

  /** Notes an opened object; returns whether it is the first copy of it. */
  note(sequence) {
    let run = this.#runs.find(({ first, last }) => sequence > first - STEP && sequence < last + STEP);
    if (!run) this.#runs.push((run = { first: sequence, last: sequence - 1, missing: new Set() }));
    let isNew = true;
    if (sequence > run.last) {
      for (let lost = run.last + 1; lost < sequence; lost += 1) run.missing.add(lost);
      run.last = sequence;
    } else if (sequence < run.first) {
      for (let lost = sequence + 1; lost < run.first; lost += 1) run.missing.add(lost);
      run.first = sequence;
    } else {
      // A second copy, after a reconnect, is no second object.
      isNew = run.missing.delete(sequence);
    }
    if (isNew) this.opened += 1;
    return isNew;
  }

  /** Returns how many are missing between the first and the last that was opened, of each run. */
  get missing() {
    return this.#runs.reduce((sum, { missing }) => sum + missing.size, 0);
  }
}
