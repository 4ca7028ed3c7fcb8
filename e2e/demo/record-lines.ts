import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CloudEvent } from '../embedded-cloud/cloud.ts';
import { renderTrail } from '../embedded-cloud/trail.ts';
import { auditFolder } from './control-plane.ts';
import { lineOf, type Line } from './line.ts';
import type { Tool } from './tool.ts';

export type Records = {
  readonly verified: Line;
  readonly told: Line;
  /** The story of one run, for people. */
  readonly story: readonly string[];
};

/** What the authority's records are worth, and what they and the cloud's log tell of one run. */
export const readRecords = async (given: {
  readonly folder: string;
  readonly tool: Tool;
  readonly events: readonly CloudEvent[];
  readonly run: string;
}): Promise<Records> => {
  const { folder, tool, events, run } = given;
  const files = readdirSync(auditFolder(folder)).map((name) => join(auditFolder(folder), name));
  const trail = join(folder, 'cloudtrail.json');
  writeFileSync(trail, renderTrail(events));
  const records = files.flatMap((file) => ['--records', file]);
  const [verify, story] = await Promise.all([
    timed(() => tool('audit-verify', 'audit', 'verify', ...files)),
    timed(() => tool('audit-story', 'audit', 'story', run, ...records, '--cloud-log', trail)),
  ]);
  return {
    verified: verifiedLine(verify),
    told: storyLine(story),
    story: story.answer.lines,
  };
};

type Timed = { readonly answer: Awaited<ReturnType<Tool>>; readonly milliseconds: number };

const timed = async (run: () => ReturnType<Tool>): Promise<Timed> => {
  const startedAt = performance.now();
  const answer = await run();
  return { answer, milliseconds: performance.now() - startedAt };
};

const verifiedLine = ({ answer, milliseconds }: Timed): Line => {
  const { code, lines } = answer;
  const chains = lines.flatMap((line) => /^\S+\s+(\d+)\s+\d+\s+\d+\s+\d+$/.exec(line)?.[1] ?? []);
  const verdict = lines.at(-1) ?? 'nothing';
  return lineOf({
    name: 'records verified',
    expected: 'whole',
    got: code === 0 ? verdict : `${verdict}, exit code ${code}`,
    detail: `${chains.join(' + ')} records in one chain, sealed and published`,
    milliseconds,
  });
};

const KINDS = ['intent', 'policy', 'credentials', 'cloud call', 'end'];

const storyLine = ({ answer, milliseconds }: Timed): Line => {
  const kinds = answer.lines.flatMap(
    (line) => KINDS.find((kind) => line.includes(`  ${kind} `)) ?? [],
  );
  return lineOf({
    name: 'the story of one run',
    expected: KINDS.join(' → '),
    got: kinds.join(' → '),
    milliseconds,
  });
};
