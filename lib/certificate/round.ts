import { describeFault, type Fault } from '../reading/fault.ts';
import { bundleOf, readAuthorities, writeAuthorities, type Authorities } from './authorities.ts';
import { signLeaf, type Leaf } from './authority.ts';
import { bundleHas } from './bundle.ts';
import {
  decideStep,
  isLeafDue,
  isLive,
  takeStep,
  type RotationRules,
  type Step,
} from './rotation.ts';

/** A write under optimistic locking: `conflict` when somebody else wrote since we read. */
export type Written = 'written' | 'conflict';

export type StoredSecret = {
  readonly resourceVersion: string;
  /** Decoded. */
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

/** A webhook configuration, mutating or validating. */
export type StoredConfiguration = {
  readonly id: string;
  readonly resourceVersion: string;
  readonly webhooks: readonly { readonly name: string; readonly caBundle: string }[];
};

/** The outside of a round; every function may throw when the API server is unavailable. */
export type RoundEdges = {
  readonly readSecret: () => Promise<StoredSecret | undefined>;
  readonly createSecret: (data: StoredSecret['data']) => Promise<Written>;
  readonly replaceSecret: (resourceVersion: string, data: StoredSecret['data']) => Promise<Written>;
  readonly readConfigurations: () => Promise<readonly StoredConfiguration[]>;
  readonly writeBundle: (configuration: StoredConfiguration, bundle: string) => Promise<Written>;
  /** Bundles of clients whose trust nobody can change any more: `next` signs once all have it. */
  readonly readDependents?: () => Promise<readonly string[]>;
  readonly now: () => number;
  /** Told of every step that was taken, and of a Secret that could not be used. */
  readonly onStep: (step: Exclude<Step, 'keep'>, faults: readonly string[]) => void;
};

export type RoundTerms = {
  /** DNS names of the leaf. */
  readonly names: readonly string[];
  /** Annotation of the Secret whose every new value asks for a rotation. */
  readonly annotation: string;
  readonly rules: RotationRules;
};

export type RoundResult = {
  readonly leaf: Leaf;
  /** Whether every live `caBundle` trusts the authority that signed `leaf`. */
  readonly isLive: boolean;
  /** How many dependents lack `next`: while there are any, it does not sign. */
  readonly lacking: number;
};

/** Others may write at the same time, but not for ever. */
const MAX_PASSES = 12;

/**
 * One round of the loop that every replica runs, without a leader: look, take the steps that are
 * due, publish the bundle, and sign a new leaf when the held one is due. A lost race is read again;
 * whoever won took the same step. A leaf is only ever signed from a Secret read in the same round.
 *
 * @throws what an edge throws; the held leaf then serves on
 */
export const runRound = async (
  terms: RoundTerms,
  edges: RoundEdges,
  held: Leaf | undefined,
): Promise<RoundResult> => {
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    // Configurations first: a bundle is then never older than the Secret that it is made from, and
    // a write of ours that would undo a newer one meets its resourceVersion.
    const configurations = await edges.readConfigurations();
    const dependents = (await edges.readDependents?.()) ?? [];
    const secret = await edges.readSecret();
    const look = { configurations, dependents, secret };
    const authorities = await stepForward(terms, edges, look);
    if (authorities === undefined) continue;
    if (!(await publish(bundleOf(authorities), configurations, edges))) continue;
    return conclude(terms, edges, { authorities, configurations, dependents, held });
  }
  throw new Error(`no round ended without a conflict in ${MAX_PASSES} passes`);
};

type Look = {
  readonly configurations: readonly StoredConfiguration[];
  readonly dependents: readonly string[];
  readonly secret: StoredSecret | undefined;
};

/** The authorities when nothing was to be done; nothing when there was, and all is to be read again. */
const stepForward = async (
  { annotation, rules }: RoundTerms,
  edges: RoundEdges,
  { configurations, dependents, secret }: Look,
): Promise<Authorities | undefined> => {
  const stored = secret === undefined ? undefined : readAuthorities(secret.data);
  const sight = {
    authorities: stored?.ok === true ? stored.value : undefined,
    requested: secret?.annotations[annotation] ?? '',
    bundles: [...bundlesOf(configurations), ...dependents],
    now: edges.now(),
  };
  const step = decideStep(sight, rules);
  if (step === 'keep') return sight.authorities;
  const data = writeAuthorities(await takeStep(step, sight, rules));
  const written = await (secret === undefined
    ? edges.createSecret(data)
    : edges.replaceSecret(secret.resourceVersion, data));
  if (written === 'written') edges.onStep(step, stored?.ok === false ? tell(stored.faults) : []);
  return undefined;
};

/** True when every bundle says what it should already; a write is looked at again. */
const publish = async (
  bundle: string,
  configurations: readonly StoredConfiguration[],
  { writeBundle }: RoundEdges,
): Promise<boolean> => {
  const differing = configurations.filter(({ webhooks }) =>
    webhooks.some(({ caBundle }) => caBundle !== bundle),
  );
  for (const configuration of differing) await writeBundle(configuration, bundle);
  return differing.length === 0;
};

const conclude = async (
  { names, rules }: RoundTerms,
  { now }: RoundEdges,
  state: Omit<Look, 'secret'> & { authorities: Authorities; held: Leaf | undefined },
): Promise<RoundResult> => {
  const { authorities, dependents, held } = state;
  const lacking = dependents.filter((one) => !bundleHas(one, authorities.next.certificate)).length;
  const lifetimeMs = rules.leafLifetimeMs;
  const leaf =
    held === undefined || isLeafDue(held, authorities, now())
      ? await signLeaf(authorities.current, { names, now: now(), lifetimeMs })
      : held;
  const bundles = bundlesOf(state.configurations);
  return { leaf, isLive: isLive(leaf.issuer, { bundles }), lacking };
};

const bundlesOf = (configurations: readonly StoredConfiguration[]): readonly string[] =>
  configurations.flatMap(({ webhooks }) => webhooks.map(({ caBundle }) => caBundle));

const tell = (faults: readonly Fault[]): readonly string[] => faults.map(describeFault);
