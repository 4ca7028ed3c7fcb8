import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createCatalogLoader } from '../lib/catalog/catalog.ts';
import type { Task } from '../lib/contract/task.ts';
import { createTaskReader } from '../lib/injection/declared-tasks.ts';
import { platform } from '../lib/injection/fixtures/sample-platform.ts';
import { buildSessionPolicy } from '../lib/scope/aws/session-policy.ts';
import { bindParams } from '../lib/task/params.ts';
import { createProperty, type Property } from './property.ts';

const readTasks = createTaskReader(platform, createCatalogLoader());
const consumers = { containers: ['agent', 'helper'], addressable: ['prepare'] };

const readAllTasks = (annotations: Readonly<Record<string, string>>) =>
  readTasks({ annotations, consumers });

/**
 * Whether an IAM pattern (`*` any text, `?` one character) matches the whole text: an independent
 * implementation, character by character.
 */
const matchesPattern = (pattern: string, text: string): boolean => {
  let ends = new Set([0]);
  for (const character of pattern) {
    const next = new Set<number>();
    for (const at of ends) {
      if (character === '*') for (let end = at; end <= text.length; end += 1) next.add(end);
      else if (at < text.length && (character === '?' || character === text[at])) next.add(at + 1);
    }
    ends = next;
  }
  return ends.has(text.length);
};

const countWildcards = (text: string): number => text.replace(/[^*?]/g, '').length;

const BUCKET = 'arn:aws:s3:::acme-data/';

/** Literal text, wildcards and places of two params. */
const resource = fc
  .array(fc.constantFrom('a', 'b/', '*', '?', '{one}', '{two}', '.', '-'), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => `${BUCKET}a${parts.join('')}`);

const PATTERNS = ['[a-z]+', '.*', '[^/]*', '(a|b)*', '.{0,9}', '\\w+', '[\\s\\S]+'] as const;

const declared = fc.record({
  resources: fc.uniqueArray(resource, { minLength: 1, maxLength: 3 }),
  pattern: fc.constantFrom(...PATTERNS),
});

const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom('a', 'b', '*', '?', '/', '{', '}', '"', '$', '.', '\\'),
    maxLength: 8,
  }),
  fc.constantFrom('{two}', '{one}', '*', '../', '","*', '\u202e', '%2f', 'a\n', '__proto__'),
);

const listPlaceholders = (resources: readonly string[]): readonly string[] => [
  ...new Set(resources.flatMap((each) => each.match(/\{(one|two)\}/g) ?? [])),
];

const formatDeclaration = (resources: readonly string[], pattern: string): string =>
  JSON.stringify({
    role: 'arn:aws:iam::111122223333:role/agent-reports',
    allow: [{ actions: ['s3:GetObject'], resources }],
    params: Object.fromEntries(
      listPlaceholders(resources).map((place) => [
        place.slice(1, -1),
        { pattern, maxLength: '20' },
      ]),
    ),
    lifetime: '5m',
  });

type Policy = {
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: readonly string[];
    readonly Resource: string | readonly string[];
  }[];
};

const buildTaskPolicy = (task: Task, params: Readonly<Record<string, string>>): Policy =>
  JSON.parse(
    buildSessionPolicy({
      task,
      params,
      deadline: 1_800_000_000_000,
      cloud: { dialect: 'aws', sourceRestriction: { mode: 'none' } },
      podIps: ['10.0.0.1'],
    }),
  ) as Policy;

/** A resource that a pattern covers. */
const buildSample = (pattern: string, fillers: readonly string[]): string =>
  Array.from(pattern, (character, index) => {
    const filler = fillers[index % fillers.length] ?? '';
    if (character === '*') return filler;
    return character === '?' ? (filler[0] ?? 'z') : character;
  }).join('');

const neverWidens = createProperty('params never widen a compiled resource', {
  runs: 400,
  inputs: fc.record({
    declared,
    one: value,
    two: value,
    fillers: fc.array(fc.string({ maxLength: 6 }), { minLength: 3, maxLength: 3 }),
  }),
  holds: async ({ declared: { resources, pattern }, one, two, fillers }) => {
    const read = await readAllTasks({
      'task.valetkey.dev/t': formatDeclaration(resources, pattern),
    });
    const [task] = read.ok ? read.value : [];
    if (task === undefined) return;
    const given = Object.fromEntries(
      Object.entries({ one, two }).filter(([name]) => Object.hasOwn(task.params, name)),
    );
    const bound = bindParams(task, given);
    if (!bound.ok) return;
    const [allow, ...denials] = buildTaskPolicy(task, bound.value).Statement;
    assert.deepEqual(allow?.Action, ['s3:GetObject']);
    assert.ok(denials.every(({ Effect }) => Effect === 'Deny'));
    const compiled = allow.Resource as readonly string[];
    const source = task.allow[0]?.resources ?? [];
    assert.equal(compiled.length, source.length);
    compiled.forEach((each, index) => {
      const written = source[index] ?? '';
      // A value brings no wildcard of its own.
      assert.equal(countWildcards(each), countWildcards(written.replace(/\{\w+\}/g, '')));
      const sample = buildSample(each, fillers);
      assert.ok(matchesPattern(each, sample));
      assert.ok(matchesPattern(written.replace(/\{\w+\}/g, '*'), sample), `${written} ⊉ ${sample}`);
      // Nor is it read again: what it looks like a place of stays text.
      const filled = written.replace(/\{(\w+)\}/g, (_, name: string) => given[name] ?? '');
      assert.equal(each, filled);
    });
  },
});

const statement = fc.oneof(
  fc.record({
    actions: fc.subarray(['s3:GetObject', 's3:PutObject', 's3:deleteobject'], { minLength: 1 }),
    resources: fc.subarray([`${BUCKET}a/*`, `${BUCKET}b?`, `${BUCKET}c`], { minLength: 1 }),
  }),
  fc.constant({ actions: ['s3:List*'], resources: ['arn:aws:s3:::acme-data'] }),
);

const declaration = fc
  .record(
    {
      allow: fc.array(statement, { minLength: 1, maxLength: 3 }),
      lifetime: fc.constantFrom('1m', '5m', '1h'),
      containers: fc.subarray(['agent', 'helper', 'prepare'], { minLength: 1 }),
      default: fc.constantFrom('true', 'false'),
      exclusive: fc.constantFrom('true', 'false'),
      purpose: fc.stringMatching(/^[a-z]{1,20}$/),
    },
    { requiredKeys: ['allow'] },
  )
  .map((members) =>
    JSON.stringify({ role: 'arn:aws:iam::111122223333:role/agent-reports', ...members }),
  );

const NAMES = ['a', 'b', 'a-b', '0', 'constructor'] as const;

const neverMoreTogether = createProperty('two tasks never make more than each of them does', {
  runs: 250,
  inputs: fc.tuple(
    fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 2, maxLength: 2 }),
    declaration,
    declaration,
  ),
  holds: async ([[first = '', second = ''], one, other]) => {
    const key = (name: string): string => `task.valetkey.dev/${name}`;
    const alone = [
      await readAllTasks({ [key(first)]: one }),
      await readAllTasks({ [key(second)]: other }),
    ].map((read) => (read.ok ? read.value : []));
    const together = await readAllTasks({ [key(first)]: one, [key(second)]: other });
    if (!together.ok) return;
    const union = alone.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(together.value, union);
    assert.deepEqual(
      together.value.map((task) => buildTaskPolicy(task, {})),
      union.map((task) => buildTaskPolicy(task, {})),
    );
  },
});

export const taskProperties: readonly Property[] = [neverWidens, neverMoreTogether];
