import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { EvaluatePolicy } from '../../lib/injection/task-policy.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { buildExemptionNotes } from '../../lib/injection/exemptions.ts';
import { findNearMisses } from '../../lib/injection/near-misses.ts';
import { toMapping } from '../../lib/schema/mapping.ts';
import { checkWrittenPolicy } from '../../lib/policy/policy-findings.ts';
import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';
import { formatWithHint, type FieldError } from '../../lib/schema/field-error.ts';
import { parseUpstream } from '../../lib/upstreams/upstream-parser.ts';
import {
  explainUpstream,
  findExplainedUpstream,
  formatRevocable,
  summarizePinned,
  type ExplainedUpstream,
} from './explained-upstream.ts';
import type { Position } from './manifest-positions.ts';
import type { Manifest, ManifestPod } from './manifests.ts';
import { toNamespaceSettings, type NamespaceSettings } from './namespace-settings.ts';
import { evaluateManifest, type ManifestResult } from './manifest-admission.ts';
import type { ReadSourcedPodContext } from './pod-context.ts';

/** An error or a warning about an object in a file. */
export type Finding = Partial<Position> & {
  readonly severity: 'fault' | 'warning';
  /** Stable: see {@link FINDING_CODES}. */
  readonly code: FindingCode;
  readonly file: string;
  /** Number of the document in the file, from 1. */
  readonly document: number;
  /** Kind and name, such as `Pod research/agent`. */
  readonly object: string;
  /** Message without the location. */
  readonly message: string;
  readonly fault?: FieldError;
};

/** Codes of findings, each with what it means. They do not change after a release. */
export const FINDING_CODES = {
  manifest_unreadable: 'The document cannot be read.',
  tasks_invalid: 'A task declaration is invalid, or in a place where no program reads it.',
  pod_noncompliant: 'The pod violates a rule; the finding names it.',
  pod_exempted: 'The pod violates a rule that its namespace or the platform exempts.',
  policy_denied: 'No policy permits the task, or one forbids it.',
  task_policy_invalid: 'The TaskPolicy does not compile.',
  upstream_invalid: 'The Upstream is invalid.',
  advice: 'A warning that is no violation.',
} as const;
export type FindingCode = keyof typeof FINDING_CODES;

export type LintReport = {
  readonly checkedCount: number;
  /** Number of objects without tasks and policies, which are not checked. */
  readonly otherCount: number;
  readonly findings: readonly Finding[];
  /** Settings of the namespaces of checked pods, without duplicates. */
  readonly namespaces: readonly NamespaceSettings[];
  /** Of the files, and those that tasks of checked pods name where they are known, without duplicates. */
  readonly upstreams: readonly ExplainedUpstream[];
};

