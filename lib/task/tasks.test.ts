import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import fc from '../../test/kit/fast-check.ts';
import { createCatalogLoader } from '../catalog/catalog.ts';
import type { CloudSettings, TaskLimits } from '../contract/platform.ts';
import { MAX_TASK_BYTES, type Task } from '../contract/task.ts';
import { formatFieldError, type Result } from '../schema/field-error.ts';
import { readTasks } from './tasks.ts';

/** One case of a fixture file: declarations, settings of the platform, and the expected result. */
type Case = {
  readonly name: string;
  /** Task name → text of its annotation. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly limits?: Partial<TaskLimits>;
  readonly dialect?: 'aws' | 's3';
  readonly endpoints?: CloudSettings['endpoints'];
  readonly consumers?: { readonly containers: string[]; readonly addressable: string[] };
  readonly tasks?: readonly Task[];
  readonly faults?: readonly string[];
};

const limits: TaskLimits = {
  minLifetimeSeconds: 60,
  maxLifetimeSeconds: 3600,
  delivery: 'vend',
  accountIds: ['111122223333'],
  partitions: [],
  wildcardOnlyActions: false,
  regionWildcards: false,
  accountWildcards: false,
  mintingActions: {},
};
const loadCatalog = createCatalogLoader();

const readCase = (each: Omit<Case, 'name'>): Promise<Result<readonly Task[]>> =>
  readTasks({
    annotations: Object.fromEntries(
      Object.entries(each.annotations).map(([name, text]) => [`task.valetkey.dev/${name}`, text]),
    ),
    consumers: each.consumers ?? { containers: ['agent', 'helper'], addressable: ['migrate'] },
    limits: { ...limits, ...(each.dialect === 's3' && { accountIds: [] }), ...each.limits },
    cloud: { dialect: each.dialect ?? 'aws', endpoints: each.endpoints ?? [] },
    loadCatalog,
  });

const folder = join(import.meta.dirname, 'fixtures');
const readFixture = (file: string): readonly Case[] =>
  parse(readFileSync(join(folder, file), 'utf8')) as readonly Case[];

describe.each(readdirSync(folder))('%s', (file) => {
  it.each(readFixture(file))('$name', async ({ tasks, faults, ...given }) => {
    const result = await readCase(given);
    if (result.ok) expect({ tasks: result.value }).toEqual({ tasks });
    else expect({ faults: result.faults.map(formatFieldError) }).toEqual({ faults });
  });
});

describe('readTasks of one declaration', () => {
  const minimal = `role: arn:aws:iam::111122223333:role/agent-reports
allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme-data/*"]}]
lifetime: 10m
purpose: `;

  it('accepts 4096 bytes and rejects one more', async () => {
    const comment = `text #${'x'.repeat(MAX_TASK_BYTES - minimal.length - 6)}`;
    expect(await readCase({ annotations: { report: minimal + comment } })).toMatchObject({
      ok: true,
    });
    expect(await readCase({ annotations: { report: `${minimal + comment}x` } })).toMatchObject({
      faults: [{ expected: 'at most 4096 bytes', got: '4097' }],
    });
  });

  it('measures its size in bytes, not in characters', async () => {
    const purpose = '€'.repeat(1400);
    expect(await readCase({ annotations: { report: minimal + purpose } })).toMatchObject({
      faults: [{ expected: 'at most 4096 bytes' }],
    });
  });

  it.each(['\u202e', '\u2066', '\u200b', '\ufeff', '\u0000', '\u0085', '\u2028', '\ud800'])(
    'rejects %j without displaying it in the error',
    async (character) => {
      const result = await readCase({ annotations: { report: `${minimal}a${character}b` } });
      if (result.ok) throw new Error('expected errors');
      expect(result.faults.map(formatFieldError).join('\n')).not.toContain(character);
    },
  );

  it('ignores annotations with another prefix', async () => {
    const result = await readTasks({
      annotations: { 'example.org/task': 'x', 'task.valetkey.dev': 'x' },
      consumers: { containers: ['agent'], addressable: [] },
      limits,
      cloud: { dialect: 'aws' },
      loadCatalog,
    });
    expect(result).toEqual({ ok: true, value: [] });
  });
});

describe('readTasks of arbitrary text', () => {
  const word = fc.constantFrom(
    ...['role', 'allow', 'actions', 'resources', 'params', 'lifetime', 'default', 'containers'],
    ...[
      's3:GetObject',
      's3:*',
      '*',
      'arn:aws:s3:::a/{b}',
      '{',
      '}',
      '[',
      ']',
      ': ',
      '- ',
      '\n',
      '  ',
    ],
    ...[
      '&a ',
      '*a',
      '!t ',
      '"',
      "'",
      '|',
      '>',
      '#',
      '%',
      '---\n',
      '? ',
      '<<',
      '__proto__',
      '10m',
      ',',
    ],
  );
  const yamlLike = fc.array(fc.oneof(word, fc.string({ maxLength: 3 })), { maxLength: 60 });

  it('returns tasks or errors and never throws', async () => {
    await fc.assert(
      fc.asyncProperty(yamlLike, async (words) => {
        const result = await readCase({ annotations: { report: words.join('') } });
        expect(result.ok ? result.value.length : result.faults.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  }, 60_000);

  it('returns errors for arbitrary members and never throws', async () => {
    const member = fc.constantFrom('role', 'allow', 'params', 'lifetime', 'containers', 'default');
    const declaration = fc.dictionary(member, fc.jsonValue({ maxDepth: 3 }));
    await fc.assert(
      fc.asyncProperty(declaration, async (value) => {
        const result = await readCase({ annotations: { report: JSON.stringify(value) } });
        expect(result.ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});

/** Sixteen annotations of maximum size, each as expensive as possible. */
describe('readTasks of hostile declarations', () => {
  const fill = (before: string, element: (index: number) => string, after: string): string => {
    let [text, index] = [before, 0];
    for (; text.length + element(index).length + after.length < MAX_TASK_BYTES; index += 1) {
      text += element(index);
    }
    return text + after;
  };
  const role = 'role: arn:aws:iam::111122223333:role/x\nlifetime: 10m\n';
  const queue = '"arn:aws:sqs:eu-west-1:111122223333:a"';
  const ec2 = (resources: string): string =>
    `${role}allow: [{actions: ["ec2:*"], resources: [${resources}`;

  it.each([
    ['nested brackets', fill('', () => '[', '')],
    ['nested mappings', fill('', () => '{a: ', '')],
    ['nested lists', fill('', () => '- ', '')],
    ['many keys', fill('', (index) => `k${index}: v\n`, '')],
    ['many patterns', fill(ec2(''), (index) => `"arn:aws:ec2:::*a${index}*b",`, ']}]')],
    ['one pattern of many wildcards', fill(ec2('"arn:aws:ec2:::'), () => '*a', '"]}]')],
    [
      'many misspelt actions',
      fill(
        `${role}allow: [{resources: [${queue}], actions: [`,
        (i) => `ec2:DescribInstance${i},`,
        ']}]',
      ),
    ],
    [
      'many short forms',
      fill(`${role}allow: [{resources: [${queue}], actions: [`, (i) => `"ec2:*a*e*${i}*",`, ']}]'),
    ],
    [
      'many statements',
      fill(`${role}allow: [`, () => `{actions: ["ec2:*"], resources: [${queue}]},`, ']'),
    ],
    ['params of large patterns', fill('params: {', (i) => `a${i}: "(?i)(.\\\\pL){100}",`, '}')],
  ])(
    'rejects %s in bounded time',
    async (_what, text) => {
      const annotations = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`t${i}`, text]));
      await readCase({ annotations: { warm: text } });
      const start = performance.now();
      expect(await readCase({ annotations })).toMatchObject({ ok: false });
      expect(performance.now() - start).toBeLessThan(20_000);
    },
    60_000,
  );
});
