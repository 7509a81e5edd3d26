// moq-mls for Node and browsers: `await init()`, and then everything else.

import { api } from './instance.js';

export { MoqMlsError } from './errors.js';
export { init } from './instance.js';
export const { Identity, Participant, version } = api;
export const { defaultConfig, counterRequest, counterReply } = api;
