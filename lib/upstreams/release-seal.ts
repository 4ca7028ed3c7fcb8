import { createTextSeals } from '../schema/sealed-text.ts';

/** What the authority needs at the end of a run to end the run's secret at its source. */
export type Release = {
  /** Name of the Upstream. */
  readonly upstream: string;
  readonly task: string;
  /** Where the secret is revoked: it must not be sent to a server that was configured later. */
  readonly server: string;
  /** Of {@link FetchedSecret}. */
  readonly revocation: string;
};

export type ReleaseSeals = {
  /** Seals a release for the run: the sidecar keeps the text and cannot read it. */
  readonly seal: (run: string, release: Release) => string;
  /** @returns undefined for a text that was not sealed for this run */
  readonly open: (run: string, sealed: string) => Release | undefined;
};

const INFO = 'valetkey release of secrets, version 1';

/**
 * Creates the seals of releases, bound to the run and the Upstream. The authority keeps no state of runs; any
 * replica opens what another one sealed.
 *
 * @param secret at least 32 bytes that every replica shares
 */
export const createReleaseSeals = (
  secret: Uint8Array,
  random?: Parameters<typeof createTextSeals>[1],
): ReleaseSeals => {
  const seals = createTextSeals({ secret, info: INFO }, random);
  return {
    seal: (run, { upstream, ...sealed }) =>
      `${upstream}.${seals.seal(JSON.stringify(sealed), bind(run, upstream))}`,
    open: (run, sealed) => {
      const [, upstream = '', text = ''] = /^([a-z0-9-]{1,63})\.([\w-]+)$/.exec(sealed) ?? [];
      const opened = seals.open(text, bind(run, upstream));
      return opened === undefined
        ? undefined
        : ({ upstream, ...(JSON.parse(opened) as object) } as Release);
    },
  };
};

const bind = (run: string, upstream: string): string => JSON.stringify([run, upstream]);
