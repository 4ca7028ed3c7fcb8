import type { ClusterClient, ClusterOptions } from './cluster.ts';

/** Every external effect of the program. */
export type Io = {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Asks the user at the terminal; absent without a terminal. */
  readonly ask?: (question: string) => Promise<string>;
  /** Width of the terminal; absent without a terminal. */
  readonly columns?: number;
  /** Lists the manifests of a folder, at any depth; other paths are returned as they are. */
  readonly listFiles: (path: string) => Promise<readonly string[]>;
  /** Streams a file; `-` is standard input. */
  readonly streamFile: (path: string) => AsyncIterable<Uint8Array>;
  /** Writes a file, and creates its parent folders. */
  readonly writeFile: (path: string, text: string) => Promise<void>;
  /** @throws ToolError for an invalid kubeconfig or context; sends no request */
  readonly createClusterClient: (options: ClusterOptions) => ClusterClient;
  /** Fetches a public JSON document over HTTPS. @throws Error if there is none */
  readonly fetchDocument: (url: string) => Promise<unknown>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Returns a unique string of letters and digits. */
  readonly newId: () => string;
};
