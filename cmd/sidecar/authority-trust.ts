import type { AuthorityAccess, RunEnd } from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { openEndReports, type EndReports } from '../../lib/credentials/end-reports.ts';
import { follow } from '../../lib/credentials/following.ts';
import { openHearing, watchSilence, type Hearing } from '../../lib/credentials/hearing.ts';
import type { EndReason } from '../../lib/credentials/live-runs.ts';
import { authoritySilent } from '../../lib/credentials/refusal.ts';
import type { RunBook } from '../../lib/credentials/run-book.ts';
import type { Schedule } from '../../lib/credentials/schedule.ts';
import type { AuthorityLink } from '../../lib/edge/authority/authority-link.ts';
import type { SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { Trust } from './trust.ts';

export type AuthorityTrustParts = {
  readonly access: Pick<AuthorityAccess, 'maxSilenceSeconds'>;
  /** @param hears to be told of every decision and of every skew that was measured */
  readonly openLink: (hears: {
    heard: () => void;
    reportSkew: (skewMs: number) => void;
  }) => AuthorityLink;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

/** Trust in the authority: it decides, it is listened to, and it is told how runs end. */
export const authorityTrust = (parts: AuthorityTrustParts, metrics: SidecarMetrics): Trust => {
  const hearing = openHearing(parts.clock);
  const link = parts.openLink({
    heard: hearing.decision,
    reportSkew: (skewMs) => metrics.clockSkew(skewMs / 1000),
  });
  const reports = openReports(parts, { link, metrics });
  let isConnected = false;
  let stops: readonly (() => void)[] = [];
  return {
    exchange: link.exchange,
    authority: {
      knownAt: hearing.lastLineAt,
      reading: () => ({ isConnected, silenceSeconds: hearing.silentMs() / 1000 }),
      listen: (book) => {
        const onState = (is: boolean): void => void (isConnected = is);
        stops = [
          followRevocations(parts, { link, hearing, book, metrics, onState }),
          endSilence(parts, { hearing, book }),
        ];
      },
      runEnded: ({ run, expiresAtMonotonic: until }, reason) => {
        if (isReported(reason)) reports.report({ run, end: reason, until });
      },
      leave: async (withinMs) => {
        for (const stop of stops) stop();
        await reports.drain(withinMs);
      },
    },
  };
};

/** What expired the authority knows by itself, and what was revoked it told us. */
const isReported = (reason: EndReason): reason is RunEnd =>
  reason !== 'expired' && reason !== 'revoked';

const openReports = (
  { log, clock, schedule, random }: AuthorityTrustParts,
  { link, metrics }: { link: AuthorityLink; metrics: SidecarMetrics },
): EndReports =>
  openEndReports({
    send: link.reportEnd,
    told: ({ run, end }, outcome) => {
      metrics.endReported(outcome);
      if (outcome !== 'reported') log.warn('end of a run not reported', { run, end, outcome });
    },
    clock,
    schedule,
    random,
  });

type Followed = {
  readonly link: AuthorityLink;
  readonly hearing: Hearing;
  readonly book: RunBook;
  readonly metrics: SidecarMetrics;
  readonly onState: (isConnected: boolean) => void;
};

const followRevocations = (
  { readToken, log, clock, schedule, random }: AuthorityTrustParts,
  { link, hearing, book, metrics, onState }: Followed,
): (() => void) => {
  let known = new Set<string>();
  let lastCode = '';
  return follow({
    connect: link.connect,
    readToken,
    clock,
    schedule,
    random,
    heard: hearing.line,
    revoked: (active) => {
      book.revoke(active);
      const fresh = active.filter(({ name }) => !known.has(name));
      known = new Set(active.map(({ name }) => name));
      for (const { name } of fresh) {
        metrics.revocationReceived();
        log.info('revocation received', { name });
      }
    },
    connected: () => {
      onState(true);
      if (lastCode !== '') log.info('authority is heard again');
      lastCode = '';
    },
    lost: (code, message) => {
      onState(false);
      if (code === 'goodbye') link.moveOn();
      // Planned ends, and the same failure again and again, are no news.
      if (PLANNED.has(code) || code === lastCode) return;
      lastCode = code;
      log.warn('authority is not heard', { code, reason: message });
    },
  });
};

const PLANNED: ReadonlySet<string> = new Set(['goodbye', 'renewal', 'ended']);

/** Without a limit of the platform's, what is held lives to its deadline. */
const endSilence = (
  { access: { maxSilenceSeconds }, log, schedule }: AuthorityTrustParts,
  { hearing, book }: Pick<Followed, 'hearing' | 'book'>,
): (() => void) =>
  maxSilenceSeconds === undefined
    ? () => undefined
    : watchSilence(hearing, {
        maxSilenceMs: maxSilenceSeconds * 1000,
        schedule,
        tooLong: (silentMs) => {
          log.warn('authority silent for too long', { seconds: Math.round(silentMs / 1000) });
          book.revokeAll(authoritySilent(silentMs));
        },
      });
