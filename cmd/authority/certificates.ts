import type { Leaf } from '../../lib/certificate/authority.ts';
import { runRound, type RoundEdges, type RoundTerms } from '../../lib/certificate/round.ts';
import { ROTATION_RULES } from '../../lib/certificate/rotation.ts';
import type { Serving } from '../../lib/certificate/serving.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { ROTATE_ANNOTATION } from '../../lib/contract/names.ts';
import { backoffMs, jitterMs, startLoop, type Loop } from '../../lib/rounds/loop.ts';
import type { AuthorityConfig } from './config.ts';

export type CertificateReports = {
  /** Told after every round that went well, whether or not anything is new. */
  readonly onServing: (serving: Serving) => void;
  /** How many sets of roots that live pods hold lack the next one: it does not sign till then. */
  readonly onLacking: (count: number) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onStep: RoundEdges['onStep'];
};

type CertificateEdges = Omit<RoundEdges, 'now' | 'onStep'> & {
  readonly clock: Clock;
  readonly random: () => number;
  /** Between rounds, while all is well. */
  readonly everyMs: number;
};

/** Until the certificate is live, and after a first failure. */
const EAGER_MS = 500;
/** Webhooks learn of new roots by a watch, and inject the old ones until then. */
const SETTLE_MS = 60_000;

/** Keeps a certificate of our own authority: more rounds until its root is published. */
export const keepCertificate = (
  config: AuthorityConfig,
  { clock, random, everyMs, ...edges }: CertificateEdges,
  reports: CertificateReports,
): Loop => {
  const terms = termsOf(config);
  let held: Leaf | undefined;
  let failures = 0;
  return startLoop(async () => {
    try {
      const round = { ...edges, now: clock.now, onStep: reports.onStep };
      const { leaf, isLive, lacking } = await runRound(terms, round, held);
      held = leaf;
      failures = 0;
      const { certificate, key, notAfter } = leaf;
      reports.onServing({ certificate, key, notAfter, isLive });
      reports.onLacking(lacking);
      return jitterMs(isLive ? everyMs : EAGER_MS, random);
    } catch (error) {
      failures += 1;
      reports.onFailure(error);
      return backoffMs(failures, { firstMs: EAGER_MS, mostMs: everyMs, random });
    }
  });
};

const termsOf = ({
  platform,
  authorityLifetimeSeconds,
  leafLifetimeSeconds,
}: AuthorityConfig): RoundTerms => ({
  names: namesOf(platform.authority.endpoint),
  annotation: ROTATE_ANNOTATION,
  rules: {
    ...ROTATION_RULES,
    authorityLifetimeMs: authorityLifetimeSeconds * 1000,
    leafLifetimeMs: leafLifetimeSeconds * 1000,
    settleMs: SETTLE_MS,
  },
});

/** The host of the endpoint; of a Service its short name too. */
const namesOf = (endpoint: string): readonly string[] => {
  const { hostname } = new URL(endpoint);
  const [, service] = /^([a-z0-9-]+)\.[a-z0-9-]+\.svc$/.exec(hostname) ?? [];
  return service === undefined ? [hostname] : [service, hostname];
};
