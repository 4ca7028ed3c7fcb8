import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { KubernetesObject } from '../kit/kubernetes-objects.ts';
import { listPodTemplates } from '../../e2e/legitimate/workload-manifests.ts';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import type { PlatformChanges } from './platforms.ts';

/** A pod of `pods/`, and what happens to it. */
export type GoldenPod = {
  readonly name: string;
  readonly pod: object;
  readonly platform: PlatformChanges;
  /** Containers by task, where the fixture does not write declarations. */
  readonly tasks?: Readonly<Record<string, readonly string[]>>;
  readonly purpose?: string;
  /** What another mutating webhook does after injection. */
  readonly after?: readonly JsonPatchOp[];
  /** A later update of the admitted pod. */
  readonly update?: readonly JsonPatchOp[];
};

const textsIn = (folder: string): readonly (readonly [string, string])[] =>
  readdirSync(join(import.meta.dirname, 'pods', folder))
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => [
      `${folder}/${file.replace('.yaml', '')}`,
      readFileSync(join(import.meta.dirname, 'pods', folder, file), 'utf8'),
    ]);

const PROMPTS = 'Summarise the quarter in 52 words; name no customer. '.repeat(2_000);

type Step = { readonly kind: string; readonly ops?: readonly JsonPatchOp[] };

/** The pods of one manifest; `After`, `Update` and `Platform` documents are steps, no objects. */
const readPods = ([name, text]: readonly [string, string]): readonly GoldenPod[] => {
  const documents = parseAllDocuments(text.replace('100 KiB of prompts', PROMPTS.slice(-102_400)));
  const objects = documents.map((document) => document.toJS() as KubernetesObject);
  const listOperations = (kind: string) =>
    (objects.find((each) => each.kind === kind) as Step | undefined)?.ops;
  const platform = objects.find(({ kind }) => kind === 'Platform')?.['merge'] as
    PlatformChanges | undefined;
  const [after, update] = [listOperations('After'), listOperations('Update')];
  return objects.flatMap(listPodTemplates).map((template, index) => ({
    name: index === 0 ? name : `${name} ${index}`,
    pod: { apiVersion: 'v1', kind: 'Pod', ...template },
    platform: platform ?? {},
    ...(after && { after }),
    ...(update && { update }),
  }));
};

const readFixture = ([name, text]: readonly [string, string]): GoldenPod => {
  const { platform = {}, ...fixture } = parse(text) as Omit<GoldenPod, 'name' | 'platform'> & {
    readonly platform?: PlatformChanges;
  };
  return { ...fixture, name, platform };
};

export const readGoldenPods = (): readonly GoldenPod[] => [
  ...textsIn('injection').map(readFixture),
  ...[...textsIn('legitimate'), ...textsIn('cases')].flatMap(readPods),
];
