import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { bundleTrusts } from '../../lib/certificate/trust-bundle.ts';
import type { Leaf } from '../../lib/certificate/certificate-authority.ts';
import {
  reconcileCertificates,
  type CertificateReconcilerDeps,
  type CertificateReconcilerOptions,
  type StoredConfiguration,
} from '../../lib/certificate/certificate-reconciler.ts';
import { ROTATION_RULES } from '../../lib/certificate/certificate-rotation.ts';
import {
  readServingCertificate,
  type ServingCertificate,
} from '../../lib/certificate/serving-certificate.ts';
import { ROTATE_ANNOTATION } from '../../lib/contract/names.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { ClusterClient } from './cluster.ts';
import type { WebhookConfig } from './config.ts';

export type CertificateDeps = {
  /** Told after every round that went well, whether or not anything is new. */
  readonly onServing: (serving: ServingCertificate) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onStep: CertificateReconcilerDeps['onStep'];
  readonly now: () => number;
  readonly random: () => number;
  /** Between rounds, while all is well. */
  readonly everyMs: number;
};

/** Until the certificate is live, and after a first failure. */
const INITIAL_RETRY_MS = 500;

/** Keeps the certificate as the settings say; both ways report alike. */
export const startCertificateRenewal = (
  config: WebhookConfig,
  cluster: ClusterClient | undefined,
  reports: CertificateDeps,
): ReconcileLoop => {
  if (config.certificates === 'files' || cluster === undefined) {
    return startCertificateFileReload(
      config.certificatesFolder,
      cluster?.readConfigurations,
      reports,
    );
  }
  const { now, onStep } = reports;
  return startSelfSignedRenewal(
    buildReconcileOptions(config),
    { ...cluster.certificate, now, onStep },
    reports,
  );
};

const buildReconcileOptions = (config: WebhookConfig): CertificateReconcilerOptions => ({
  names: [`${config.service}.${config.namespace}.svc`],
  annotation: ROTATE_ANNOTATION,
  rules: {
    ...ROTATION_RULES,
    authorityLifetimeMs: config.authorityLifetimeSeconds * 1000,
    leafLifetimeMs: config.leafLifetimeSeconds * 1000,
  },
});

/** Keeps a certificate of our own authority: more rounds until it is live. */
const startSelfSignedRenewal = (
  terms: CertificateReconcilerOptions,
  edges: CertificateReconcilerDeps,
  reports: CertificateDeps,
): ReconcileLoop => {
  let latest: Leaf | undefined;
  return startRenewalLoop(reports, async () => {
    const { leaf, isTrusted: isLive } = await reconcileCertificates(terms, edges, latest);
    latest = leaf;
    return {
      certificate: leaf.certificate,
      key: leaf.key,
      notAfter: leaf.notAfter,
      isTrusted: isLive,
    };
  });
};

/**
 * Keeps the certificate that stands in `folder` (tls.crt, tls.key), read anew each round; a pair in
 * the midst of being replaced is a failed round.
 *
 * @param readConfigurations absent: there is no cluster to ask whether API servers trust it
 */
const startCertificateFileReload = (
  folder: string,
  readConfigurations: (() => Promise<readonly StoredConfiguration[]>) | undefined,
  reports: CertificateDeps,
): ReconcileLoop =>
  startRenewalLoop(reports, async () => {
    const certificate = await readText(join(folder, 'tls.crt'));
    const key = await readText(join(folder, 'tls.key'));
    const pair = readServingCertificate({ certificate, key });
    if (!pair.ok) throw new LoggableError(pair.faults.map(formatFieldError).join('; '));
    return { ...pair.value, isTrusted: isTrusted(certificate, await readConfigurations?.()) };
  });

const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new LoggableError(`${path}: expected a file that can be read, got ${code}`);
  }
};

/** cert-manager fills the bundles in; until it has, the API server trusts nothing that we serve. */
const isTrusted = (
  certificate: string,
  configurations: readonly StoredConfiguration[] | undefined,
): boolean =>
  configurations === undefined ||
  configurations.every(({ webhooks }) =>
    webhooks.every(({ caBundle }) => bundleTrusts(caBundle, certificate)),
  );

const startRenewalLoop = (
  { onServing, onFailure, random, everyMs }: CertificateDeps,
  round: () => Promise<ServingCertificate>,
): ReconcileLoop => {
  const reconcile = async (): Promise<number> => {
    const serving = await round();
    onServing(serving);
    return serving.isTrusted ? everyMs : INITIAL_RETRY_MS;
  };
  const retry = { firstMs: INITIAL_RETRY_MS, maxMs: everyMs };
  return startReconcileLoop({ reconcile, onFailure, retry, random });
};
