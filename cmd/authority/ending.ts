import { createHash } from 'node:crypto';

import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { unavailable } from '../../lib/identity/refusals.ts';
import type { EndParts } from '../../lib/issuing/run-end.ts';
import type { Cluster } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { openDenial, type Denial, type DenialEdges } from './denial.ts';
import type { Issuer } from './issuer.ts';
import type { Revocations } from './revocations.ts';
import { openRunRoles } from './run-roles.ts';

/** What follows when a run ends before its deadline, on roles that opt in. */
export type Ending = Pick<EndParts, 'publishEnd'> & { readonly stop: () => void };

export type EndingEdges = Pick<DenialEdges, 'by' | 'record' | 'clock' | 'random' | 'onFailure'> & {
  readonly cluster: Pick<Cluster, 'identity' | 'revocations' | 'roleLease'>;
  readonly issuer: Pick<Issuer, 'cloud'>;
  readonly revocations: Pick<Revocations, 'subscribe'>;
  readonly metrics: Pick<AuthorityMetrics, 'denied'>;
};

const LEASE_SECONDS = 30;

export const openEnding = ({ platform }: AuthorityConfig, edges: EndingEdges): Ending => {
  const { cluster, issuer, revocations, metrics } = edges;
  const { denial: settings } = platform.authority;
  const { writeDenial: write } = issuer.cloud;
  if (settings === undefined || write === undefined) {
    return { publishEnd: () => Promise.resolve(), stop: () => undefined };
  }
  const denial = openDenial({
    ...edges,
    roles: settings.roles,
    list: cluster.revocations.list,
    create: cluster.revocations.create,
    lease: (role) => cluster.roleLease(leaseOf(role), LEASE_SECONDS),
    write,
    lifetimeCeilingSeconds: platform.tasks.lifetimeCeilingSeconds,
    onWritten: (_, lagSeconds) => {
      if (lagSeconds !== undefined) metrics.denied(lagSeconds);
    },
  });
  const unsubscribe = revocations.subscribe(denial.wake);
  const rolesOf = openRunRoles(cluster.identity.readPod, settings.roles);
  return {
    publishEnd: publisher(denial, rolesOf),
    stop: () => {
      unsubscribe();
      denial.stop();
    },
  };
};

/** A sidecar that is told "unavailable" tells us again. */
const publisher =
  (denial: Denial, rolesOf: ReturnType<typeof openRunRoles>): EndParts['publishEnd'] =>
  async ({ run, end, claimant }) => {
    try {
      await denial.runEnded({ run, end, roles: await rolesOf(claimant) });
    } catch (cause) {
      const message = 'the API server did not take the end of the run';
      throw unavailable('kubernetes_unavailable', message, { cause });
    }
  };

/** An ARN is no name that Kubernetes would take. */
const leaseOf = (role: string): string =>
  `denial-${createHash('sha256').update(role).digest('hex').slice(0, 40)}`;
