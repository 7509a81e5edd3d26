// Chromium, headless, in a profile of its own.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Says whether there is one here. */
export const hasBrowser = () => existsSync(CHROMIUM);

/** Starts it; its profile is in `folder`. */
export async function startBrowser(folder) {
  const args = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--remote-debugging-pipe',
    // A camera that everybody has.
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--user-data-dir=${join(folder, 'profile')}`,
  ];
  // Playwright's own flags turn QUIC off.
  return chromium.launch({ executablePath: CHROMIUM, ignoreDefaultArgs: true, args });
}
