import type { Head } from '../../lib/audit/heads.ts';
import { buildTimeline } from '../../lib/audit/timeline.ts';
import { verifyChain, type VerifySettings } from '../../lib/audit/verify.ts';
import { auditFile, publicKeys, recordEvents } from './audit-chain.ts';
import { buildDamagedChains } from './audit-damages.ts';
import { CLOUD_LOG } from './audit-events.ts';

const joined = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

const findingsIn = async (texts: readonly string[], settings: Partial<VerifySettings>) => {
  const files = texts.map((text, index) => auditFile(text, `${index}.jsonl`));
  const report = await verifyChain(files, { publicKeys, ...settings });
  const codes = [...report.faults, ...report.notes].map(
    ({ code, file, line }) => `${code} ${line === 0 ? 'head' : `${file}:${line}`}`,
  );
  // Hash and time of the last record are among the lines.
  const omitted = { lastHash: undefined, lastAt: undefined };
  const chains = report.chains.map((chain) => ({ ...chain, ...omitted }));
  return { isWhole: report.isWhole, faultCount: report.faultCount, codes, chains };
};

const FORMS: readonly (readonly [string, Partial<VerifySettings>])[] = [
  ['plain', {}],
  ['partial', { isMissingStartAllowed: true }],
  ['foreign', { ignoresForeignLines: true }],
  ['other keys', { publicKeys: new Map() }],
];

const captureDamages = async (lines: readonly string[], head: Head): Promise<object> => {
  const heads = { 'valetkey-authority-0': head };
  const found: Record<string, object> = {};
  for (const [name, damaged] of Object.entries(buildDamagedChains(lines))) {
    for (const [form, settings] of FORMS) {
      found[`${name}, ${form}`] = await findingsIn([joined(damaged)], { heads, ...settings });
    }
    found[`${name}, no heads`] = await findingsIn([joined(damaged)], {});
  }
  return found;
};

const captureTimeline = async (records: string, run: string): Promise<object> => {
  const timeline = await buildTimeline({
    run,
    records: [auditFile(records)],
    cloudLogs: [auditFile(CLOUD_LOG, 'cloud.log')],
  });
  const { sessions, unreadable } = timeline;
  return { sessions, unreadable, steps: timeline.steps.map(({ at, kind }) => `${at} ${kind}`) };
};

/** The exact records of a chain, what verification finds in damaged ones, and timelines of runs. */
export const captureAudit = async (): Promise<object> => {
  const { text, head } = await recordEvents();
  const lines = text.split('\n').slice(0, -1);
  const ends = [{ bytes: Buffer.from(`${text}{"half`), isWhole: true }];
  const resumed = await recordEvents({ ends, published: head });
  const newChain = await recordEvents({ published: head }, 'chain2');
  return {
    ...{
      lines,
      head,
      resumed: resumed.text.split('\n')[0],
      newChain: newChain.text.split('\n')[0],
    },
    together: await findingsIn([`${text}{"half\n${resumed.text}`, newChain.text], {
      heads: { 'valetkey-authority-0': newChain.head, gone: { ...head, chain: 'gone.x' } },
    }),
    damages: await captureDamages(lines, head),
    timelines: await Promise.all(
      ['uws2ljnfuws2ljnfbbzdgrosaro4x6fi', 'run-2', 'run-9', 'nothing'].map((run) =>
        captureTimeline(text, run),
      ),
    ),
    lostRecords: await captureTimeline('', 'run-2'),
  };
};
