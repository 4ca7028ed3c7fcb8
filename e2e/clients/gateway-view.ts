import type { GatewayCall, GatewayView } from './scenario-runner.ts';

type GatewayViewDeps = Pick<GatewayView, 'countRuns' | 'restart'> & {
  /** `host:port` of the sidecar's metrics. */
  telemetry: string;
};

/** Reads the calls of a gateway from its metrics, which a restart of the sidecar sets to 0. */
export const createGatewayView = ({
  telemetry,
  countRuns,
  restart,
}: GatewayViewDeps): GatewayView => {
  let seen = new Map<string, number>();
  return {
    countRuns,
    takeCalls: async () => {
      const response = await fetch(`http://${telemetry}/metrics`);
      const counts = readCallCounts(await response.text());
      const added = [...counts].filter(([labels, count]) => count > (seen.get(labels) ?? 0));
      seen = counts;
      return added.map(([labels]) => parseCall(labels)).filter(isSigned);
    },
    restart: async () => {
      await restart();
      seen = new Map();
    },
  };
};

/** Labels → count, of `valetkey_sidecar_calls_total`. */
const readCallCounts = (metrics: string): Map<string, number> =>
  new Map(
    [...metrics.matchAll(/^valetkey_sidecar_calls_total\{(.*)\} (\d+)$/gm)].map(
      ([, labels = '', count]) => [labels, Number(count)],
    ),
  );

/** SDKs that got no keys send calls of S3 without a signature. */
const isSigned = ({ code }: GatewayCall): boolean => code !== 'signature_missing';

const parseCall = (labels: string): GatewayCall => ({
  outcome: /outcome="(\w+)"/.exec(labels)?.[1] ?? '',
  code: /code="(\w+)"/.exec(labels)?.[1] ?? '',
});
