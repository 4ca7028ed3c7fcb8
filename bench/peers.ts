import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Figures of programs that do a part of the same work, as text, and the row that holds our own. */
export type PeerTable = {
  readonly programs: readonly string[];
  readonly figures: readonly {
    readonly name: string;
    /** Name of the row in bench/results.json. */
    readonly row: string;
    /** One for each program. */
    readonly peers: readonly string[];
  }[];
};

/** One load of a signing proxy. */
export type PeerLoad = {
  readonly perSecond: number;
  /** µs of CPU for each call. */
  readonly cpuUs: number;
  readonly p99Ms: number;
  readonly peakMegabytes: number;
};

/** Measured once, outside the benchmark, because the programs are not available as packages. */
export type Peers = {
  readonly admission: PeerTable;
  readonly credentials: PeerTable;
  readonly gateway: {
    readonly program: string;
    readonly loads: Readonly<Record<string, PeerLoad>>;
  };
};

export const readPeers = (): Peers =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'peers.json'), 'utf8')) as Peers;
