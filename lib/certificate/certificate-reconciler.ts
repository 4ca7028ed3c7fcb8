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

/** Result of a write under optimistic locking. `conflict`: another client wrote since the read. */
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

/** Whether no program has written the Secret yet: the chart creates it without data. */
export const isEmpty = ({ data }: StoredSecret): boolean => Object.keys(data).length === 0;

/** Access to the cluster. Every function may throw when the API server is unavailable. */
export type CertificateReconcilerDeps = {
  /** The Secret; without data before the first step. */
  readonly readSecret: () => Promise<StoredSecret>;
  readonly replaceSecret: (
    resourceVersion: string,
    data: StoredSecret['data'],
  ) => Promise<WriteResult>;
  readonly readConfigurations: () => Promise<readonly StoredConfiguration[]>;
  readonly writeBundle: (
    configuration: StoredConfiguration,
    bundle: string,
  ) => Promise<WriteResult>;
  /** Trust bundles of clients that cannot be updated: `next` signs only when all contain it. */
  readonly readClientBundles?: () => Promise<readonly string[]>;
  readonly now: () => number;
  /** Called after each step, with the field errors of an unusable Secret. */
  readonly onStep: (step: Exclude<RotationStep, 'keep'>, faults: readonly string[]) => void;
};

export type CertificateReconcilerOptions = {
  /** DNS names of the leaf. */
  readonly names: readonly string[];
  /** Annotation of the Secret; each new value requests a rotation. */
  readonly annotation: string;
  readonly rules: RotationRules;
};

export type CertificateReconcileResult = {
  readonly leaf: Leaf;
  /** Whether every live `caBundle` trusts the authority that signed `leaf`. */
  readonly isTrusted: boolean;
  /** Number of client bundles without `next`; it does not sign until this is 0. */
  readonly missingNextCount: number;
};

/** Attempts while other replicas write concurrently. */
const MAX_ATTEMPTS = 12;

/**
 * Reconciles the certificates once. Every replica runs it in a loop, without a leader: it reads the state,
 * applies due steps, publishes the bundle, and signs a new leaf when the held one is due. After a
 * conflict it reads again. A leaf is signed only with the authority of a Secret that was just read.
 *
 * @throws errors of `deps`; the held leaf remains in use
 */
export const reconcileCertificates = async (
  options: CertificateReconcilerOptions,
  deps: CertificateReconcilerDeps,
  held: Leaf | undefined,
): Promise<CertificateReconcileResult> => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    // Read configurations before the Secret: a bundle is then never older than its Secret, and a write
    // that would revert a newer one fails by its resourceVersion.
    const configurations = await deps.readConfigurations();
    const clientBundles = (await deps.readClientBundles?.()) ?? [];
    const secret = await deps.readSecret();
    const objects = { configurations, clientBundles, secret };
    const authorities = await applyDueStep(options, deps, objects);
    if (authorities === undefined) continue;
    if (!(await publishBundle(buildTrustBundle(authorities), configurations, deps))) continue;
    return buildResult(options, deps, { authorities, configurations, clientBundles, held });
  }
  throw new Error(
    `certificates: expected writes without conflict in ${MAX_ATTEMPTS} attempts, got only conflicts`,
  );
};

type ObservedObjects = {
  readonly configurations: readonly StoredConfiguration[];
  readonly clientBundles: readonly string[];
  readonly secret: StoredSecret;
};

/** The authorities if no step was due; undefined after a step, when the state must be read again. */
const applyDueStep = async (
  { annotation, rules }: CertificateReconcilerOptions,
  deps: CertificateReconcilerDeps,
  { configurations, clientBundles, secret }: ObservedObjects,
): Promise<CertificateAuthoritySet | undefined> => {
  const stored = isEmpty(secret) ? undefined : readCertificateAuthoritySet(secret.data);
  const observed = {
    authorities: stored?.ok === true ? stored.value : undefined,
    requested: secret.annotations[annotation] ?? '',
    bundles: [...listBundles(configurations), ...clientBundles],
    now: deps.now(),
  };
  const step = nextStep(observed, rules);
  if (step === 'keep') return observed.authorities;
  const data = writeCertificateAuthoritySet(await applyStep(step, observed, rules));
  const written = await deps.replaceSecret(secret.resourceVersion, data);
  if (written === 'written')
    deps.onStep(step, stored?.ok === false ? formatFieldErrors(stored.faults) : []);
  return undefined;
};

/** Whether every bundle is up to date. After a write the state must be read again. */
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
