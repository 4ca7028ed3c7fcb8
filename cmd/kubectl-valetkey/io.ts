import type { Schedule } from '../../lib/contract/schedule.ts';
import type { SignedGet } from '../../lib/edge/http/signed-request.ts';
import type { ClusterClient, ClusterOptions } from './cluster.ts';

/** Every external effect of the program. */
export type Io = {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Asks the user at the terminal; absent without a terminal. */
  readonly ask?: (question: string) => Promise<string>;
  /** Width of the terminal; absent without a terminal. */
  readonly columns?: number;
  /** Whether standard output shows colors: a terminal, unless NO_COLOR is set. */
  readonly hasColor?: boolean;
  /** Whether people see standard error: a terminal. */
  readonly showsProgress?: boolean;
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
  /** Sends a signed GET request to a cloud. @throws Error if there is no response */
  readonly sendSignedRequest: (
    request: SignedGet,
  ) => Promise<{ readonly status: number; readonly body: string }>;
  /** Opens a local file in the user's browser. @throws ToolError if no program does */
  readonly showInBrowser: (path: string) => Promise<void>;
  /** Calls back when the user ends the program. @returns stops waiting for it */
  readonly onInterrupt: (callback: () => void) => () => void;
  readonly schedule: Schedule;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Returns a unique string of letters and digits. */
  readonly newId: () => string;
};