export type LintOptions = {
  readonly platform: Platform;
  readonly loadCatalog: LoadCatalog;
  /** Namespace for objects without one. */
  readonly namespace: string;
  readonly readPodContext: ReadSourcedPodContext;
  readonly evaluatePolicy: EvaluatePolicy;
  /** Absent: they are not known. */
  readonly upstreams?: Upstreams;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** The objects of one file. */
export type ManifestFile = { readonly file: string; readonly manifests: readonly Manifest[] };

/**
 * Checks every pod that declares tasks and every TaskPolicy.
 *
 * @throws KubernetesError
 */
export const lintFiles = async (
  files: readonly ManifestFile[],
  options: LintOptions,
): Promise<LintReport> => {
  const objects = files.flatMap(({ file, manifests }) =>
    manifests.map((manifest) => ({ file, manifest })),
  );
  const results = await Promise.all(
    objects.map(async ({ file, manifest }) => {
      const { document, kind, name, position } = manifest;
      const object = [kind, formatQualifiedName(manifest, name)].filter(Boolean).join(' ');
      const result = await lintObject(manifest, options);
      return result && { ...result, location: { file, document, object, ...position } };
    }),
  );
  const checked = results.filter((each) => each !== undefined);
  const namespaces = new Map(
    checked.flatMap(({ settings }) => settings.map((each) => [each.namespace, each] as const)),
  );
  const upstreams = new Map(
    checked.flatMap((each) => each.upstreams.map((upstream) => [upstream.name, upstream] as const)),
  );
  return {
    checkedCount: checked.length,
    otherCount: results.length - checked.length,
    findings: checked.flatMap(({ found, location }) =>
      found.map((each) => ({ ...location, ...each })),
    ),
    namespaces: [...namespaces.values()],
    upstreams: [...upstreams.values()],
  };
};

const formatQualifiedName = ({ namespace }: Manifest, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

type UnplacedFinding = Omit<Finding, 'file' | 'document' | 'object'>;

type ObjectResult = {
  readonly found: readonly UnplacedFinding[];
  readonly settings: readonly NamespaceSettings[];
  readonly upstreams: readonly ExplainedUpstream[];
};

const NOTHING_NAMED = { settings: [], upstreams: [] };

/** @returns undefined for an object that contains nothing to check */
const lintObject = async (
  manifest: Manifest,
  options: LintOptions,
): Promise<ObjectResult | undefined> => {
  const { content, name } = manifest;
  switch (content.type) {
    case 'other':
    case 'namespace':
    case 'serviceAccount':
      return undefined;
    case 'unreadable':
      return {
        found: content.faults.map((fault) => toPlacedFinding(fault, 'manifest_unreadable')),
        ...NOTHING_NAMED,
      };
    case 'policy': {
      const { faults, warnings } = checkWrittenPolicy(
        { name, cedar: content.cedar },
        { vend: options.platform.policy.vend, atMs: options.now },
      );
      const placed = faults.map((fault) => ({
        ...toFinding(fault, 'task_policy_invalid'),
        ...findPosition(fault, content.toFilePosition),
      }));
      return { found: [...placed, ...warnings.map(toWarning)], ...NOTHING_NAMED };
    }
    case 'upstream': {
      const parsed = parseUpstream(content.stored);
      if (parsed.ok) return { found: [], settings: [], upstreams: [explainUpstream(parsed.value)] };
      const found = parsed.faults.map((fault) => toFinding(fault, 'upstream_invalid'));
      return { found, ...NOTHING_NAMED };
    }
    case 'workload':
      return lintWorkload(manifest, content, options);
  }
};

const lintWorkload = async (
  { namespace }: Manifest,
  { object, pods, stray, texts }: Extract<Manifest['content'], { readonly type: 'workload' }>,
  options: LintOptions,
): Promise<ObjectResult | undefined> => {
  const scope = { ...options, namespace: namespace ?? options.namespace };
  const mistaken = [{ pod: object }, ...pods].flatMap(({ pod }) =>
    findNearMisses(toMapping(toMapping(toMapping(pod)['metadata'])['annotations'])),
  );
  const results = await Promise.all(
    pods.map(async (each) => {
      const result = await evaluateManifest(each.pod, scope);
      return result && { each, result };
    }),
  );
  const checked = results.filter((each) => each !== undefined);
  const texted = texts.map((fault) => ({
    ...toPlacedFinding(fault),
    severity: 'warning' as const,
  }));
  if (checked.length + stray.length + texts.length + mistaken.length === 0) return undefined;
  return {
    found: [
      ...checked.flatMap(({ each, result }) => toPodFindings(result, each)),
      ...[...new Set(mistaken)].map(toWarning),
      ...stray.map((fault) => toPlacedFinding(fault)),
      ...texted,
    ],
    settings: checked.flatMap(({ result: { namespace: checkedIn, podContext } }) =>
      podContext ? [toNamespaceSettings(checkedIn, podContext, options.platform)] : [],
    ),
    upstreams: checked
      .flatMap(({ result: { tasks } }) => tasks)
      .flatMap((task) => findExplainedUpstream(task, options.upstreams).upstream ?? [])
      .map((upstream) => explainUpstream(upstream)),
  };
};

const toPodFindings = (
  { faults, exempted, warnings }: ManifestResult,
  { at, findPosition: find }: ManifestPod,
): readonly UnplacedFinding[] => [
  ...faults.map((fault) => ({ ...toFinding(prefixPath(fault, at)), ...find(fault) })),
  ...exempted.map((each) => ({
    ...toExemptedFinding({ ...each, fault: prefixPath(each.fault, at) }),
    ...find(each.fault),
  })),
  ...warnings.map(toWarning),
];

/** Drops a source that repeats the object of the finding. */
const toFinding = (
  { source, ...fault }: FieldError,
  code: FindingCode = toCode(fault),
): UnplacedFinding => {
  const isObject = /^(?:TaskPolicy |upstreams\/)/.test(source ?? '');
  const kept = source === undefined || isObject ? {} : { source };
  return { severity: 'fault', code, message: formatWithHint({ ...fault, ...kept }), fault };
};

const toCode = ({ rule }: Pick<FieldError, 'rule'>): FindingCode => {
  if (rule === undefined) return 'tasks_invalid';
  return rule === 'policy' ? 'policy_denied' : 'pod_noncompliant';
};

const toPlacedFinding = (
  { line, column, ...fault }: FieldError & Partial<Position>,
  code?: FindingCode,
): UnplacedFinding => ({
  ...toFinding(fault, code),
  ...(line !== undefined && column !== undefined && { line, column }),
});

/** Builds the warning that admission returns, with the paths of the file. */
const toExemptedFinding = (exempted: ManifestResult['exempted'][number]): UnplacedFinding => {
  const [message = ''] = buildExemptionNotes([exempted]).warnings;
  return { severity: 'warning', code: 'pod_exempted', message, fault: exempted.fault };
};

const toWarning = (message: string): UnplacedFinding => ({
  severity: 'warning',
  code: 'advice',
  message,
});

const findPosition = (
  { path }: FieldError,
  toFilePosition: (inCedar: Position) => Position | undefined,
): Partial<Position> => {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(path) ?? [];
  return line === undefined
    ? {}
    : (toFilePosition({ line: Number(line), column: Number(column) }) ?? {});
};

/** Prefixes the path of a fault in the pod. A fault with a source is in another object or an embedded text. */
const prefixPath = (fault: FieldError, at: string): FieldError =>
  fault.source === undefined && fault.path.startsWith('/')
    ? { ...fault, path: `${at}${fault.path}` }
    : fault;

/** Formats a finding: `agents.yaml:12:3: document 2, Deployment research/agent: …`. */
export const formatFinding = (finding: Finding): string => {
  const { file, line, column, document, object, severity, message } = finding;
  const location = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const prefix = severity === 'warning' ? 'warning: ' : '';
  return `${location}: document ${document}, ${object}: ${prefix}${message}`;
};

/** `Upstream wiki: enforced by the gateway; revocable no: …; pinned: 2 tools`. */
export const formatUpstream = (upstream: ExplainedUpstream): string =>
  [
    `Upstream ${upstream.name}: enforced by the gateway`,
    `revocable ${formatRevocable(upstream)}`,
    `pinned: ${summarizePinned(upstream)}`,
  ].join('; ');
