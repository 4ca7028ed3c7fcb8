import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { waitFor } from '../../../test/kit/retry.ts';
import { readRuleGroups } from '../../../tools/chart/alert-rules.ts';
import { shortenRules } from '../../../tools/chart/shortened-rules.ts';
import { stopCloud } from '../../clouds/cloud-startup.ts';
import { hideAuthorityIssuer, trustAuthority, trustCluster } from '../../clouds/cloud-trust.ts';
import { serviceAddress } from '../../cluster/control-plane.ts';
import { applyObjects, runKubectl } from '../../cluster/kubectl.ts';
import { buildChartValues, installRelease, listWebhookPods } from '../../release.ts';
import { recordMeasurement } from '../../measurements.ts';
import { startPrometheus, stopPrometheus } from '../../prometheus-server.ts';
import type { PrometheusClient } from '../../prometheus-server.ts';
import { listReplicaPods, scaleReplicas } from '../authority/authority-replicas.ts';
import { readRunKeys } from '../authority/sidecar-runs.ts';
import {
  buildTaskPolicy,
  deletePolicies,
  readPolicies,
  restorePolicies,
} from '../authority/task-policies.ts';
import { rejectConnections } from '../node-access.ts';
import {
  buildAgentPod,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  expectApiRefusal,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import { limitAuditVolume } from './audit-volume.ts';
import { replaceWithoutRepair } from '../irreparable-bundles.ts';
import { CAUSED_FAULTS, type CausedFault } from './caused-faults.ts';

const { node, entry, release } = testContext;
if (node === undefined)
  throw new Error('expected a cluster on this machine: Prometheus runs on it');

const home = ['-n', release.namespace];
const SERVER = { name: 'faults', port: 9091, scrapeIntervalSeconds: 2 } as const;
/** A rule that waits for 15 minutes waits for half a minute here. */
const DIVISOR = 30;
/** Longer than the longest window of the rules, and than a rollout. */
const PATIENT = { timeoutMs: 300_000, intervalMs: 500 };
const unsound = `e2e-alert-${entry}`;
const upstream = `e2e-alert-${entry}`;
const agents = ['first', 'second', 'third'];
const curious = 'curious';
const nothing = (): Promise<unknown> => Promise.resolve();

/** Causes a fault, goes on with it until its alerts fire, and ends it. */
type Fault = {
  readonly cause: () => Promise<unknown>;
  /** Requests that have to fail meanwhile, again and again. */
  readonly repeat?: () => Promise<unknown>;
  readonly end: () => Promise<unknown>;
  /** Undoes what the fault needed, after its alerts have ended. */
  readonly restore?: () => Promise<unknown>;
};

describe(`alerts of faults (${cloud.name})`, () => {
  let prometheus: PrometheusClient;
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('alerts');
    const tasks = {
      read: { ...readReports, default: true },
      brief: { ...readReports, lifetime: '100s' },
      // The authority revokes a pod that starts it.
      trap: { ...readReports, canary: true },
    };
    for (const name of [...agents, curious]) await runPod({ name, namespace, tasks });
    for (const pod of agents) await readRunKeys({ namespace, pod });
    const groups = shortenRules(readRuleGroups(), DIVISOR);
    prometheus = await startPrometheus(node, { ...SERVER, groups });
    await waitFor('a scrape of every job', async () => {
      const jobs = await prometheus.listHealthyJobs();
      return jobs.length === 3;
    });
  });

  afterAll(() => stopPrometheus(node, SERVER.name));

  const listFiring = async (): Promise<readonly string[]> => {
    const alerts = await prometheus.readAlerts();
    return alerts.flatMap(({ state, labels }) =>
      state === 'firing' ? (labels['alertname'] ?? '') : [],
    );
  };

  const waitForEnd = (alerts: readonly string[]) =>
    waitFor(
      `the end of ${alerts.join(', ')}`,
      async () => {
        const firing = await listFiring();
        const left = firing.filter((name) => alerts.includes(name));
        if (left.length > 0) throw new Error(`firing: ${left.join(', ')}`);
        return true;
      },
      PATIENT,
    );

  /** Not all of them have to fire at one moment. */
  const waitForAlerts = (alerts: readonly string[], repeat: () => Promise<unknown>) => {
    const seen = new Set<string>();
    return waitFor(
      `${alerts.join(', ')} to fire`,
      async () => {
        await repeat();
        for (const name of await listFiring()) seen.add(name);
        const missing = alerts.filter((name) => !seen.has(name));
        if (missing.length > 0) throw new Error(`not firing: ${missing.join(', ')}`);
        return true;
      },
      PATIENT,
    );
  };

  const scaleWebhook = async (replicas: number): Promise<void> => {
    const args = ['deployment/valetkey-webhook', ...home];
    await runKubectl(cluster, ['scale', ...args, `--replicas=${replicas}`]);
    const rollout = ['rollout', 'status', ...args, '--timeout=300s'];
    await runKubectl(cluster, rollout, { timeoutMs: 310_000 });
  };

  const setLeafLifetime = async (change: string): Promise<void> => {
    for (const workload of ['deployment/valetkey-webhook', 'statefulset/valetkey-authority']) {
      await runKubectl(cluster, ['set', 'env', workload, ...home, change]);
      const rollout = ['rollout', 'status', workload, ...home, '--timeout=300s'];
      await runKubectl(cluster, rollout, { timeoutMs: 310_000 });
    }
  };

  const startRuns = (task = 'read') =>
    Promise.all(
      agents.map((pod) =>
        callSidecarFromPod({ namespace, pod }, 'POST', `/v1/tasks/${task}/runs`, {}),
      ),
    );

  const noWebhook = (): Fault => ({
    cause: async () => {
      await scaleWebhook(0);
      await waitFor('termination of every webhook replica', async () => {
        const pods = await listWebhookPods(cluster, release.namespace);
        return pods.length === 0;
      });
      // No webhook rejects it.
      const cedar = 'permit (principal, action, resource) unless { context.resource like "a" };';
      await applyObjects(cluster, buildTaskPolicy(unsound, cedar));
    },
    repeat: () =>
      expectApiRefusal(buildAgentPod({ name: 'refused', namespace, tasks: { read: readReports } })),
    end: async () => {
      await deletePolicies([unsound]);
      await scaleWebhook(2);
    },
  });

  const noPolicy = async (): Promise<Fault> => {
    const policies = await readPolicies();
    return {
      cause: () => deletePolicies(policies.map(({ metadata }) => metadata.name)),
      end: () => restorePolicies(policies),
    };
  };

  const rejectedPods = (): Fault => {
    const volumes = [{ name: 'valetkey-token', emptyDir: {} }];
    const tasks = { read: { ...readReports, lifetime: '100h' } };
    const pod = buildAgentPod({ name: 'rejected', namespace, tasks, spec: { volumes } });
    return { cause: nothing, repeat: () => expectApiRefusal(pod), end: nothing };
  };

  /** A CA that signed no certificate of the webhook or the authority. */
  const foreignCa = readFileSync(node.caCertificate, 'utf8');

  const noAnswerOfTheApiServer = (): Fault => {
    const ends: (() => Promise<unknown>)[] = [];
    const apiServer = { address: serviceAddress, port: 443 };
    return {
      cause: async () => {
        const pods = [
          ...(await listWebhookPods(cluster, release.namespace)),
          ...(await listReplicaPods()),
        ];
        for (const { status } of pods)
          for (const container of status.containerStatuses ?? [])
            ends.push(await rejectConnections(node, container, apiServer));
      },
      repeat: () =>
        expectApiRefusal(
          buildAgentPod({ name: 'refused', namespace, tasks: { read: readReports } }),
        ),
      end: () => Promise.all(ends.map((end) => end())),
    };
  };

  const exception = `e2e-alert-exception-${entry}`;

  const fewConnections = (): Fault => ({
    cause: async () => {
      const values = buildChartValues(testContext);
      const tuning = { connections: 1, connectionsPerPeer: 1 };
      await installRelease(testContext, release, {
        ...values,
        authority: { ...values.authority, tuning },
        policy: { vend: 'exception' },
      });
      const until = new Date(Date.now() + 6 * 86_400_000).toISOString().slice(0, 10);
      const cedar = `@until("${until}") @reason("a client that cannot sign")
permit (principal in Namespace::"${namespace}", action == Action::"run", resource)
when { context.delivery == "vend" };`;
      await applyObjects(cluster, buildTaskPolicy(exception, cedar));
    },
    end: async () => {
      await deletePolicies([exception]);
      await installRelease(testContext, release, buildChartValues(testContext));
    },
  });

  const faults: Readonly<Record<CausedFault, () => Fault | Promise<Fault>>> = {
    'no replica of the webhook runs, and an invalid TaskPolicy was created meanwhile': noWebhook,
    'certificates expire within a day': () => ({
      cause: () => setLeafLifetime('VALETKEY_LEAF_LIFETIME=1d'),
      end: () => setLeafLifetime('VALETKEY_LEAF_LIFETIME-'),
    }),
    'no replica of the authority runs': () => ({
      cause: () => scaleReplicas(0),
      end: () => scaleReplicas(2),
    }),
    'no TaskPolicy exists': noPolicy,
    'an Upstream names a Secret that does not exist': () => ({
      cause: () =>
        applyObjects(cluster, {
          apiVersion: 'valetkey.dev/v1alpha1',
          kind: 'Upstream',
          metadata: { name: upstream },
          spec: {
            url: 'https://model.example',
            present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
            secret: { kubernetes: { name: upstream, key: 'token' } },
          },
        }),
      end: () => runKubectl(cluster, ['delete', 'upstream', upstream, '--ignore-not-found']),
    }),
    'the audit volume is full': async () => {
      const volume = await limitAuditVolume(node);
      return {
        cause: volume.fill,
        repeat: () => startRuns(),
        end: volume.empty,
        restore: volume.restore,
      };
    },
    'pods are rejected again and again': rejectedPods,
    'the caBundle of the webhook is replaced': () => replaceWithoutRepair('webhook', foreignCa),
    'the published trust bundle of the authority is replaced': () =>
      replaceWithoutRepair('authority', foreignCa),
    'STS does not answer': () => ({
      cause: async () => {
        await startRuns('brief');
        await stopCloud(node, cloud);
      },
      repeat: () => Promise.all([startRuns(), startRuns('brief')]),
      end: () => trustAuthority(node, cloud),
    }),
    'the cloud trusts another issuer': () => ({
      cause: () => trustCluster(node, cloud),
      repeat: () => startRuns(),
      end: () => trustAuthority(node, cloud),
    }),
    'the documents of the issuer cannot be read': () => ({
      cause: () => Promise.resolve(hideAuthorityIssuer(node)),
      end: () => trustAuthority(node, cloud),
    }),
    'the API server does not answer the webhook and the authority': noAnswerOfTheApiServer,
    'replicas of the authority take one connection, and an exception ends in six days':
      fewConnections,
    'an agent starts a canary': () => ({
      cause: () =>
        callSidecarFromPod({ namespace, pod: curious }, 'POST', '/v1/tasks/trap/runs', {}),
      end: nothing,
    }),
  };

  type TestedFault = { readonly title: CausedFault; readonly alerts: readonly string[] };

  const expectAlerts = async ({ title, alerts }: TestedFault): Promise<void> => {
    // The disk of this machine may be nearly full, too: the fault begins with a volume of its own.
    const { cause, repeat = nothing, restore = nothing, ...fault } = await faults[title]();
    let hasEnded = false;
    const end = async (): Promise<void> => {
      if (!hasEnded) await fault.end();
      hasEnded = true;
    };
    try {
      await waitForEnd(alerts);
      await cause();
      const causedAt = performance.now();
      await waitForAlerts(alerts, repeat);
      const seconds = ((performance.now() - causedAt) / 1000).toFixed(0);
      const name = `until ${alerts.join(', ')} fired, with durations divided by ${DIVISOR}`;
      recordMeasurement(testContext.folder, { entry, name, value: `${seconds} s` });
      await end();
      await waitForEnd(alerts);
      expect(await listFiring()).not.toEqual(expect.arrayContaining([...alerts]));
    } finally {
      await end();
      await restore();
    }
  };

  const sentence = 'fire while $title, and end afterwards';
  it.each<TestedFault>([...CAUSED_FAULTS])(sentence, expectAlerts, 900_000);
});
