import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startReconcileLoop, type ReconcileLoop } from '../async/reconcile-loop.ts';
import type { Leaf } from '../certificate/certificate-authority.ts';
import {
  reconcileCertificates,
  type CertificateReconcilerDeps,
  type CertificateReconcilerOptions,
  type StoredConfiguration,
} from '../certificate/certificate-reconciler.ts';
import { ROTATION_RULES } from '../certificate/certificate-rotation.ts';
import {
  readServingCertificate,
  type ServingCertificate,
} from '../certificate/serving-certificate.ts';
import { bundleTrusts } from '../certificate/trust-bundle.ts';
import { ROTATE_ANNOTATION } from '../contract/names.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { LoggableError } from '../schema/loggable-error.ts';

export type CertificateObserver = {
  /** Called after each successful round, also if the certificate has not changed. */
  readonly onServing: (serving: ServingCertificate) => void;
  /** Called after a failed round that read who trusts the certificate, which remains in use. */
  readonly onTrustRead: (serving: Pick<ServingCertificate, 'notAfter' | 'isTrusted'>) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onStep: CertificateReconcilerDeps['onStep'];
  /** Number of trust bundles in use that lack the next CA, which signs nothing until it is 0. */
  readonly onBundlesMissingNextCa: (count: number) => void;
};

export type RenewalOptions = {
  /** Interval between rounds, in milliseconds. */
  readonly everyMs: number;
  readonly random: () => number;
};

/** Interval until the certificate is trusted, and after a first failure. */
const INITIAL_RETRY_MS = 500;

/** Options of a self-signed CA, from the settings of a program. */
export const buildReconcilerOptions = ({
  names,
  authorityLifetimeSeconds,
  leafLifetimeSeconds,
  settleMs = ROTATION_RULES.settleMs,
}: {
  /** DNS names of the certificate. */
  readonly names: readonly string[];
  readonly authorityLifetimeSeconds: number;
  readonly leafLifetimeSeconds: number;
  readonly settleMs?: number;
}): CertificateReconcilerOptions => ({
  names,
  annotation: ROTATE_ANNOTATION,
  rules: {
    authorityLifetimeMs: authorityLifetimeSeconds * 1000,
    leafLifetimeMs: leafLifetimeSeconds * 1000,
    settleMs,
  },
});

/** Maintains a certificate of the program's own CA. */
export const startSelfSignedRenewal = (
  options: CertificateReconcilerOptions & RenewalOptions,
  deps: Omit<CertificateReconcilerDeps, 'onStep'>,
  observer: CertificateObserver,
): ReconcileLoop => {
  let latest: Leaf | undefined;
  let configurations: readonly StoredConfiguration[] | undefined;
  const reconcilerDeps: CertificateReconcilerDeps = {
    ...deps,
    onStep: observer.onStep,
    readConfigurations: async () => (configurations = await deps.readConfigurations()),
  };
  /** A bundle that the replica may not repair is exactly what an alert has to see. */
  const reportTrust = (): void => {
    if (latest === undefined || configurations === undefined) return;
    const { certificate, notAfter } = latest;
    observer.onTrustRead({ notAfter, isTrusted: isTrusted(certificate, configurations) });
  };
  return startRenewalLoop(options, observer, async () => {
    configurations = undefined;
    const state = await reconcileCertificates(options, reconcilerDeps, latest).catch(
      (error: unknown) => {
        reportTrust();
        throw error;
      },
    );
    latest = state.leaf;
    observer.onBundlesMissingNextCa(state.missingNextCount);
    const { certificate, key, notAfter } = state.leaf;
    return { certificate, key, notAfter, isTrusted: state.isTrusted };
  });
};

/**
 * Maintains the certificate in the files `tls.crt` and `tls.key`, which are read in each round. A
 * round fails while the pair is being replaced.
 */
export const startCertificateFileReload = (
  options: RenewalOptions & { readonly folder: string },
  observer: CertificateObserver,
  /** Absent if no cluster can be asked whether API servers trust the certificate. */
  readConfigurations?: () => Promise<readonly StoredConfiguration[]>,
): ReconcileLoop =>
  startRenewalLoop(options, observer, async () => {
    const certificate = await readText(join(options.folder, 'tls.crt'));
    const key = await readText(join(options.folder, 'tls.key'));
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

/** cert-manager writes the bundles; until it has, no API server trusts the certificate. */
const isTrusted = (
  certificate: string,
  configurations: readonly StoredConfiguration[] | undefined,
): boolean =>
  configurations === undefined ||
  configurations.every(({ webhooks }) =>
    webhooks.every(({ caBundle }) => bundleTrusts(caBundle, certificate)),
  );

const startRenewalLoop = (
  { everyMs, random }: RenewalOptions,
  { onServing, onFailure }: CertificateObserver,
  readCertificate: () => Promise<ServingCertificate>,
): ReconcileLoop => {
  const reconcile = async (): Promise<number> => {
    const serving = await readCertificate();
    onServing(serving);
    return serving.isTrusted ? everyMs : INITIAL_RETRY_MS;
  };
  const retry = { firstMs: INITIAL_RETRY_MS, maxMs: everyMs };
  return startReconcileLoop({ reconcile, onFailure, retry, random });
};
