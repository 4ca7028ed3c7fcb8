import type { Log } from '../../lib/contract/log.ts';
import type { StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import type { AcceptedTemplates } from '../../lib/injection/injection-template.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { computeBackoffMs } from '../../lib/async/reconcile-loop.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';

/** The profiles that live pods may have been injected from; the webhook's to write, ours to read. */
export type TemplateWatch = {
  /** Nothing before the watch has told anything. */
  readonly accepted: () => AcceptedTemplates | undefined;
  readonly stop: () => void;
};

export type WatchTemplates = (handlers: {
  readonly onState: (state: StoredConfigMap | undefined) => void;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;

const RETRY = { firstMs: 500, mostMs: 30_000 };

export const watchPublishedTemplates = (
  watch: WatchTemplates,
  {
    sync,
    random,
    log,
  }: { readonly sync: WatchSync; readonly random: () => number; readonly log: Log },
): TemplateWatch => {
  let acceptedTemplates: AcceptedTemplates | undefined;
  const stop = watch({
    onState: (state) => {
      const { templates, faults } = readTemplates(state?.data ?? {});
      acceptedTemplates = templates;
      sync.markSynced();
      if (faults.length > 0) log.warn('profiles refused', { faults: faults.map(formatFieldError) });
    },
    onError: (error) => log.warn('watch of profiles failed', toErrorFields(error)),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });
  return {
    accepted: () => acceptedTemplates,
    stop,
  };
};
