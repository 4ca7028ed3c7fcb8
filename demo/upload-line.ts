import { API_GROUP, API_VERSION, REVOCATIONS } from '../lib/contract/authority-api.ts';
import type { EmbeddedApiServer } from '../test/fakes/api-server/embedded-api-server.ts';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent-calls.ts';
import type { RunKubectlPlugin } from './kubectl-plugin.ts';
import { describeGatewayOutcome, findGatewayCode } from './outcomes.ts';
import { buildLine, type ResultLine } from './result-line.ts';

/** What the agent uploads, and the task whose run signs it. */
export const UPLOAD = {
  step: 'upload acme-data/summaries/q3.csv',
  path: '/acme-data/summaries/q3.csv',
  task: 'default/agent/publish',
} as const;

/** The result of the command, and when the cluster stored the Revocation. */
export type UploadRevocation = {
  readonly code: number | string;
  /** Milliseconds since the epoch; Infinity: never. */
  readonly revokedAt: number;
};

/** Revokes the upload's task with `kubectl valetkey`. */
export const revokeUpload = async (
  cluster: EmbeddedApiServer,
  plugin: RunKubectlPlugin,
): Promise<UploadRevocation> => {
  let revokedAt = Infinity;
  const collection = `/apis/${API_GROUP}/${API_VERSION}/${REVOCATIONS}`;
  const stop = cluster.objects.subscribe(collection, cluster.objects.version(), () => {
    revokedAt = Date.now();
  });
  const words = ['revoke', '--task', UPLOAD.task, '--reason', 'odd writes'];
  const { code } = await plugin('revoke', ...words);
  stop();
  return { code, revokedAt };
};

/** Shows how the upload ended, and how long after its Revocation. */
export const buildUploadLine = (
  report: StepReport,
  { code, revokedAt }: UploadRevocation,
  events: readonly CloudEvent[],
): ResultLine => {
  const { refusedAt = 0 } = report;
  const delayMs = refusedAt - revokedAt;
  const isStored = events.some(({ path, status }) => path === UPLOAD.path && status === 200);
  const faults = [
    ...(code === 0 ? [] : [`revoke ended with ${code}`]),
    ...(delayMs >= 0 ? [] : ['ended before the Revocation']),
    ...(isStored ? ['the cloud stored the object'] : []),
  ];
  return buildLine({
    name: 'upload cut by a revocation',
    expected: '403 AccessDenied by the gateway',
    got: [describeGatewayOutcome(report, events), ...faults].join(', '),
    detail: `${findGatewayCode(report)}, ${delayMs} ms after the Revocation`,
    milliseconds: Math.max(0, delayMs),
  });
};
