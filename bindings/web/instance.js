// The one instance of the participant's module, which its entry points share.

import { bind } from './api.js';
import { loader } from './load.js';
import * as glue from './wasm/moq_mls_wasm.js';

export const api = bind(glue);
export const init = loader(api, new URL('./wasm/moq_mls_wasm_bg.wasm', import.meta.url));
