import type { ClusterClient, ClusterOptions } from './cluster.ts';

/** All that the program touches. */
export type Io = {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Asks the person at the terminal; absent: there is none. */
  readonly ask?: (question: string) => Promise<string>;
  /** `-` is standard input. */
  readonly streamFile: (path: string) => AsyncIterable<Uint8Array>;
  /** Writes a file, with the folders above it. */
  readonly writeFile: (path: string, text: string) => Promise<void>;
  /** @throws ToolError for a kubeconfig or context that is none; nothing was asked yet */
  readonly createClusterClient: (options: ClusterOptions) => ClusterClient;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Some letters and digits that no other call answers. */
  readonly newId: () => string;
};
