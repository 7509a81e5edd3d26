// How a module is loaded, once.

async function load(api, source) {
  let from = source;
  if (from instanceof URL && from.protocol === 'file:') {
    // Named by a variable, so that a bundler for browsers does not look for it.
    const files = 'node:fs/promises';
    from = await (await import(/* @vite-ignore */ /* webpackIgnore: true */ files)).readFile(from);
  }
  await api.load(from);
}

/** Returns the function `init` of a module that is `beside` the file that asks. */
export function loader(api, beside) {
  let loading;
  return function init(source = beside) {
    loading ??= load(api, source).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}
