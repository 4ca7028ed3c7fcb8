import { readHead, type Head } from '../../lib/audit/heads.ts';
import type { Revocation } from '../../lib/contract/authority.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import type { Replicas } from '../../lib/edge/kubernetes/installation.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { isCompletionBy } from '../../lib/revocation/completion.ts';
import { isInForce } from '../../lib/revocation/matching.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import type { Fact, StatusFacts } from './facts.ts';
import type { PublishedKey } from './jwks.ts';

/** How an installation is. What could not be read is missing here, and named as a problem. */
export type State = {
  readonly trust: StatusFacts['trust'];
  readonly programs: readonly ProgramState[];
  readonly policies: readonly PolicyState[];
  readonly keys: readonly PublishedKey[];
  /** In force; those by which the authority tells that a run has ended are only counted. */
  readonly revocations: readonly Revocation[];
  readonly completions: number;
  readonly heads: readonly HeadState[];
  readonly pods: readonly { readonly namespace: string; readonly count: number }[];
  /** What is not well, a line each. */
  readonly problems: readonly string[];
};

export type ProgramState = Replicas & { readonly kind: string; readonly name: string };
export type HeadState = Head & { readonly replica: string };
export type PolicyState = {
  readonly name: string;
  readonly isReady: boolean;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch; NaN where nobody says. */
  readonly createdAt: number;
};

/** Judges what was read; `now` in milliseconds since the epoch. */
export const judgeState = (facts: StatusFacts, now: number): State => {
  const problems: string[] = [];
  const { trust, authority } = facts;
  /** The value, or nothing and a problem. */
  const of = <T>(what: string, fact: Fact<T>): T | undefined => {
    if ('value' in fact) return fact.value;
    problems.push(`${what}: not known (${fact.unknown})`);
    return undefined;
  };
  const tell = (found: readonly string[]): void => void problems.push(...found);

  const programs = [
    { kind: 'Deployment', name: INSTALLED.webhook, replicas: facts.webhook },
    ...(authority === undefined
      ? []
      : [{ kind: 'StatefulSet', name: INSTALLED.authority, replicas: authority.program }]),
  ].flatMap(({ kind, name, replicas }): readonly ProgramState[] => {
    const found = of(`${kind} ${name}`, replicas);
    if ('value' in replicas) tell(judgeProgram({ kind, name, replicas: found }));
    return found === undefined ? [] : [{ kind, name, ...found }];
  });
  const pods = [...(of('pods', facts.pods) ?? [])]
    .map(([namespace, count]) => ({ namespace, count }))
    .sort((one, other) => (one.namespace < other.namespace ? -1 : 1));
  if (authority === undefined) return { ...NO_AUTHORITY, trust, programs, pods, problems };

  const stored = of('TaskPolicies', authority.policies);
  const policies = (stored ?? []).map(toPolicyState);
  if (stored !== undefined) tell(judgePolicies(policies));
  const keys = of('keys of grants', authority.keys) ?? [];
  if (keys.length === 1) tell(['keys of grants: expected the next key beside it, got one alone']);
  const standing = toRevocations(of('Revocations', authority.revocations) ?? []);
  tell(standing.problems);
  const by = `system:serviceaccount:${facts.installedIn}:${INSTALLED.authority}`;
  const inForce = standing.all.filter(({ spec }) => isInForce(spec, now));
  const revocations = inForce.filter((each) => !isCompletionBy(each, by));
  const published = of('audit heads', authority.heads);
  const heads = toHeads(published ?? {});
  tell(heads.problems);
  if (published !== undefined) {
    tell(
      judgeHeads(
        heads.all,
        programs.find(({ name }) => name === INSTALLED.authority),
      ),
    );
  }
  const completions = inForce.length - revocations.length;
  const known = { policies, keys, revocations, completions, heads: heads.all };
  return { trust, programs, ...known, pods, problems };
};

const NO_AUTHORITY = { policies: [], keys: [], revocations: [], completions: 0, heads: [] };

const judgeProgram = ({
  kind,
  name,
  replicas,
}: {
  readonly kind: string;
  readonly name: string;
  readonly replicas: Replicas | undefined;
}): readonly string[] => {
  if (replicas === undefined) return [`${kind} ${name}: expected it, got nothing`];
  const { ready, wanted } = replicas;
  const isEnough = ready >= wanted && wanted > 0;
  return isEnough
    ? []
    : [`${kind} ${name}: expected ${Math.max(1, wanted)} ready replicas, got ${ready}`];
};

type Condition = {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
};

const toPolicyState = ({ metadata, status }: CustomResource): PolicyState => {
  const { conditions = [] } = (status ?? {}) as { readonly conditions?: readonly Condition[] };
  const ready = conditions.find(({ type }) => type === 'Ready');
  const createdAt = Date.parse(metadata.creationTimestamp ?? '');
  const told = { name: metadata.name, createdAt };
  if (ready === undefined) return { ...told, ...UNJUDGED };
  const isCurrent = ready.observedGeneration === metadata.generation;
  if (!isCurrent) return { ...told, ...UNJUDGED };
  const { reason = '', message = '' } = ready;
  return { ...told, isReady: ready.status === 'True', reason, message };
};

const UNJUDGED = {
  isReady: false,
  reason: 'Unjudged',
  message: 'no authority has judged its text',
};

const judgePolicies = (policies: readonly PolicyState[]): readonly string[] =>
  policies.length === 0
    ? ['TaskPolicies: expected at least one, got none: no task is permitted']
    : policies
        .filter(({ isReady }) => !isReady)
        .map(({ name, message }) => `TaskPolicy ${name}: ${message.split('\n')[0] ?? ''}`);

const toRevocations = (
  stored: readonly CustomResource[],
): { readonly all: readonly Revocation[]; readonly problems: readonly string[] } => {
  const results = stored.map(readRevocation);
  return {
    all: results
      .flatMap((result) => (result.ok ? [result.value] : []))
      .sort((one, other) => other.createdAt - one.createdAt),
    problems: results.flatMap((result) => (result.ok ? [] : result.faults.map(describeFault))),
  };
};

const toHeads = (
  published: Readonly<Record<string, string>>,
): { readonly all: readonly HeadState[]; readonly problems: readonly string[] } => {
  const results = Object.entries(published).map(
    ([replica, text]) => [replica, readHead(text, `audit head of ${replica}`)] as const,
  );
  return {
    all: results
      .flatMap(([replica, head]) => (head.ok ? [{ replica, ...head.value }] : []))
      .sort((one, other) => (one.replica < other.replica ? -1 : 1)),
    problems: results.flatMap(([, head]) => (head.ok ? [] : head.faults.map(describeFault))),
  };
};

/** Each replica of a StatefulSet is named by its number. */
const judgeHeads = (
  heads: readonly HeadState[],
  authority: ProgramState | undefined,
): readonly string[] =>
  Array.from({ length: authority?.wanted ?? 0 }, (_, number) => `${INSTALLED.authority}-${number}`)
    .filter((replica) => !heads.some((head) => head.replica === replica))
    .map((replica) => `audit head of ${replica}: expected one, got nothing`);
