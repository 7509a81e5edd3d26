/** Why a call failed: `status` is one of the names in `Status`, `code` the same as a number. */
export class MoqMlsError extends Error {
  constructor(status, code, message) {
    super(message);
    this.name = 'MoqMlsError';
    this.status = status;
    this.code = code;
  }
}

export const notLoaded = () =>
  new MoqMlsError('unsupported', 12, 'the WebAssembly module is not loaded: await init()');
export const invalidHandle = () => new MoqMlsError('invalidHandle', 2, 'the object was freed');
export const busy = () => new MoqMlsError('busy', 3, 'the object is in a call already');
export const panicked = (what) => new MoqMlsError('panicked', 4, `the library panicked: ${what}`);
