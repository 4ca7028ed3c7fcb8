import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { bundleVouches } from '../../lib/certificate/bundle.ts';
import type { Leaf } from '../../lib/certificate/authority.ts';
import {
  runRound,
  type RoundEdges,
  type RoundTerms,
  type StoredConfiguration,
} from '../../lib/certificate/round.ts';
import { ROTATION_RULES } from '../../lib/certificate/rotation.ts';
import { readPair, type Serving } from '../../lib/certificate/serving.ts';
import { ROTATE_ANNOTATION } from '../../lib/contract/names.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { StatedError } from '../../lib/reading/stated-error.ts';
import { backoffMs, jitterMs, startLoop, type Loop } from '../../lib/rounds/loop.ts';
import type { Cluster } from './cluster.ts';
import type { WebhookConfig } from './config.ts';

export type CertificateReports = {
  /** Told after every round that went well, whether or not anything is new. */
  readonly onServing: (serving: Serving) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onStep: RoundEdges['onStep'];
  readonly now: () => number;
  readonly random: () => number;
  /** Between rounds, while all is well. */
  readonly everyMs: number;
};

/** Until the certificate is live, and after a first failure. */
const EAGER_MS = 500;

/** Keeps the certificate as the settings say; both ways report alike. */
export const keepCertificate = (
  config: WebhookConfig,
  cluster: Cluster | undefined,
  reports: CertificateReports,
): Loop => {
  if (config.certificates === 'files' || cluster === undefined) {
    return keepCertificateFiles(config.certificatesFolder, cluster?.readConfigurations, reports);
  }
  const { now, onStep } = reports;
  return keepOwnCertificate(termsOf(config), { ...cluster.certificate, now, onStep }, reports);
};

const termsOf = (config: WebhookConfig): RoundTerms => ({
  names: [`${config.service}.${config.namespace}.svc`],
  annotation: ROTATE_ANNOTATION,
  rules: {
    ...ROTATION_RULES,
    authorityLifetimeMs: config.authorityLifetimeSeconds * 1000,
    leafLifetimeMs: config.leafLifetimeSeconds * 1000,
  },
});

/** Keeps a certificate of our own authority: more rounds until it is live. */
const keepOwnCertificate = (
  terms: RoundTerms,
  edges: RoundEdges,
  reports: CertificateReports,
): Loop => {
  let held: Leaf | undefined;
  return keep(reports, async () => {
    const { leaf, isLive } = await runRound(terms, edges, held);
    held = leaf;
    return { certificate: leaf.certificate, key: leaf.key, notAfter: leaf.notAfter, isLive };
  });
};

/**
 * Keeps the certificate that stands in `folder` (tls.crt, tls.key), read anew each round; a pair in
 * the midst of being replaced is a failed round.
 *
 * @param readConfigurations absent: there is no cluster to ask whether API servers trust it
 */
const keepCertificateFiles = (
  folder: string,
  readConfigurations: (() => Promise<readonly StoredConfiguration[]>) | undefined,
  reports: CertificateReports,
): Loop =>
  keep(reports, async () => {
    const certificate = await readText(join(folder, 'tls.crt'));
    const key = await readText(join(folder, 'tls.key'));
    const pair = readPair({ certificate, key });
    if (!pair.ok) throw new StatedError(pair.faults.map(describeFault).join('; '));
    return { ...pair.value, isLive: isTrusted(certificate, await readConfigurations?.()) };
  });

const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new StatedError(`${path}: expected a file that can be read, got ${code}`);
  }
};

/** cert-manager fills the bundles in; until it has, the API server trusts nothing that we serve. */
const isTrusted = (
  certificate: string,
  configurations: readonly StoredConfiguration[] | undefined,
): boolean =>
  configurations === undefined ||
  configurations.every(({ webhooks }) =>
    webhooks.every(({ caBundle }) => bundleVouches(caBundle, certificate)),
  );

const keep = (
  { onServing, onFailure, random, everyMs }: CertificateReports,
  round: () => Promise<Serving>,
): Loop => {
  let failures = 0;
  return startLoop(async () => {
    try {
      const serving = await round();
      failures = 0;
      onServing(serving);
      return jitterMs(serving.isLive ? everyMs : EAGER_MS, random);
    } catch (error) {
      failures += 1;
      onFailure(error);
      return backoffMs(failures, { firstMs: EAGER_MS, mostMs: everyMs, random });
    }
  });
};
