// MoQT draft 18 as bytes, for pages that speak it over WebTransport. `init` of the package loads what is behind it.

import { api } from './instance.js';

export const { StreamReader, SubgroupWriter, FetchWriter, encodeMessage, decodeMessage } = api;
