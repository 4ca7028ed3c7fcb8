import type { SidecarMetrics, SidecarReadings } from './sidecar-metrics.ts';

/** What Prometheus calls its text format; `render` writes no other. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The sidecar's metrics, loaded when told to: prom-client takes a fifth of the time until a sidecar
 * is ready. What happens before is told afterwards; nothing is lost.
 */
export const openLateSidecarMetrics = (
  readings: SidecarReadings,
): SidecarMetrics & { readonly load: () => Promise<void> } => {
  const early: ((metrics: SidecarMetrics) => void)[] = [];
  let metrics: SidecarMetrics | undefined;
  let loading: Promise<SidecarMetrics> | undefined;

  const open = async (): Promise<SidecarMetrics> => {
    const { openSidecarMetrics } = await import('./sidecar-metrics.ts');
    const opened = openSidecarMetrics(readings);
    metrics = opened;
    for (const tell of early.splice(0)) tell(opened);
    return opened;
  };
  const loaded = (): Promise<SidecarMetrics> => (loading ??= open());
  const tell = (what: (metrics: SidecarMetrics) => void): void => {
    if (metrics === undefined) early.push(what);
    else what(metrics);
  };

  return {
    load: async () => {
      await loaded();
    },
    render: async () => (await loaded()).render(),
    contentType: CONTENT_TYPE,
    countRequest: (route, status) => {
      if (metrics === undefined) early.push((late) => late.countRequest(route, status));
      else metrics.countRequest(route, status);
    },
    exchangeEnded: (task, outcome, seconds) =>
      tell((late) => late.exchangeEnded(task, outcome, seconds)),
    packedPolicy: (task, percent) => tell((late) => late.packedPolicy(task, percent)),
    clockSkew: (seconds) => tell((late) => late.clockSkew(seconds)),
    runStarted: (task) => tell((late) => late.runStarted(task)),
    runEnded: (task, reason) => tell((late) => late.runEnded(task, reason)),
    revocationReceived: () => tell((late) => late.revocationReceived()),
    endReported: (outcome) => tell((late) => late.endReported(outcome)),
  };
};
