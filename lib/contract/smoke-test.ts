import { HARDENING_FLAGS } from './runtime.ts';
import type { CloudSettings } from './platform.ts';
import { NODE_PATH, PROGRAM_FOLDER } from './paths.ts';

/** The probe in the image: it runs as the agent of one pod, and takes its plan as its only argument. */
export const SMOKE_PROBE_FILE = 'smoke-probe.cjs';
export const SMOKE_PROBE_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  `${PROGRAM_FOLDER}/${SMOKE_PROBE_FILE}`,
] as const;

/** Tasks of the probe. Each may read its own object, and not that of the other. */
export const SMOKE_TASKS = ['first', 'second'] as const;
export type SmokeTask = (typeof SMOKE_TASKS)[number];

export type SmokeObject = { readonly bucket: string; readonly key: string };

/** What the probe does, as JSON. It contains no secret. */
export type SmokeProbePlan = Pick<
  CloudSettings,
  'region' | 'dialect' | 'allowHttp' | 'caBundle' | 'httpsProxy' | 'noProxy'
> & {
  readonly objects: Readonly<Record<SmokeTask, SmokeObject>>;
  readonly s3Endpoint: string;
  /** Whether to print a request for the caller to send, with the session token of its run. */
  readonly replays: boolean;
};

/** A signed request without a body. Its signature is valid for this request only. */
export type SmokeReplay = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** One line of the probe's log, as JSON. None contains a secret key; `replay` contains a session token. */
export type SmokeProbeLine =
  /** The task got no credentials: ends the probe. */
  | { readonly step: 'refused'; readonly task: SmokeTask; readonly answer: string }
  /** What the credentials of `task` got for the object of `of`; `answer` is status and error code. */
  | {
      readonly step: 'read';
      readonly task: SmokeTask;
      readonly of: SmokeTask;
      readonly status: number;
      readonly answer: string;
    }
  /** An attempt to create an access key that outlives the run. */
  | {
      readonly step: 'key';
      readonly api: string;
      readonly outcome: 'denied' | 'absent' | 'created' | 'unclear';
      readonly answer: string;
      readonly remainingKey?: string;
    }
  /** For the caller to send from another address. */
  | ({ readonly step: 'replay' } & SmokeReplay)
  /** The first task's credentials still read its object. */
  | { readonly step: 'valid' }
  /** From when on they do not; seconds after the advertised expiration, negative: before it. */
  | { readonly step: 'denied'; readonly afterSeconds: number; readonly answer: string }
  /** They still do, so long after the advertised expiration: ends the probe. */
  | { readonly step: 'remains'; readonly afterSeconds: number }
  | { readonly step: 'failed'; readonly answer: string };
