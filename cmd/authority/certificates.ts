import type { Leaf } from '../../lib/certificate/certificate-authority.ts';
import {
  reconcileCertificates,
  type CertificateReconcilerDeps,
  type CertificateReconcilerOptions,
} from '../../lib/certificate/certificate-reconciler.ts';
import { ROTATION_RULES } from '../../lib/certificate/certificate-rotation.ts';
import type { ServingCertificate } from '../../lib/certificate/serving-certificate.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { ROTATE_ANNOTATION } from '../../lib/contract/names.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { AuthorityConfig } from './config.ts';

export type CertificateObserver = {
  /** Told after every round that went well, whether or not anything is new. */
  readonly onServing: (serving: ServingCertificate) => void;
  /** How many sets of roots that live pods hold lack the next one: it does not sign till then. */
  readonly onBundlesMissingNextCa: (count: number) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onStep: CertificateReconcilerDeps['onStep'];
};

type CertificateDeps = Omit<CertificateReconcilerDeps, 'now' | 'onStep'> & {
  readonly clock: Clock;
  readonly random: () => number;
  /** Between rounds, while all is well. */
  readonly everyMs: number;
};

/** Until the certificate is live, and after a first failure. */
const INITIAL_RETRY_MS = 500;
/** Webhooks learn of new roots by a watch, and inject the old ones until then. */
const PROPAGATION_MS = 60_000;

/** Keeps a certificate of our own authority: more rounds until its root is published. */
export const startCertificateRenewal = (
  config: AuthorityConfig,
  { clock, random, everyMs, ...edges }: CertificateDeps,
  reports: CertificateObserver,
): ReconcileLoop => {
  const options = buildReconcileOptions(config);
  let latest: Leaf | undefined;
  const reconcile = async (): Promise<number> => {
    const reconcileDeps = { ...edges, now: clock.now, onStep: reports.onStep };
    const { leaf, isTrusted, missingNextCount } = await reconcileCertificates(
      options,
      reconcileDeps,
      latest,
    );
    latest = leaf;
    const { certificate, key, notAfter } = leaf;
    reports.onServing({ certificate, key, notAfter, isTrusted });
    reports.onBundlesMissingNextCa(missingNextCount);
    return isTrusted ? everyMs : INITIAL_RETRY_MS;
  };
  const retry = { firstMs: INITIAL_RETRY_MS, maxMs: everyMs };
  return startReconcileLoop({ reconcile, onFailure: reports.onFailure, retry, random });
};

const buildReconcileOptions = ({
  platform,
  authorityLifetimeSeconds,
  leafLifetimeSeconds,
}: AuthorityConfig): CertificateReconcilerOptions => ({
  names: listDnsNames(platform.authority.endpoint),
  annotation: ROTATE_ANNOTATION,
  rules: {
    ...ROTATION_RULES,
    authorityLifetimeMs: authorityLifetimeSeconds * 1000,
    leafLifetimeMs: leafLifetimeSeconds * 1000,
    settleMs: PROPAGATION_MS,
  },
});

/** The host of the endpoint; of a Service its short name too. */
const listDnsNames = (endpoint: string): readonly string[] => {
  const { hostname } = new URL(endpoint);
  const [, service] = /^([a-z0-9-]+)\.[a-z0-9-]+\.svc$/.exec(hostname) ?? [];
  return service === undefined ? [hostname] : [service, hostname];
};
