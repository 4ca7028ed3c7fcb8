import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { judgePolicy } from '../../lib/policy/findings.ts';
import { describeFault, type Fault } from '../../lib/reading/fault.ts';
import { readManifests, type Manifest, type Position } from './manifests.ts';
import { judgeNewPod } from './new-pod.ts';

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
};

export type LintTerms = {
  readonly platform: Platform;
  readonly loadCatalogue: LoadCatalogue;
  /** Of objects that name none. */
  readonly namespace: string;
};

/** Judges every pod that is ours, and every TaskPolicy, of one file. */
export const lintFile = async (
  { file, text }: { readonly file: string; readonly text: string },
  terms: LintTerms,
): Promise<LintReport> => {
  const reports = await Promise.all(
    readManifests(text).map(async (manifest) => {
      const found = await judge(manifest, terms);
      const { document, kind, name } = manifest;
      const object = [kind, placedName(manifest, name)].filter(Boolean).join(' ');
      return found?.map((each): Finding => ({ file, document, object, ...each }));
    }),
  );
  const judged = reports.filter((each) => each !== undefined);
  return { judged: judged.length, findings: judged.flat() };
};

const placedName = ({ namespace }: Manifest, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

type Found = Omit<Finding, 'file' | 'document' | 'object'>;

/** @returns nothing where the object is none of ours */
const judge = async (
  { content, name, namespace }: Manifest,
  terms: LintTerms,
): Promise<readonly Found[] | undefined> => {
  switch (content.type) {
    case 'other':
      return undefined;
    case 'unreadable':
      return content.faults.map(({ line, column, ...fault }) => ({
        ...toFound(fault),
        ...(line !== undefined && column !== undefined && { line, column }),
      }));
    case 'policy': {
      const { faults, warnings } = judgePolicy({ name, cedar: content.cedar });
      return [
        ...faults.map((fault) => ({ ...toFound(fault), ...placeIn(fault, content.place) })),
        ...warnings.map(toWarning),
      ];
    }
    case 'pod': {
      const pod = await judgeNewPod(content.pod, {
        ...terms,
        namespace: namespace ?? terms.namespace,
      });
      return (
        pod && [
          ...pod.faults.map((fault) => toFound(within(fault, content.at))),
          ...pod.warnings.map(toWarning),
        ]
      );
    }
  }
};

/** The object is named beside it already. */
const toFound = ({ source, ...fault }: Fault): Found => {
  const kept = source === undefined || source.startsWith('TaskPolicy ') ? {} : { source };
  return { severity: 'fault', message: describeFault({ ...fault, ...kept }), fault };
};

const toWarning = (message: string): Found => ({ severity: 'warning', message });

const placeIn = (
  { path }: Fault,
  place: (inCedar: Position) => Position | undefined,
): Partial<Position> => {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(path) ?? [];
  return line === undefined ? {} : (place({ line: Number(line), column: Number(column) }) ?? {});
};

const within = (fault: Fault, at: string): Fault =>
  fault.path.startsWith('/') ? { ...fault, path: `${at}${fault.path}` } : fault;

/** `agents.yaml:12:3: document 2, Deployment research/agent: …`. */
export const describeFinding = (finding: Finding): string => {
  const { file, line, column, document, object, severity, message } = finding;
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  const kind = severity === 'warning' ? 'warning: ' : '';
  return `${place}: document ${document}, ${object}: ${kind}${message}`;
};
