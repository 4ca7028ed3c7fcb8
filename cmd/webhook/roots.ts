import { certificateBundle } from '../../lib/config/certificates.ts';
import { ROOTS_CONFIG_MAP, ROOTS_KEY } from '../../lib/contract/authority.ts';
import { describeFault, type Fault } from '../../lib/reading/fault.ts';
import { read } from '../../lib/reading/reader.ts';
import { backoffMs } from '../../lib/rounds/loop.ts';
import { errorFields } from './error-fields.ts';
import type { ProfilesEdges } from './profiles.ts';

export type RootsEdges = Pick<ProfilesEdges, 'watch' | 'log' | 'random'> & {
  /** Told of PEM that can be read, whenever it is told of; it may be the same again. */
  readonly onRoots: (roots: string) => void;
};

const RETRY = { firstMs: 500, mostMs: 30_000 };

/**
 * Watches the roots that sidecars are to trust. Roots that are gone or cannot be read change
 * nothing: those told last are trusted still.
 *
 * @returns stops it
 */
export const watchRoots = ({ watch, log, random, onRoots }: RootsEdges): (() => void) =>
  watch({
    onState: (state) => {
      const roots = read(certificateBundle, state?.data[ROOTS_KEY], ROOTS_KEY);
      if (roots.ok) onRoots(roots.value);
      else log.warn('roots refused', { faults: roots.faults.map(inConfigMap) });
    },
    onError: (error) => log.warn('watch of roots failed', errorFields(error)),
    backoffMs: (attempt) => backoffMs(attempt, { ...RETRY, random }),
  });

const inConfigMap = (fault: Fault): string => describeFault({ ...fault, source: ROOTS_CONFIG_MAP });
