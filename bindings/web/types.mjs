// Makes types.d.ts and moqt-types.d.ts from Rust sources, so that TypeScript has their kinds, fields and descriptions.
//
//     node types.mjs            writes them
//     node types.mjs --check    fails if they are others

import { readFileSync, writeFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(`../boundary/src/${path}`, import.meta.url), 'utf8');

const RENAMED = { Object: 'MoqtObject' };
const PRIMITIVE = {
  Bytes: 'Uint8Array',
  SecretBytes: 'Uint8Array',
  '[u8; 32]': 'Uint8Array',
  u64: 'bigint',
  u32: 'number',
  u16: 'number',
  u8: 'number',
  usize: 'number',
  bool: 'boolean',
  PairValue: 'bigint | Uint8Array',
};
const camel = (name) => name[0].toLowerCase() + name.slice(1).replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
// The kinds of events, actions and notices, which descriptions name as Rust does.
const kinds = new Set();

function type(rust) {
  const inner = /^(Option|Vec)<(.*)>$/.exec(rust);
  if (inner?.[1] === 'Vec') return `${type(inner[2])}[]`;
  if (inner) throw new Error(`nested: ${rust}`);
  return PRIMITIVE[rust] ?? RENAMED[rust] ?? rust;
}

function field(name, rust) {
  const optional = /^Option<(.*)>$/.exec(rust);
  return optional ? `${camel(name)}?: ${type(optional[1])} | undefined` : `${camel(name)}: ${type(rust)}`;
}

/** Turns a Rust description into that of TypeScript. */
function doc(lines, indent) {
  const text = lines
    .join(' ')
    .replace(/\[`([^`]*)`\](\([^)]*\))?/g, '`$1`')
    .replace(/`None`/g, '`undefined`')
    .replace(/`PIN_LEN` bytes/g, '96 bytes')
    .replace(/`Participant::(\w+)`/g, (_, name) => `\`Participant.${camel(name)}\``)
    .replace(/`([A-Za-z_]+)`/g, (all, name) => (kinds.has(name) || name.includes('_') ? `\`${camel(name)}\`` : all));
  if (!text) return '';
  const line = `${indent}/** ${text} */`;
  if (line.length <= 120) return `${line}\n`;
  const rows = [''];
  for (const one of text.split(' ')) {
    const row = `${rows.at(-1)} ${one}`;
    if (indent.length + 2 + row.length <= 120) rows[rows.length - 1] = row;
    else rows.push(` ${one}`);
  }
  return `${indent}/**\n${rows.map((row) => `${indent} *${row}\n`).join('')}${indent} */\n`;
}

