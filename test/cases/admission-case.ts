import { readFileSync, globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { JsonPatchOp } from '../../lib/contract/json-patch-operation.ts';
import { getValue } from '../kit/kubernetes-objects.ts';
import type { PlatformChanges } from '../golden/platforms.ts';

/** RFC 6902, with `move`, which other webhooks use. */
export type AnyPatchOp = JsonPatchOp | { readonly op: 'move'; from: string; path: string };

/** What must be true of a case. Absent members are not checked. */
export type Expectation = {
  /** Whether every call admits the pod. Default: yes. */
  readonly refused?: boolean;
  /** Texts that the messages of all calls contain: refusals and warnings. */
  readonly says?: readonly string[];
  /** Containers that get credentials. */
  readonly consumers?: readonly string[];
  /** Names of init containers in the final pod, in order. */
  readonly initContainers?: readonly string[];
  /** Containers that mount the API token in the final pod. */
  readonly apiToken?: readonly string[];
  /** Values in the final pod by path; null: absent. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Whether the later update is refused. */
  readonly updateRefused?: boolean;
  /** Row of docs/mutators.md that the case is an example of. */
  readonly mutator?: string;
};

/** A pod as people write it, and what admission must make of it. */
export type AdmissionCase = {
  readonly name: string;
  /** The first line of the file. */
  readonly title: string;
  readonly pod: unknown;
  /** What another webhook does after ours. */
  readonly after: readonly AnyPatchOp[];
  /** A later update of the admitted pod. */
  readonly update: readonly AnyPatchOp[];
  readonly platform: PlatformChanges;
  /** User who creates the pod. */
  readonly user: string;
  readonly expected: Expectation;
};

type Document = { readonly kind: string; readonly [member: string]: unknown };

/** Reads every case of this folder. */
export const readCases = (): readonly AdmissionCase[] =>
  globSync(join(import.meta.dirname, '*.yaml'))
    .sort()
    .map(readCase);

const readCase = (file: string): AdmissionCase => {
  const text = readFileSync(file, 'utf8');
  const documents = [...parseAllDocuments(text)].map((each) => each.toJS() as Document);
  const find = (kind: string) => documents.find((each) => each.kind === kind);
  const pods = documents.flatMap((each) => findPod(each) ?? []);
  const expected = find('Expect') as (Expectation & Document) | undefined;
  if (pods.length !== 1 || expected === undefined) {
    throw new Error(`${file}: expected one pod and one document Expect`);
  }
  return {
    name: basename(file, '.yaml'),
    title: text.split('\n')[0]?.replace(/^# /, '') ?? '',
    pod: pods[0],
    after: (find('After')?.['ops'] ?? []) as readonly AnyPatchOp[],
    update: (find('Update')?.['ops'] ?? []) as readonly AnyPatchOp[],
    platform: find('Platform')?.['merge'] ?? {},
    user: (find('Request')?.['user'] ?? 'author') as string,
    expected,
  };
};

/** Pod templates by kind. Other documents hold no pod. */
const TEMPLATES: Readonly<Record<string, string>> = {
  Job: 'spec.template',
  Sandbox: 'spec.podTemplate',
  SandboxTemplate: 'spec.podTemplate',
};

const findPod = (document: Document): unknown => {
  if (document.kind === 'Pod') return document;
  const path = TEMPLATES[document.kind];
  const template = path === undefined ? undefined : getValue(document, path);
  return template === undefined
    ? undefined
    : { apiVersion: 'v1', kind: 'Pod', ...(template as object) };
};
