import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseDocument } from 'yaml';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Platform } from '../contract/platform.ts';
import { succeed } from '../schema/field-error.ts';
import { platform as base, buildTask } from './fixtures/sample-platform.ts';
import { applyPatch } from './json-patch.ts';
import { evaluateAdmission } from './admission.ts';
import type { AdmissionDeps } from './admission-inputs.ts';
import { buildInjectionTemplate } from './injection-template.ts';

/** `REWRITE_GOLDENS=1` writes the present results into the fixtures. Review the difference. */
// eslint-disable-next-line no-restricted-syntax -- a developer's switch, not a setting
const isRewritingGoldens = process.env['REWRITE_GOLDENS'] === '1';

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

const readGolden = (file: string) => {
  const document = parseDocument(readFileSync(join(FOLDER, file), 'utf8'));
  return { document, golden: document.toJS() as Golden };
};

const createAdmission = ({ platform: changes = {}, tasks, purpose }: Golden) => {
  const platform = {
    ...base,
    pods: { ...base.pods, ...changes.pods },
    cloud: { ...base.cloud, ...changes.cloud },
  };
  const read = Object.entries(tasks).map(([name, containers]) => ({
    ...buildTask(name, containers),
    ...(purpose !== undefined && { purpose }),
  }));
  const deps: AdmissionDeps = {
    platform,
    published: () => buildInjectionTemplate(platform),
    templates: () => new Map(),
    readTasks: () => Promise.resolve(succeed(read)),
  };
  const evaluate = (stage: 'mutate' | 'validate') => async (request: AdmissionRequest) =>
    (await evaluateAdmission(stage, request, deps)).outcome;
  return { mutate: evaluate('mutate'), validate: evaluate('validate') };
};

const buildCreateRequest = (object: unknown): AdmissionRequest => ({
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

const decodeOperations = ({ patch }: AdmissionOutcome): readonly JsonPatchOp[] =>
  patch === undefined ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as JsonPatchOp[]);

/** Without the advice that follows the faults. */
const isViolationLine = (line: string): boolean => !/^rule \d+: /.test(line);

const summarizeOutcome = (outcome: AdmissionOutcome): object =>
  outcome.allowed
    ? { warnings: outcome.warnings ?? [], patch: decodeOperations(outcome) }
    : { refused: (outcome.status?.message ?? '').split('\n').filter(isViolationLine) };

describe('injection of the fixtures', () => {
  it.each(files)('returns the expected response to %s', async (file) => {
    const { document, golden } = readGolden(file);
    const outcome = await createAdmission(golden).mutate(buildCreateRequest(golden.pod));
    if (isRewritingGoldens) {
      document.set('expected', document.createNode(summarizeOutcome(outcome)));
      writeFileSync(join(FOLDER, file), document.toString({ lineWidth: 0 }));
      return;
    }
    expect(summarizeOutcome(outcome)).toEqual(golden.expected);
  });

  const injected = files.filter((file) =>
    Object.hasOwn(readGolden(file).golden.expected ?? {}, 'patch'),
  );

  it.each(injected)('admits the injected pod of %s without further changes', async (file) => {
    const { golden } = readGolden(file);
    const admission = createAdmission(golden);
    const operations = decodeOperations(await admission.mutate(buildCreateRequest(golden.pod)));
    const pod = applyPatch(golden.pod, operations);
    expect(await admission.validate(buildCreateRequest(pod))).toMatchObject({ allowed: true });
    expect(decodeOperations(await admission.mutate(buildCreateRequest(pod)))).toEqual([]);
  });
});
