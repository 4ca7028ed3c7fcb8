import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INSTALLED } from '../lib/contract/names.ts';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import { renderCloudTrail } from '../test/fakes/cloud/cloudtrail-log.ts';
import { waitFor } from '../test/kit/retry.ts';
import { getAuditFolder } from './demo-control-plane.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import type { RunKubectlPlugin } from './kubectl-plugin.ts';

export type RecordLines = {
  readonly verification: ResultLine;
  readonly timelineLine: ResultLine;
  /** The timeline of one run, as text. */
  readonly timeline: readonly string[];
  /** The words after `kubectl valetkey` that show it. */
  readonly command: readonly string[];
};

/**
 * Verifies the audit records and the journal of calls, and builds the timeline of one run from them and the
 * cloud's log.
 */
export const checkRecords = async (given: {
  readonly folder: string;
  readonly tool: RunKubectlPlugin;
  readonly events: readonly CloudEvent[];
  readonly run: string;
  /** The sidecars' logs with their journals. */
  readonly calls: readonly string[];
}): Promise<RecordLines> => {
  const { folder, tool, events, run, calls } = given;
  const files = listAuditFiles(folder);
  await waitForHeads(folder, calls);
  const trail = join(folder, 'cloudtrail.json');
  writeFileSync(trail, renderCloudTrail(events));
  const records = files.flatMap((file) => ['--records', file]);
  const journals = calls.flatMap((file) => ['--calls', file]);
  const shown = ['audit', 'timeline', run, ...records, ...journals, '--cloud-log', trail];
  const [verify, timeline] = await Promise.all([
    measureTime(() => tool('audit-verify', 'audit', 'verify', ...files, ...journals)),
    measureTime(() => tool('audit-timeline', ...shown)),
  ]);
  return {
    verification: buildVerificationLine(verify),
    timelineLine: buildTimelineLine(timeline),
    timeline: timeline.result.lines,
    command: shown,
  };
};

const listAuditFiles = (folder: string): readonly string[] =>
  readdirSync(getAuditFolder(folder)).map((name) => join(getAuditFolder(folder), name));

/** The authority records the head of a run's journal a second after the end of the run, or after a refusal. */
const waitForHeads = (folder: string, calls: readonly string[]): Promise<unknown> => {
  const lines = calls.flatMap(readLines);
  const runs = new Set(lines.flatMap((line) => CALL_RUN.exec(line)?.[1] ?? []));
  return waitFor(
    'records of the calls of each run',
    () => {
      const heads = listAuditFiles(folder)
        .flatMap(readLines)
        .filter((line) => line.includes('"kind":"run.calls"'));
      return [...runs].every((run) => heads.some((line) => line.includes(run)));
    },
    { timeoutMs: 20_000, intervalMs: 50 },
  );
};

const CALL_RUN = /"kind":"call".*"run":"(\w+)"/;
const readLines = (file: string): readonly string[] => readFileSync(file, 'utf8').split('\n');

type TimedResult = {
  readonly result: Awaited<ReturnType<RunKubectlPlugin>>;
  readonly milliseconds: number;
};

const measureTime = async (run: () => ReturnType<RunKubectlPlugin>): Promise<TimedResult> => {
  const startedAt = performance.now();
  const result = await run();
  return { result, milliseconds: performance.now() - startedAt };
};

const buildVerificationLine = ({ result, milliseconds }: TimedResult): ResultLine => {
  const { code, lines } = result;
  const rows = lines.flatMap((line) => {
    const [, name = '', count] = /^(\S+)\s+(\d+)\s+\d+\s+\d+\s+\d+$/.exec(line) ?? [];
    return count === undefined ? [] : [{ isChain: name.startsWith(CHAIN), count: Number(count) }];
  });
  const records = rows.filter(({ isChain }) => isChain).map(({ count }) => count);
  const calls = rows.filter(({ isChain }) => !isChain).map(({ count }) => count);
  const callCount = calls.reduce((sum, count) => sum + count, 0);
  const summary = lines.at(-1) ?? 'nothing';
  return buildLine({
    name: 'records verified',
    expected: 'No problems found.',
    got: code === 0 ? summary : `${summary}, exit code ${code}`,
    detail: `${records.join(' + ')} records in one chain, sealed and published; ${callCount} calls of ${calls.length} runs`,
    milliseconds,
  });
};

/** Names of chains of records begin with it; journals are named by their run. */
const CHAIN = INSTALLED.authority;

const KINDS = [
  'intent',
  'policy',
  'approval',
  'credentials',
  'call',
  'cloud call',
  'end',
  'summary',
];

const buildTimelineLine = ({ result, milliseconds }: TimedResult): ResultLine => {
  const kinds = result.lines.flatMap(
    (line) => KINDS.find((kind) => line.includes(`  ${kind} `)) ?? [],
  );
  return buildLine({
    name: 'the timeline of one run',
    expected: KINDS.join(' → '),
    got: kinds.join(' → '),
    milliseconds,
  });
};
