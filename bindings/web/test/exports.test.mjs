// What the types say is there is there, and nothing else is.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

for (const [entry, { types, default: file }] of Object.entries(exports)) {
  if (!types) continue;
  test(`the types of ${entry} are those of ${file}`, async () => {
    const text = readFileSync(new URL(`../${types}`, import.meta.url), 'utf8');
    const declared = [...text.matchAll(/^export (?:declare )?(?:abstract )?(?:class|function|const) (\w+)/gm)];
    const names = new Set(declared.map(([, name]) => name));
    assert.ok(names.size > 0);
    assert.deepEqual(new Set(Object.keys(await import(`../${file}`))), names);
  });
}
