import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import { renderCloudTrail } from '../test/fakes/cloud/cloudtrail-log.ts';
import { getAuditFolder } from './demo-control-plane.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import type { RunKubectlPlugin } from './kubectl-plugin.ts';

export type RecordLines = {
  readonly verification: ResultLine;
  readonly timelineLine: ResultLine;
  /** The timeline of one run, as text. */
  readonly timeline: readonly string[];
};

/** Verifies the audit records, and builds the timeline of one run from them and the cloud's log. */
export const checkRecords = async (given: {
  readonly folder: string;
  readonly tool: RunKubectlPlugin;
  readonly events: readonly CloudEvent[];
  readonly run: string;
}): Promise<RecordLines> => {
  const { folder, tool, events, run } = given;
  const files = readdirSync(getAuditFolder(folder)).map((name) =>
    join(getAuditFolder(folder), name),
  );
  const trail = join(folder, 'cloudtrail.json');
  writeFileSync(trail, renderCloudTrail(events));
  const records = files.flatMap((file) => ['--records', file]);
  const [verify, timeline] = await Promise.all([
    measureTime(() => tool('audit-verify', 'audit', 'verify', ...files)),
    measureTime(() =>
      tool('audit-timeline', 'audit', 'timeline', run, ...records, '--cloud-log', trail),
    ),
  ]);
  return {
    verification: buildVerificationLine(verify),
    timelineLine: buildTimelineLine(timeline),
    timeline: timeline.result.lines,
  };
};

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
  const chains = lines.flatMap((line) => /^\S+\s+(\d+)\s+\d+\s+\d+\s+\d+$/.exec(line)?.[1] ?? []);
  const summary = lines.at(-1) ?? 'nothing';
  return buildLine({
    name: 'records verified',
    expected: 'No problems found.',
    got: code === 0 ? summary : `${summary}, exit code ${code}`,
    detail: `${chains.join(' + ')} records in one chain, sealed and published`,
    milliseconds,
  });
};

const KINDS = ['intent', 'policy', 'credentials', 'cloud call', 'end'];

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
