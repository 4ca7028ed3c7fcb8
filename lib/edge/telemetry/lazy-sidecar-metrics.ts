import type { SidecarMetrics, SidecarMetricsDeps } from './sidecar-metrics.ts';

/** What Prometheus calls its text format; `render` writes no other. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The sidecar's metrics, loaded when told to: prom-client takes a fifth of the time until a sidecar
 * is ready. What happens before is told afterwards; nothing is lost.
 */
export const createLazySidecarMetrics = (
  readings: SidecarMetricsDeps,
): SidecarMetrics & { readonly load: () => Promise<void> } => {
  const queued: ((metrics: SidecarMetrics) => void)[] = [];
  let metrics: SidecarMetrics | undefined;
  let loading: Promise<SidecarMetrics> | undefined;

  const loadMetrics = async (): Promise<SidecarMetrics> => {
    const { createSidecarMetrics } = await import('./sidecar-metrics.ts');
    const opened = createSidecarMetrics(readings);
    metrics = opened;
    for (const tell of queued.splice(0)) tell(opened);
    return opened;
  };
  const loaded = (): Promise<SidecarMetrics> => (loading ??= loadMetrics());
  const callOrQueue = (what: (metrics: SidecarMetrics) => void): void => {
    if (metrics === undefined) queued.push(what);
    else what(metrics);
  };

  return {
    load: async () => {
      await loaded();
    },
    render: async () => (await loaded()).render(),
    contentType: CONTENT_TYPE,
    countRequest: (route, status) => {
      if (metrics === undefined) queued.push((late) => late.countRequest(route, status));
      else metrics.countRequest(route, status);
    },
    exchangeEnded: (task, outcome, seconds) =>
      callOrQueue((late) => late.exchangeEnded(task, outcome, seconds)),
    packedPolicy: (task, percent) => callOrQueue((late) => late.packedPolicy(task, percent)),
    clockSkew: (seconds) => callOrQueue((late) => late.clockSkew(seconds)),
    runStarted: (task) => callOrQueue((late) => late.runStarted(task)),
    runEnded: (task, reason) => callOrQueue((late) => late.runEnded(task, reason)),
    revocationReceived: () => callOrQueue((late) => late.revocationReceived()),
    endReported: (outcome) => callOrQueue((late) => late.endReported(outcome)),
  };
};
