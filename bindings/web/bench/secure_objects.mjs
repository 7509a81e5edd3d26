// Sealing and opening objects in WebAssembly and by WebCrypto, in Node. `demo/test/measure.mjs` does it in Chromium.
//
//     node bench/secure_objects.mjs

import { NOW, alone } from '../test/build.mjs';
import { ObjectKey } from '../webcrypto.js';
import { SIZE, measure } from './measure.js';

for (const [name, us] of Object.entries(await measure(alone(), ObjectKey, NOW))) {
  console.log(`figure ${name}_${SIZE}_us ${us.toFixed(2)} us`);
}
