// Sealing and opening objects in WebAssembly and by WebCrypto, in Chromium.
//
//     node demo/test/measure.mjs

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { serve } from '../serve.mjs';
import { startBrowser } from './browser.mjs';

const folder = mkdtempSync(join(tmpdir(), 'moq-mls-measure-'));
const server = await serve({ port: 0 });
const browser = await startBrowser(folder);
try {
  const page = await browser.newPage();
  await page.goto(`http://localhost:${server.address().port}/demo/`);
  const found = await page.evaluate(async () => {
    const api = await import('/index.js');
    const [service, { ObjectKey }, { found }, { SIZE, measure }] = await Promise.all([
      import('/service.js'),
      import('/webcrypto.js'),
      import('/bench/alone.js'),
      import('/bench/measure.js'),
    ]);
    await Promise.all([api.init(), service.init()]);
    const bytes = new TextEncoder().encode('alice');
    const now = Date.now();
    const participant = new api.Participant(api.Identity.generate(1, bytes), api.defaultConfig(bytes), now);
    return { SIZE, figures: await measure(found(service, participant, now), ObjectKey, now) };
  });
  for (const [name, us] of Object.entries(found.figures)) {
    console.log(`figure chromium_${name}_${found.SIZE}_us ${us.toFixed(2)} us`);
  }
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}
