import { formatFieldError, type FieldError } from '../schema/field-error.ts';
import {
  buildTrustBundle,
  readCertificateAuthoritySet,
  writeCertificateAuthoritySet,
  type CertificateAuthoritySet,
} from './certificate-authority-set.ts';
import { signLeaf, type Leaf } from './certificate-authority.ts';
import { bundleContains } from './trust-bundle.ts';
import {
  nextStep,
  isLeafRenewalDue,
  isTrustedByAll,
  applyStep,
  type RotationRules,
  type RotationStep,
} from './certificate-rotation.ts';

/** A write under optimistic locking: `conflict` when somebody else wrote since we read. */
export type WriteResult = 'written' | 'conflict';

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
export type CertificateReconcilerDeps = {
  readonly readSecret: () => Promise<StoredSecret | undefined>;
  readonly createSecret: (data: StoredSecret['data']) => Promise<WriteResult>;
  readonly replaceSecret: (
    resourceVersion: string,
    data: StoredSecret['data'],
  ) => Promise<WriteResult>;
  readonly readConfigurations: () => Promise<readonly StoredConfiguration[]>;
  readonly writeBundle: (
    configuration: StoredConfiguration,
    bundle: string,
  ) => Promise<WriteResult>;
  /** Bundles of clients whose trust nobody can change any more: `next` signs once all have it. */
  readonly readClientBundles?: () => Promise<readonly string[]>;
  readonly now: () => number;
  /** Told of every step that was taken, and of a Secret that could not be used. */
  readonly onStep: (step: Exclude<RotationStep, 'keep'>, faults: readonly string[]) => void;
};

export type CertificateReconcilerOptions = {
  /** DNS names of the leaf. */
  readonly names: readonly string[];
  /** Annotation of the Secret whose every new value asks for a rotation. */
  readonly annotation: string;
  readonly rules: RotationRules;
};

export type CertificateReconcileResult = {
  readonly leaf: Leaf;
  /** Whether every live `caBundle` trusts the authority that signed `leaf`. */
  readonly isTrusted: boolean;
  /** How many dependents lack `next`: while there are any, it does not sign. */
  readonly missingNextCount: number;
};

/** Others may write at the same time, but not for ever. */
const MAX_ATTEMPTS = 12;

/**
 * One round of the loop that every replica runs, without a leader: look, take the steps that are
 * due, publish the bundle, and sign a new leaf when the held one is due. A lost race is read again;
 * whoever won took the same step. A leaf is only ever signed from a Secret read in the same round.
 *
 * @throws what an edge throws; the held leaf then serves on
 */
export const reconcileCertificates = async (
  terms: CertificateReconcilerOptions,
  edges: CertificateReconcilerDeps,
  held: Leaf | undefined,
): Promise<CertificateReconcileResult> => {
  for (let pass = 0; pass < MAX_ATTEMPTS; pass += 1) {
    // Configurations first: a bundle is then never older than the Secret that it is made from, and
    // a write of ours that would undo a newer one meets its resourceVersion.
    const configurations = await edges.readConfigurations();
    const clientBundles = (await edges.readClientBundles?.()) ?? [];
    const secret = await edges.readSecret();
    const objects = { configurations, clientBundles, secret };
    const authorities = await applyDueStep(terms, edges, objects);
    if (authorities === undefined) continue;
    if (!(await publishBundle(buildTrustBundle(authorities), configurations, edges))) continue;
    return buildResult(terms, edges, { authorities, configurations, clientBundles, held });
  }
  throw new Error(`no round ended without a conflict in ${MAX_ATTEMPTS} passes`);
};

type ObservedObjects = {
  readonly configurations: readonly StoredConfiguration[];
  readonly clientBundles: readonly string[];
  readonly secret: StoredSecret | undefined;
};

/** The authorities when nothing was to be done; nothing when there was, and all is to be read again. */
const applyDueStep = async (
  { annotation, rules }: CertificateReconcilerOptions,
  edges: CertificateReconcilerDeps,
  { configurations, clientBundles, secret }: ObservedObjects,
): Promise<CertificateAuthoritySet | undefined> => {
  const stored = secret === undefined ? undefined : readCertificateAuthoritySet(secret.data);
  const observed = {
    authorities: stored?.ok === true ? stored.value : undefined,
    requested: secret?.annotations[annotation] ?? '',
    bundles: [...listBundles(configurations), ...clientBundles],
    now: edges.now(),
  };
  const step = nextStep(observed, rules);
  if (step === 'keep') return observed.authorities;
  const data = writeCertificateAuthoritySet(await applyStep(step, observed, rules));
  const written = await (secret === undefined
    ? edges.createSecret(data)
    : edges.replaceSecret(secret.resourceVersion, data));
  if (written === 'written')
    edges.onStep(step, stored?.ok === false ? formatFieldErrors(stored.faults) : []);
  return undefined;
};

/** True when every bundle says what it should already; a write is looked at again. */
const publishBundle = async (
  bundle: string,
  configurations: readonly StoredConfiguration[],
  { writeBundle }: CertificateReconcilerDeps,
): Promise<boolean> => {
  const differing = configurations.filter(({ webhooks }) =>
    webhooks.some(({ caBundle }) => caBundle !== bundle),
  );
  for (const configuration of differing) await writeBundle(configuration, bundle);
  return differing.length === 0;
};

const buildResult = async (
  { names, rules }: CertificateReconcilerOptions,
  { now }: CertificateReconcilerDeps,
  state: Omit<ObservedObjects, 'secret'> & {
    authorities: CertificateAuthoritySet;
    held: Leaf | undefined;
  },
): Promise<CertificateReconcileResult> => {
  const { authorities, clientBundles, held } = state;
  const missingNextCount = clientBundles.filter(
    (one) => !bundleContains(one, authorities.next.certificate),
  ).length;
  const lifetimeMs = rules.leafLifetimeMs;
  const leaf =
    held === undefined || isLeafRenewalDue(held, authorities, now())
      ? await signLeaf(authorities.current, { names, now: now(), lifetimeMs })
      : held;
  const bundles = listBundles(state.configurations);
  return { leaf, isTrusted: isTrustedByAll(leaf.issuer, { bundles }), missingNextCount };
};

const listBundles = (configurations: readonly StoredConfiguration[]): readonly string[] =>
  configurations.flatMap(({ webhooks }) => webhooks.map(({ caBundle }) => caBundle));

const formatFieldErrors = (faults: readonly FieldError[]): readonly string[] =>
  faults.map(formatFieldError);
