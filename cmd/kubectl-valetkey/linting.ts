import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { describeExcused } from '../../lib/injection/verdict.ts';
import { judgePolicy } from '../../lib/policy/findings.ts';
import { describeFault, type Fault } from '../../lib/reading/fault.ts';
import type { Manifest, Position } from './manifests.ts';
import { termsOf, type NamespaceTerms } from './namespace-terms.ts';
import { judgeNewPod, type NewPod } from './new-pod.ts';
import type { ReadToldSurroundings } from './surroundings.ts';

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
  readonly fault?: Fault;
};

export type LintReport = {
  /** Objects that were judged; others in the files are none of ours. */
  readonly judged: number;
  readonly findings: readonly Finding[];
  /** Of pods that were judged, each once. */
  readonly namespaces: readonly NamespaceTerms[];
};

export type LintTerms = {
  readonly platform: Platform;
  readonly loadCatalogue: LoadCatalogue;
  /** Of objects that name none. */
  readonly namespace: string;
  readonly readSurroundings: ReadToldSurroundings;
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
  terms: LintTerms,
): Promise<LintReport> => {
  const objects = files.flatMap(({ file, manifests }) =>
    manifests.map((manifest) => ({ file, manifest })),
  );
  const judgements = await Promise.all(
    objects.map(async ({ file, manifest }) => {
      const { document, kind, name } = manifest;
      const object = [kind, placedName(manifest, name)].filter(Boolean).join(' ');
      const judged = await judge(manifest, terms);
      return judged && { ...judged, place: { file, document, object } };
    }),
  );
  const judged = judgements.filter((each) => each !== undefined);
  const namespaces = new Map(
    judged.flatMap(({ terms: its }) => (its ? [[its.namespace, its]] : [])),
  );
  return {
    judged: judged.length,
    findings: judged.flatMap(({ found, place }) => found.map((each) => ({ ...place, ...each }))),
    namespaces: [...namespaces.values()],
  };
};

const placedName = ({ namespace }: Manifest, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

type Found = Omit<Finding, 'file' | 'document' | 'object'>;

type Judged = { readonly found: readonly Found[]; readonly terms?: NamespaceTerms };

/** @returns nothing where the object is none of ours */
const judge = async (manifest: Manifest, terms: LintTerms): Promise<Judged | undefined> => {
  const { content, name, namespace = terms.namespace } = manifest;
  switch (content.type) {
    case 'other':
    case 'namespace':
    case 'serviceAccount':
      return undefined;
    case 'unreadable':
      return { found: content.faults.map(toPlacedFound) };
    case 'policy': {
      const { faults, warnings } = judgePolicy({ name, cedar: content.cedar });
      const placed = faults.map((fault) => ({
        ...toFound(fault),
        ...placeIn(fault, content.place),
      }));
      return { found: [...placed, ...warnings.map(toWarning)] };
    }
    case 'pod': {
      const pod = await judgeNewPod(content.pod, { ...terms, namespace });
      return pod && judgedPod(pod, content.at, terms);
    }
  }
};

const judgedPod = (
  { faults, excused, warnings, namespace, surroundings }: NewPod,
  at: string,
  { platform }: LintTerms,
): Judged => ({
  found: [
    ...faults.map((fault) => toFound(within(fault, at))),
    ...excused.map((each) => toExcused({ ...each, fault: within(each.fault, at) })),
    ...warnings.map(toWarning),
  ],
  ...(surroundings && { terms: termsOf(namespace, surroundings, platform) }),
});

/** The object is named beside it already. */
const toFound = ({ source, ...fault }: Fault): Found => {
  const kept = source === undefined || source.startsWith('TaskPolicy ') ? {} : { source };
  return { severity: 'fault', message: describeFault({ ...fault, ...kept }), fault };
};

const toPlacedFound = ({ line, column, ...fault }: Fault & Partial<Position>): Found => ({
  ...toFound(fault),
  ...(line !== undefined && column !== undefined && { line, column }),
});

/** As admission tells it, where the pod stands in this file. */
const toExcused = (excused: NewPod['excused'][number]): Found => {
  const [message = ''] = describeExcused([excused]).warnings;
  return { severity: 'warning', message, fault: excused.fault };
};

const toWarning = (message: string): Found => ({ severity: 'warning', message });

const placeIn = (
  { path }: Fault,
  place: (inCedar: Position) => Position | undefined,
): Partial<Position> => {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(path) ?? [];
  return line === undefined ? {} : (place({ line: Number(line), column: Number(column) }) ?? {});
};

/** A fault with a source is of another object, or of a text in this one. */
const within = (fault: Fault, at: string): Fault =>
  fault.source === undefined && fault.path.startsWith('/')
    ? { ...fault, path: `${at}${fault.path}` }
    : fault;

/** `agents.yaml:12:3: document 2, Deployment research/agent: …`. */
export const describeFinding = (finding: Finding): string => {
  const { file, line, column, document, object, severity, message } = finding;
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const kind = severity === 'warning' ? 'warning: ' : '';
  return `${place}: document ${document}, ${object}: ${kind}${message}`;
};
