import type {
  ApiServerFacts,
  KubernetesVersion,
} from '../../../lib/edge/kubernetes/cluster-facts.ts';
import type { ReadResult } from '../status-data.ts';
import { failIfAny, pass, report, skip, type CheckResult } from './check-row.ts';

/** Oldest version with everything that the chart installs, and newest version that is tested. */
const OLDEST: KubernetesVersion = { major: 1, minor: 30 };
const NEWEST: KubernetesVersion = { major: 1, minor: 35 };
/** The kubelet starts native sidecars without a feature gate since this version. */
const OLDEST_KUBELET: KubernetesVersion = { major: 1, minor: 29 };

const isOlder = (one: KubernetesVersion, other: KubernetesVersion): boolean =>
  one.major === other.major ? one.minor < other.minor : one.major < other.major;

const format = ({ major, minor }: KubernetesVersion): string => `${major}.${minor}`;

/** Checks that the API server has the versions of the APIs that the chart uses. */
export const checkApiServer = ({ version, text }: ApiServerFacts): CheckResult => {
  const got = text === '' ? 'none' : text;
  const hint = `use Kubernetes ${format(OLDEST)} to ${format(NEWEST)}`;
  const problem = `Kubernetes: expected version ${format(OLDEST)} to ${format(NEWEST)}, got ${got}`;
  if (version === undefined || isOlder(version, OLDEST)) {
    return report('fail', { problems: [problem], hint });
  }
  return isOlder(NEWEST, version)
    ? report('warning', { problems: [`${problem}, which is not tested`], hint })
    : pass(`Kubernetes ${text}`);
};

/** Checks that the API server admits native sidecars, and that the kubelet of each node starts them. */
export const checkNativeSidecars = (
  { version, text }: ApiServerFacts,
  kubelets: ReadResult<ReadonlyMap<string, KubernetesVersion | undefined>>,
): CheckResult => {
  const hint = 'upgrade the API server and the nodes';
  if (version === undefined || isOlder(version, OLDEST)) {
    const problem = `API server: expected version ${format(OLDEST)} or later, got ${text || 'none'}`;
    return report('fail', { problems: [problem], hint });
  }
  if ('unknown' in kubelets) {
    const problem = `nodes: unknown (${kubelets.unknown})`;
    return report('warning', { problems: [problem], hint: 'check the versions of the kubelets' });
  }
  const old = Array.from(kubelets.value).flatMap(([node, kubelet]) =>
    kubelet !== undefined && !isOlder(kubelet, OLDEST_KUBELET)
      ? []
      : [
          `node ${node}: expected a kubelet of version ${format(OLDEST_KUBELET)} or later, got ${kubelet === undefined ? 'none' : format(kubelet)}`,
        ],
  );
  return failIfAny(old, { found: `API server, nodes: ${kubelets.value.size}`, hint });
};

/** When the API server's clock was read, by the local clock; milliseconds since the epoch. */
export type ClockReading = {
  readonly sentAt: number;
  readonly receivedAt: number;
  /** The API server's clock, whole seconds; NaN: unknown. */
  readonly clock: number;
};

/** Tokens and requests are rejected by signers and clouds from about here. */
const MAX_SKEW_MS = 60_000;
const WARN_SKEW_MS = 5_000;

/** Compares the API server's clock with the local one. */
export const checkClockSkew = ({ sentAt, receivedAt, clock }: ClockReading): CheckResult => {
  if (Number.isNaN(clock)) return skip('the API server sends no Date header');
  // The header has whole seconds, and was written at any time between request and response.
  const ahead = Math.max(0, clock - receivedAt);
  const behind = Math.max(0, sentAt - (clock + 1000));
  const skew = Math.max(ahead, behind);
  const seconds = Math.round(skew / 1000);
  if (skew <= WARN_SKEW_MS) return pass('the clocks agree');
  const direction = ahead > 0 ? 'ahead of' : 'behind';
  const problem = `clock of the API server: expected the time of this machine, got ${seconds} s ${direction} it`;
  const hint = 'synchronize the clocks of the control plane and of this machine with NTP';
  return report(skew > MAX_SKEW_MS ? 'fail' : 'warning', { problems: [problem], hint });
};
