import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { buildExemptionNotes } from '../../lib/injection/exemptions.ts';
import { checkPolicy } from '../../lib/policy/policy-findings.ts';
import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';
import type { Manifest, Position } from './manifests.ts';
import { toNamespaceSettings, type NamespaceSettings } from './namespace-settings.ts';
import { evaluateManifest, type ManifestResult } from './manifest-admission.ts';
import type { ReadSourcedPodContext } from './pod-context.ts';

/** One thing that is wrong, or odd, in a file. */
export type Finding = Partial<Position> & {
  readonly severity: 'fault' | 'warning';
  readonly file: string;
  /** Number of the document in the file, from 1. */
  readonly document: number;
  /** `Pod research/agent`. */
  readonly object: string;
  /** For people, without the place. */
  readonly message: string;
  readonly fault?: FieldError;
};

export type LintReport = {
  /** Objects that were judged; others in the files are none of ours. */
  readonly checkedCount: number;
  readonly findings: readonly Finding[];
  /** Of pods that were judged, each once. */
  readonly namespaces: readonly NamespaceSettings[];
};

export type LintOptions = {
  readonly platform: Platform;
  readonly loadCatalog: LoadCatalog;
  /** Of objects that name none. */
  readonly namespace: string;
  readonly readPodContext: ReadSourcedPodContext;
};

/** The objects of one file. */
export type ManifestFile = { readonly file: string; readonly manifests: readonly Manifest[] };

/**
 * Judges every pod that is ours, and every TaskPolicy.
 *
 * @throws KubernetesError
 */
export const lintFiles = async (
  files: readonly ManifestFile[],
  terms: LintOptions,
): Promise<LintReport> => {
  const objects = files.flatMap(({ file, manifests }) =>
    manifests.map((manifest) => ({ file, manifest })),
  );
  const results = await Promise.all(
    objects.map(async ({ file, manifest }) => {
      const { document, kind, name } = manifest;
      const object = [kind, formatQualifiedName(manifest, name)].filter(Boolean).join(' ');
      const judged = await lintObject(manifest, terms);
      return judged && { ...judged, place: { file, document, object } };
    }),
  );
  const checked = results.filter((each) => each !== undefined);
  const namespaces = new Map(
    checked.flatMap(({ settings: its }) => (its ? [[its.namespace, its]] : [])),
  );
  return {
    checkedCount: checked.length,
    findings: checked.flatMap(({ found, place }) => found.map((each) => ({ ...place, ...each }))),
    namespaces: [...namespaces.values()],
  };
};

const formatQualifiedName = ({ namespace }: Manifest, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

type UnplacedFinding = Omit<Finding, 'file' | 'document' | 'object'>;

type ObjectResult = {
  readonly found: readonly UnplacedFinding[];
  readonly settings?: NamespaceSettings;
};

/** @returns nothing where the object is none of ours */
const lintObject = async (
  manifest: Manifest,
  terms: LintOptions,
): Promise<ObjectResult | undefined> => {
  const { content, name, namespace = terms.namespace } = manifest;
  switch (content.type) {
    case 'other':
    case 'namespace':
    case 'serviceAccount':
      return undefined;
    case 'unreadable':
      return { found: content.faults.map(toPlacedFinding) };
    case 'policy': {
      const { faults, warnings } = checkPolicy({ name, cedar: content.cedar });
      const placed = faults.map((fault) => ({
        ...toFinding(fault),
        ...findPlace(fault, content.place),
      }));
      return { found: [...placed, ...warnings.map(toWarning)] };
    }
    case 'pod': {
      const pod = await evaluateManifest(content.pod, { ...terms, namespace });
      return pod && toPodResult(pod, content.at, terms);
    }
  }
};

const toPodResult = (
  { faults, exempted, warnings, namespace, podContext }: ManifestResult,
  at: string,
  { platform }: LintOptions,
): ObjectResult => ({
  found: [
    ...faults.map((fault) => toFinding(prefixPath(fault, at))),
    ...exempted.map((each) => toExemptedFinding({ ...each, fault: prefixPath(each.fault, at) })),
    ...warnings.map(toWarning),
  ],
  ...(podContext && { settings: toNamespaceSettings(namespace, podContext, platform) }),
});

/** The object is named beside it already. */
const toFinding = ({ source, ...fault }: FieldError): UnplacedFinding => {
  const kept = source === undefined || source.startsWith('TaskPolicy ') ? {} : { source };
  return { severity: 'fault', message: formatFieldError({ ...fault, ...kept }), fault };
};

const toPlacedFinding = ({
  line,
  column,
  ...fault
}: FieldError & Partial<Position>): UnplacedFinding => ({
  ...toFinding(fault),
  ...(line !== undefined && column !== undefined && { line, column }),
});

/** As admission tells it, where the pod stands in this file. */
const toExemptedFinding = (exempted: ManifestResult['exempted'][number]): UnplacedFinding => {
  const [message = ''] = buildExemptionNotes([exempted]).warnings;
  return { severity: 'warning', message, fault: exempted.fault };
};

const toWarning = (message: string): UnplacedFinding => ({ severity: 'warning', message });

const findPlace = (
  { path }: FieldError,
  place: (inCedar: Position) => Position | undefined,
): Partial<Position> => {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(path) ?? [];
  return line === undefined ? {} : (place({ line: Number(line), column: Number(column) }) ?? {});
};

/** A fault with a source is of another object, or of a text in this one. */
const prefixPath = (fault: FieldError, at: string): FieldError =>
  fault.source === undefined && fault.path.startsWith('/')
    ? { ...fault, path: `${at}${fault.path}` }
    : fault;

/** `agents.yaml:12:3: document 2, Deployment research/agent: …`. */
export const formatFinding = (finding: Finding): string => {
  const { file, line, column, document, object, severity, message } = finding;
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const kind = severity === 'warning' ? 'warning: ' : '';
  return `${place}: document ${document}, ${object}: ${kind}${message}`;
};
