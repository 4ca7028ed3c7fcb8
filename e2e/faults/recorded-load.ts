import { waitFor } from '../../test/kit/retry.ts';
import {
  listUnrecorded,
  readJournal,
  readJournalFigures,
  readRecordedCalls,
} from './call-journal.ts';
import {
  callSidecar,
  summarizeLoad,
  type LoadAnswer,
  type RunningLoad,
} from './credential-load.ts';
import type { CallFigures } from './fault-results.ts';
import type { PlatformUnderFault } from './platform-under-fault.ts';

const RECORDS_TIMEOUT_MS = 180_000;

/**
 * Stops a load of calls, ends the runs, and waits until the authority has recorded every line that is not of
 * `lostRuns`, as an outage may delay records by minutes.
 *
 * @param lostRuns whose sidecar was killed: no one reports their calls
 * @throws Error if lines remain without a record
 */
export const finishSignedLoad = async (
  load: Pick<RunningLoad, 'stop'>,
  platform: PlatformUnderFault,
  lostRuns: ReadonlySet<string> = new Set(),
): Promise<{ readonly answers: readonly LoadAnswer[]; readonly calls: CallFigures }> => {
  const { journal, auditFolder, cloud } = platform;
  const answers = await load.stop();
  await completeRuns(platform);
  await waitFor(
    'records of all calls',
    () => {
      const unrecorded = listUnrecorded(readJournal(journal), readRecordedCalls(auditFolder));
      const [first] = unrecorded.filter(({ run = '' }) => !lostRuns.has(run));
      if (first !== undefined) throw new Error(`run ${first.run}: no record of line ${first.seq}`);
      return true;
    },
    { timeoutMs: RECORDS_TIMEOUT_MS, intervalMs: 1_000 },
  );
  const figures = await readJournalFigures(cloud.listReceived(), platform);
  return { answers, calls: { ...summarizeLoad(answers), ...figures } };
};

/** Every run that the journal names; one that has ended already is unknown to the sidecar. */
const completeRuns = async (platform: PlatformUnderFault): Promise<void> => {
  for (const run of listRuns(platform.journal)) await completeRun(platform, run);
};

/** Ends a run, so that its sidecar reports its calls. */
export const completeRun = async (
  { signingSocket }: Pick<PlatformUnderFault, 'signingSocket'>,
  run: string,
): Promise<void> => {
  await callSidecar({ socketPath: signingSocket, method: 'DELETE', path: `/v1/runs/${run}` });
};

/** The runs that the journal names. */
export const listRuns = (journal: string): ReadonlySet<string> =>
  new Set(readJournal(journal).flatMap(({ run = [] }) => run));
