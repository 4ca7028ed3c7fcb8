import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import type { Revocability } from '../../lib/upstreams/revocability.ts';
import { parseUpstream } from '../../lib/upstreams/upstream-parser.ts';
import { explainUpstream } from './explained-upstream.ts';

/** What `status` shows of an Upstream. It says nothing about a secret. */
export type UpstreamState = {
  readonly name: string;
  /** Origin and base path, or the database server; empty if the Upstream is not valid. */
  readonly target: string;
  /** Kind of the source of its secret; `none`. */
  readonly source: string;
  /** What the end of a run revokes; empty if the Upstream is not valid. */
  readonly revocable: Revocability | '';
  /** Tools and models that it pins. */
  readonly pinned: readonly string[];
  readonly isReady: boolean;
  readonly reason: string;
  readonly message: string;
  /** Status of these conditions; empty if it does not have them. */
  readonly secretFound: string;
  readonly reachable: string;
};

type Condition = Readonly<
  Record<'type' | 'status' | 'reason' | 'message', string | undefined> & {
    observedGeneration?: number;
  }
>;

const NOT_EVALUATED = {
  status: '',
  reason: 'NotEvaluated',
  message: 'no authority has evaluated this version',
};

/** Lists Upstreams as the authority evaluated them, and those whose secret no run can get. */
export const checkUpstreams = (
  stored: readonly CustomResource[],
): { readonly value: readonly UpstreamState[]; readonly problems: readonly string[] } => {
  const value = stored.map(toUpstreamState).sort((one, other) => (one.name < other.name ? -1 : 1));
  const problems = value
    .filter(({ isReady }) => !isReady)
    .map(({ name, message }) => `Upstream ${name}: ${message.split('\n')[0] ?? ''}`);
  return { value, problems };
};

const toUpstreamState = (stored: CustomResource): UpstreamState => {
  const { metadata, status } = stored;
  const { conditions = [] } = (status ?? {}) as { readonly conditions?: readonly Condition[] };
  const find = (wanted: string) =>
    conditions.find(
      ({ type, observedGeneration }) =>
        type === wanted && observedGeneration === metadata.generation,
    );
  const { status: ready, reason = '', message = '' } = find('Ready') ?? NOT_EVALUATED;
  return {
    name: metadata.name,
    ...describeUpstream(stored),
    isReady: ready === 'True',
    reason,
    message,
    secretFound: find('SecretFound')?.status ?? '',
    reachable: find('Reachable')?.status ?? '',
  };
};

const describeUpstream = (
  stored: CustomResource,
): Pick<UpstreamState, 'target' | 'source' | 'revocable' | 'pinned'> => {
  const parsed = parseUpstream(stored);
  if (!parsed.ok) return { target: '', source: '', revocable: '', pinned: [] };
  const { value } = parsed;
  const { revocable, pinned } = explainUpstream(value);
  return value.kind === 'http'
    ? {
        target: value.rules.url,
        source: value.access?.secret.kind ?? 'none',
        revocable,
        pinned,
      }
    : { target: `${value.host}:${value.port}`, source: 'kubernetes', revocable, pinned };
};
