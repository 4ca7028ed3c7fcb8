import type { Bench } from '../../bench/bench.ts';
import type { AuthorityProcess } from '../../bench/authority-process.ts';
import { INSTALLED } from '../../lib/contract/names.ts';
import { listStoredObjectPaths } from '../../test/kit/stored-objects.ts';
import { startCredentialLoad, summarizeLoad } from './credential-load.ts';
import type { FaultMeasurement } from './fault-results.ts';
import { expectStatus, measureFirstRun, tryRun, withPlatform } from './platform-under-fault.ts';
import { REVOCATION_SECONDS, startRunToRevoke } from './revoked-run.ts';

/** A revocation acts within a second; this machine may be busy. */
const BEFORE_SECONDS = 5;

const SECRETS = listStoredObjectPaths(INSTALLED.namespace).filter((path) =>
  path.includes('/secrets/valetkey-authority-'),
);

/**
 * The authority's Secrets are deleted and its process is lost, so that no copy of the keys is left; then they are
 * created again from a backup. The sidecar must trust the authority again without a new pod. One run is revoked
 * before, another one while the keys are lost.
 */
export const restoreKeys = (bench: Bench): Promise<FaultMeasurement> =>
  withPlatform(bench, { lifetimeSeconds: 600 }, async (platform) => {
    const { sidecar, authority } = platform;
    const load = startCredentialLoad({ socket: sidecar.socket, perSecond: 50 });
    const revokedBefore = (await startRunToRevoke(platform, 'run-revoked-before')).revoke();
    const before = await revokedBefore.finish(revokedBefore.revokedAt, BEFORE_SECONDS);
    const run = await startRunToRevoke(platform, 'run-revoked-meanwhile');
    const rootsBefore = authority.roots();
    const backup = backUpSecrets(authority);
    SECRETS.forEach(authority.cluster.objects.remove);
    await authority.kill();
    const lostAt = Date.now();
    const revokedMeanwhile = run.revoke();
    // It is not ready without its Secrets.
    const starting = authority.start();
    expectStatus(await tryRun(sidecar), 503);
    const restoredAt = Date.now();
    restoreSecrets(authority, backup);
    await starting;
    const readyAt = Date.now();
    const recoverySeconds = await measureFirstRun(sidecar, restoredAt);
    const meanwhile = await revokedMeanwhile.finish(readyAt, REVOCATION_SECONDS);
    await revokedBefore.expectRefused();
    if (authority.roots() !== rootsBefore)
      throw new Error('expected the trust bundle from before, got another one');
    return {
      load: summarizeLoad(await load.stop()),
      recoverySeconds,
      figures: [
        { name: 'Secrets that were lost and restored', value: SECRETS.length, unit: '' },
        { name: 'without keys for', value: (restoredAt - lostAt) / 1000, unit: 's' },
        ...before,
        ...meanwhile,
      ],
    };
  });

type Backup = readonly (readonly [path: string, data: unknown, annotations: unknown])[];

const backUpSecrets = ({ cluster }: AuthorityProcess): Backup =>
  SECRETS.map((path) => {
    const stored = cluster.objects.get(path);
    if (stored === undefined) throw new Error(`${path}: expected a Secret to back up, found none`);
    return [path, stored['data'], stored.metadata['annotations']] as const;
  });

const restoreSecrets = ({ cluster }: AuthorityProcess, backup: Backup): void => {
  for (const [path, data, annotations] of backup)
    cluster.objects.create(path, { data, metadata: { annotations } });
};
