// The durable store, in IndexedDB: one record for each room and name. It holds private keys.

const DATABASE = 'moq-mls-demo';
const RECORDS = 'participants';

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function open() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(RECORDS);
  return done(request);
}

/** The state of one participant: the signature key, the last snapshot and the media keys. */
export class Store {
  #database;
  #id;
  #release;

  /** Opens the state of a room and name. Throws if another page has it open: two would act as one participant. */
  static async open(room, name) {
    const id = JSON.stringify([room, name]);
    let release;
    const held = new Promise((resolve) => (release = resolve));
    const isFree = await new Promise((resolve, reject) => {
      const hold = (lock) => {
        resolve(lock !== null);
        return lock && held;
      };
      navigator.locks.request(`${DATABASE} ${id}`, { ifAvailable: true }, hold).catch(reject);
    });
    if (!isFree) throw new Error(`${name} is in the room ${room} in another page of this browser`);
    const store = new Store();
    try {
      [store.#id, store.#release, store.#database] = [id, release, await open()];
    } catch (error) {
      release();
      throw error;
    }
    return store;
  }

  /** Returns what is stored: `{ secretKey, snapshot, keys }`, each of which may be missing. */
  async load() {
    const records = this.#database.transaction(RECORDS).objectStore(RECORDS);
    return (await done(records.get(this.#id))) ?? {};
  }

  /** Changes parts of the state, and returns once they are durable. */
  async put(parts) {
    await this.#change(async (records) => {
      const before = (await done(records.get(this.#id))) ?? {};
      records.put({ ...before, ...parts }, this.#id);
    });
  }

  /** Erases the state. */
  async clear() {
    await this.#change((records) => records.delete(this.#id));
  }

  async #change(work) {
    const transaction = this.#database.transaction(RECORDS, 'readwrite', { durability: 'strict' });
    const durable = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    await Promise.all([work(transaction.objectStore(RECORDS)), durable]);
  }

  /** Lets another page open it. */
  close() {
    this.#database.close();
    this.#release();
  }
}
