import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseDocument } from 'yaml';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { JsonPatchOp } from '../contract/json-patch.ts';
import type { Platform } from '../contract/platform.ts';
import { succeed } from '../reading/fault.ts';
import { platform as base, taskFor } from './fixtures/platform.ts';
import { applyPatch } from './json-patch.ts';
import { podAdmission } from './pod-admission.ts';
import { profileOf } from './profile.ts';

/** `REWRITE_GOLDENS=1` writes what injection does now into the fixtures; read the difference. */
// eslint-disable-next-line no-restricted-syntax -- a wish of the person at the keyboard, no setting
const isRewriting = process.env['REWRITE_GOLDENS'] === '1';

type Golden = {
  readonly case: string;
  readonly platform?: { readonly [K in keyof Platform]?: object };
  /** Containers by task. */
  readonly tasks: Readonly<Record<string, readonly string[]>>;
  readonly purpose?: string;
  readonly pod: object;
  readonly expected?: object;
};

const FOLDER = join(import.meta.dirname, 'fixtures');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

const open = (file: string) => {
  const document = parseDocument(readFileSync(join(FOLDER, file), 'utf8'));
  return { document, golden: document.toJS() as Golden };
};

const admissionFor = ({ platform: changes = {}, tasks, purpose }: Golden) => {
  const platform = {
    ...base,
    pods: { ...base.pods, ...changes.pods },
    cloud: { ...base.cloud, ...changes.cloud },
  };
  const read = Object.entries(tasks).map(([name, containers]) => ({
    ...taskFor(name, containers),
    ...(purpose !== undefined && { purpose }),
  }));
  return podAdmission({
    platform,
    published: () => profileOf(platform),
    profiles: () => new Map(),
    readTasks: () => Promise.resolve(succeed(read)),
  });
};

const creationOf = (object: unknown): AdmissionRequest => ({
  uid: 'a-uid',
  operation: 'CREATE',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  subResource: '',
  namespace: 'research',
  name: '',
  dryRun: false,
  user: { name: 'author', groups: [] },
  object,
});

const operationsOf = ({ patch }: AdmissionOutcome): readonly JsonPatchOp[] =>
  patch === undefined ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as JsonPatchOp[]);

/** Advice is the table's, and follows. */
const isBreach = (line: string): boolean => !/^rule \d+: /.test(line);

const summaryOf = (outcome: AdmissionOutcome): object =>
  outcome.allowed
    ? { warnings: outcome.warnings ?? [], patch: operationsOf(outcome) }
    : { refused: (outcome.status?.message ?? '').split('\n').filter(isBreach) };

describe('a pod that declares tasks', () => {
  test.each(files)('%s is answered as its fixture says', async (file) => {
    const { document, golden } = open(file);
    const outcome = await admissionFor(golden).mutate(creationOf(golden.pod));
    if (isRewriting) {
      document.set('expected', document.createNode(summaryOf(outcome)));
      writeFileSync(join(FOLDER, file), document.toString({ lineWidth: 0 }));
      return;
    }
    expect(summaryOf(outcome)).toEqual(golden.expected);
  });

  const injected = files.filter((file) => Object.hasOwn(open(file).golden.expected ?? {}, 'patch'));

  test.each(injected)('%s keeps every rule once injected, and needs nothing more', async (file) => {
    const { golden } = open(file);
    const admission = admissionFor(golden);
    const operations = operationsOf(await admission.mutate(creationOf(golden.pod)));
    const pod = applyPatch(golden.pod, operations);
    expect(await admission.validate(creationOf(pod))).toMatchObject({ allowed: true });
    expect(operationsOf(await admission.mutate(creationOf(pod)))).toEqual([]);
  });
});
