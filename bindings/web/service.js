// The counter service, in a module of its own: `await init()` of this file, and then the rest.

import { bind } from './api.js';
import { loader } from './load.js';
import * as glue from './wasm-service/moq_mls_wasm.js';

const api = bind(glue);

export const init = loader(api, new URL('./wasm-service/moq_mls_wasm_bg.wasm', import.meta.url));
export const { Service, defaultServiceConfig, version } = api;
