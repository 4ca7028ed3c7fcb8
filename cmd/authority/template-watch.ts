import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import type { AcceptedTemplates } from '../../lib/injection/injection-template.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

/** The profiles that live pods may have been injected from; the webhook's to write, ours to read. */
export type TemplateWatch = {
  /** Nothing before the watch has told anything. */
  readonly accepted: () => AcceptedTemplates | undefined;
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type WatchTemplates = (handlers: {
  readonly onState: (state: StoredConfigMap | undefined) => void;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;

const RETRY = { firstMs: 500, maxMs: 30_000 };

export const watchPublishedTemplates = (
  watch: WatchTemplates,
  { clock, random, log }: { clock: Clock; random: () => number; log: Log },
): TemplateWatch => {
  let acceptedTemplates: AcceptedTemplates | undefined;
  let lastSyncAt: number | undefined;
  const stop = watch({
    onState: (state) => {
      const { templates, faults } = readTemplates(state?.data ?? {});
      acceptedTemplates = templates;
      lastSyncAt = clock.monotonic();
      if (faults.length > 0) log.warn('profiles refused', { faults: faults.map(formatFieldError) });
    },
    onError: (error) => log.warn('watch of profiles failed', toErrorFields(error)),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });
  return {
    accepted: () => acceptedTemplates,
    ageSeconds: () =>
      lastSyncAt === undefined ? undefined : (clock.monotonic() - lastSyncAt) / 1000,
    stop,
  };
};
