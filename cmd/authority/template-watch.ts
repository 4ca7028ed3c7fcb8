import type { Log } from '../../lib/contract/log.ts';
import type { StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import type { AcceptedTemplates } from '../../lib/injection/injection-template.ts';
import { readTemplates } from '../../lib/injection/accepted-templates.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';

/** The injection templates of running pods. The webhook writes them; the authority reads them. */
export type TemplateWatch = {
  /** Undefined until the first state was received. */
  readonly accepted: () => AcceptedTemplates | undefined;
  readonly stop: () => void;
};

export type WatchTemplates = (handlers: {
  readonly onState: (state: StoredConfigMap | undefined) => void;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;

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
      if (faults.length > 0)
        log.warn('invalid injection templates', { faults: faults.map(formatFieldError) });
    },
    onError: (error) => log.warn('injection template watch disconnected', toErrorFields(error)),
    backoffMs: createWatchBackoff(random),
  });
  return {
    accepted: () => acceptedTemplates,
    stop,
  };
};
