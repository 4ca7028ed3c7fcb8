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
  const { trust, installedIn, authority } = facts;
  const webhook = judge(`Deployment ${INSTALLED.webhook}`, facts.webhook, [], judgeProgram);
  const pods = judge('pods', facts.pods, [], podStates);
  const others = authority && judgeAuthority(authority, { installedIn, now });
  return {
    trust,
    programs: [...webhook.value, ...(others?.program ?? [])],
    ...(others?.state ?? NO_AUTHORITY),
    pods: pods.value,
    problems: [...webhook.problems, ...(others?.problems ?? []), ...pods.problems],
  };
};

const NO_AUTHORITY = { policies: [], keys: [], revocations: [], completions: 0, heads: [] };

/** What was made of a fact, and what is not well with it. */
type Judged<T> = { readonly value: T; readonly problems: readonly string[] };

const judge = <T, U>(
  what: string,
  fact: Fact<T>,
  otherwise: U,
  judgeValue: (value: T, what: string) => Judged<U>,
): Judged<U> =>
  'value' in fact
    ? judgeValue(fact.value, what)
    : { value: otherwise, problems: [`${what}: not known (${fact.unknown})`] };

type Authority = NonNullable<StatusFacts['authority']>;
type AuthorityPart = 'policies' | 'keys' | 'revocations' | 'completions' | 'heads';

const judgeAuthority = (
  facts: Authority,
  { installedIn, now }: { readonly installedIn: string; readonly now: number },
): {
  readonly program: readonly ProgramState[];
  readonly state: Pick<State, AuthorityPart>;
  readonly problems: readonly string[];
} => {
  const name = `StatefulSet ${INSTALLED.authority}`;
  const program = judge(name, facts.program, [], judgeProgram);
  const policies = judge('TaskPolicies', facts.policies, [], judgePolicies);
  const keys = judge('keys of grants', facts.keys, [], judgeKeys);
  const standing = judge('Revocations', facts.revocations, [], toRevocations);
  const heads = judge('audit heads', facts.heads, [], (published) =>
    judgeHeads(published, program.value[0]?.wanted ?? 0),
  );
  const by = `system:serviceaccount:${installedIn}:${INSTALLED.authority}`;
  const inForce = standing.value.filter(({ spec }) => isInForce(spec, now));
  const revocations = inForce.filter((each) => !isCompletionBy(each, by));
  return {
    program: program.value,
    state: {
      policies: policies.value,
      keys: keys.value,
      revocations,
      completions: inForce.length - revocations.length,
      heads: heads.value,
    },
    problems: [program, policies, keys, standing, heads].flatMap(({ problems }) => problems),
  };
};

const judgeProgram = (
  replicas: Replicas | undefined,
  what: string,
): Judged<readonly ProgramState[]> => {
  if (replicas === undefined) return { value: [], problems: [`${what}: expected it, got nothing`] };
  const { ready, wanted } = replicas;
  const [kind = '', name = ''] = what.split(' ');
  const problem = `${what}: expected ${Math.max(1, wanted)} ready replicas, got ${ready}`;
  const isEnough = ready >= wanted && wanted > 0;
  return { value: [{ kind, name, ready, wanted }], problems: isEnough ? [] : [problem] };
};

const podStates = (counts: ReadonlyMap<string, number>): Judged<State['pods']> => ({
  value: Array.from(counts, ([namespace, count]) => ({ namespace, count })).sort((one, other) =>
    one.namespace < other.namespace ? -1 : 1,
  ),
  problems: [],
});

const judgeKeys = (keys: readonly PublishedKey[]): Judged<readonly PublishedKey[]> => ({
  value: keys,
  problems:
    keys.length > 1 ? [] : ['keys of grants: expected the next key beside it, got one alone'],
});

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

const judgePolicies = (stored: readonly CustomResource[]): Judged<readonly PolicyState[]> => {
  const policies = stored.map(toPolicyState);
  const problems = policies
    .filter(({ isReady }) => !isReady)
    .map(({ name, message }) => `TaskPolicy ${name}: ${message.split('\n')[0] ?? ''}`);
  const none = 'TaskPolicies: expected at least one, got none: no task is permitted';
  return { value: policies, problems: policies.length === 0 ? [none] : problems };
};

const toRevocations = (stored: readonly CustomResource[]): Judged<readonly Revocation[]> => {
  const results = stored.map(readRevocation);
  return {
    value: results
      .flatMap((result) => (result.ok ? [result.value] : []))
      .sort((one, other) => other.createdAt - one.createdAt),
    problems: results.flatMap((result) => (result.ok ? [] : result.faults.map(describeFault))),
  };
};

/** Each replica of a StatefulSet is named by its number. */
const judgeHeads = (
  published: Readonly<Record<string, string>>,
  replicas: number,
): Judged<readonly HeadState[]> => {
  const results = Object.entries(published).map(
    ([replica, text]) => [replica, readHead(text, `audit head of ${replica}`)] as const,
  );
  const names = Array.from({ length: replicas }, (_, at) => `${INSTALLED.authority}-${at}`);
  const missing = names.filter((replica) => !Object.hasOwn(published, replica));
  return {
    value: results
      .flatMap(([replica, head]) => (head.ok ? [{ replica, ...head.value }] : []))
      .sort((one, other) => (one.replica < other.replica ? -1 : 1)),
    problems: [
      ...results.flatMap(([, head]) => (head.ok ? [] : head.faults.map(describeFault))),
      ...missing.map((replica) => `audit head of ${replica}: expected one, got nothing`),
    ],
  };
};
