// Serves the page on loopback.
//
//     node demo/serve.mjs [--port 8000]

import { createReadStream, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** What a page may have: what the package ships, the page, and the benchmarks. */
const SERVED = new Set(['bench', 'demo', ...files.map((path) => path.split('/')[0])]);
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
};
async function file(incoming, answer) {
  const { pathname } = new URL(incoming.url, 'http://localhost');
  if (pathname === '/') return answer.writeHead(302, { location: '/demo/' }).end();
  const plain = normalize(decodeURIComponent(pathname)).replace(/^[\\/]+/, '');
  const path = join(ROOT, plain.endsWith(sep) ? join(plain, 'index.html') : plain);
  const type = TYPES[extname(path)];
  const isServed = path.startsWith(ROOT) && SERVED.has(plain.split(sep)[0]) && type;
  const found = isServed && (await stat(path).catch(() => undefined));
  if (!found?.isFile()) return answer.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
  answer.writeHead(200, { 'content-type': type, 'content-length': found.size, 'cache-control': 'no-store' });
  pipeline(createReadStream(path), answer, () => {});
}

/** Starts the server at a port, 0 for any. Returns it once it listens. */
export function serve({ port }) {
  const server = createServer((incoming, answer) => {
    file(incoming, answer).catch(() => answer.writeHead(400).end());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function main() {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8000' } } });
  const server = await serve({ port: Number(values.port) });
  console.log(`http://localhost:${server.address().port}/demo/`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`serve: ${error.message}`);
    process.exitCode = 2;
  });
}