/** Returns the items of a Rust source: name, what it is, description, and variants or fields with theirs. */
function items(source) {
  const found = [];
  const block = /((?:^\/\/\/.*\n)*)((?:^#\[.*\n)*)^pub(?:\(crate\))? (enum|struct) (\w+) \{\n([\s\S]*?)^\}/gm;
  for (const [, docs, , what, name, body] of source.matchAll(block)) {
    found.push({
      name,
      what,
      doc: described(docs),
      parts: what === 'enum' ? variants(body) : fields(body, '    pub(?:\\(crate\\))? '),
    });
  }
  return found;
}

const described = (docs) =>
  docs
    .split('\n')
    .map((line) => line.replace(/^\s*\/\/\/ ?/, '').trim())
    .filter(Boolean);

function fields(body, indent) {
  const line = new RegExp(`((?:^ *///.*\\n)*)^${indent}(\\w+): (.*),$`, 'gm');
  return [...body.matchAll(line)].map(([, docs, name, rust]) => ({ name, rust, doc: described(docs) }));
}

function variants(body) {
  const line = /((?:^ {4}\/\/\/.*\n)*)^ {4}(\w+)(?: = (\d+))?(?: \{\n([\s\S]*?)^ {4}\}|\((\w+)\))?,$/gm;
  return [...body.matchAll(line)].map(([, docs, name, code, inside, tuple]) => {
    const named = { Object: 'object', Notice: 'notice', KeysNotice: 'notice' }[tuple];
    const its = tuple ? [{ name: named, rust: tuple, doc: [] }] : fields(inside ?? '', '        ');
    return { name, code, fields: its, doc: described(docs) };
  });
}

/** Returns which kind of answer each action wants. */
function requests(source) {
  const body = source.slice(source.indexOf('pub fn request'));
  const wants = new Map();
  for (const [, which, kind] of body.matchAll(
    /((?:Self::\w+ \{ id, \.\. \}(?: \| )?)+) => \{?\s*Some\(\(RequestKind::(\w+)/g,
  )) {
    for (const [, action] of which.matchAll(/Self::(\w+)/g)) wants.set(action, camel(kind));
  }
  return wants;
}

function code({ name, doc: docs, parts }) {
  const lines = parts.map((part) => `${doc(part.doc, '  ')}  | '${camel(part.name)}'`);
  return `${doc(docs, '')}export type ${name} =\n${lines.join('\n')};\n`;
}

function union({ name, doc: docs, parts }, wants) {
  const lines = parts.map((part) => {
    const request = wants?.get(part.name);
    const extra = request
      ? `      /** What kind of answer it wants. */\n      readonly request?: '${request}';\n`
      : '';
    const inside = part.fields
      .map((one) => `${doc(one.doc, '      ')}      ${field(one.name, one.rust)};\n`)
      .join('');
    return `${doc(part.doc, '  ')}  | {\n      kind: '${camel(part.name)}';\n${extra}${inside}    }`;
  });
  return `${doc(docs, '')}export type ${name} =\n${lines.join('\n')};\n`;
}

function record({ name, doc: docs, parts }) {
  const lines = parts.map((one) => `${doc(one.doc, '  ')}  ${field(one.name, one.rust)};`);
  return `${doc(docs, '')}export interface ${RENAMED[name] ?? name} {\n${lines.join('\n')}\n}\n`;
}

/** Returns the declarations of some sources. */
function declarations(texts, wants, leftOut) {
  const all = texts.flatMap(items).filter(({ name, parts }) => parts.length > 0 && !leftOut.includes(name));
  for (const { parts } of all) for (const part of parts) if (part.fields) kinds.add(part.name);
  return all
    .map((item) => {
      if (item.what === 'struct') return record(item);
      const plain = item.parts.every((part) => part.fields.length === 0);
      return plain ? code(item) : union(item, item.name === 'Action' ? wants : undefined);
    })
    .join('\n');
}

const sources = [
  'codes.rs',
  'codes/notices.rs',
  'values.rs',
  'event.rs',
  'action.rs',
  'notice.rs',
  'config.rs',
  'config/numbers.rs',
  'http.rs',
  'service.rs',
  'participant.rs',
  'media.rs',
  'error.rs',
].map(read);
const made = declarations(sources, requests(read('action.rs')), [
  'Participant',
  'Media',
  'Error',
  'OpenedObject',
  'CounterRequest',
]);
const message = readFileSync(new URL('src/moqt/message.rs', import.meta.url), 'utf8');
const moqt = declarations([message], undefined, ['PairValue']);
const head = (of) => `// Made by types.mjs from the sources of ${of}. Do not edit.\n\n`;
const files = {
  'types.d.ts': `${head('the boundary')}${made}`,
  'moqt-types.d.ts': `${head('this crate')}import type { TrackName } from './types.js';\n\n${moqt}`,
};

for (const [name, text] of Object.entries(files)) {
  const target = new URL(name, import.meta.url);
  if (!process.argv.includes('--check')) {
    writeFileSync(target, text);
  } else if (readFileSync(target, 'utf8') !== text) {
    console.error(`${name} is not what types.mjs makes: run node types.mjs`);
    process.exit(1);
  }
}
