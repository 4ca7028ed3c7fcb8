import { linkRecord, type Attributes, type ChainLink } from '../../lib/audit/chain.ts';
import type { Head } from '../../lib/audit/heads.ts';
import { tellStory } from '../../lib/audit/story.ts';
import { verifyChain, type VerifySettings } from '../../lib/audit/verify.ts';
import { auditFile, otherKey, publicKeys, recordEvents, sealingKey } from './audit-chain.ts';
import { CLOUD_LOG } from './audit-events.ts';

type Sign = Parameters<typeof linkRecord>[2];

type Linked = Attributes & {
  readonly metadata: { readonly sequence: number };
  readonly unmapped: { readonly chain: ChainLink & { readonly hash?: string } };
};

/** The chain from a line on with another time, and hashes and seals that fit. */
const rewriteFrom = (lines: readonly string[], from: number, sign: Sign): readonly string[] => {
  let previous: string | undefined;
  return lines.map((line, index) => {
    if (index < from) return line;
    const body = JSON.parse(line) as Linked;
    const { id, previous: before, after, torn, seal } = body.unmapped.chain;
    const link = { id, previous: before, ...(after && { after }), ...(torn && { torn }) };
    const place = { ...link, ...(previous !== undefined && { previous }) };
    const attributes: Attributes = { ...body, ...{ time: 1 } };
    const { sequence } = body.metadata;
    const linked = linkRecord(attributes, { ...place, sequence }, seal && sign);
    previous = linked.position.hash;
    return linked.line;
  });
};

const forgedSign: Sign = (text) => ({ ...otherKey.sign(text), key: sealingKey.fingerprint });

const damagesOf = (lines: readonly string[]): Readonly<Record<string, readonly string[]>> => {
  const lineAt = (index: number): string => lines[index] ?? '';
  return {
    none: lines,
    'edited text': lines.with(3, lineAt(3).replace('summarize', 'summarise')),
    'edited sequence': lines.with(3, lineAt(3).replace('"sequence":3', '"sequence":4')),
    'another form': lines.with(3, lineAt(3).replace('{', '{ ')),
    'a line removed': lines.toSpliced(5, 1),
    'the first line removed': lines.slice(1),
    'a checkpoint removed': lines.toSpliced(6, 1),
    'two lines exchanged': lines.with(3, lineAt(4)).with(4, lineAt(3)),
    'a line repeated': lines.toSpliced(7, 0, lineAt(3)),
    'an empty line': lines.toSpliced(4, 0, ''),
    'a foreign line': lines.toSpliced(4, 0, '{"level":30,"msg":"x"}'),
    'the end cut': lines.slice(0, -2),
    'half a line at the end': [...lines.slice(0, -1), lineAt(lines.length - 1).slice(0, 100)],
    nothing: [],
    'written again with the key': rewriteFrom(lines, 4, sealingKey.sign),
    'written again with another key': rewriteFrom(lines, 4, otherKey.sign),
    'written again without the key': rewriteFrom(lines, 4, forgedSign),
    'written again without seals': rewriteFrom(lines, 4, undefined),
  };
};

const joined = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

const findingsIn = async (texts: readonly string[], settings: Partial<VerifySettings>) => {
  const files = texts.map((text, index) => auditFile(text, `${index}.jsonl`));
  const report = await verifyChain(files, { publicKeys, ...settings });
  const codes = [...report.faults, ...report.notes].map(
    ({ code, file, line }) => `${code} ${line === 0 ? 'head' : `${file}:${line}`}`,
  );
  return { isWhole: report.isWhole, faultCount: report.faultCount, codes, chains: report.chains };
};

const FORMS: readonly (readonly [string, Partial<VerifySettings>])[] = [
  ['plain', {}],
  ['partial', { isPartial: true }],
  ['foreign', { allowsForeign: true }],
  ['other keys', { publicKeys: new Map() }],
];

const captureDamages = async (lines: readonly string[], head: Head): Promise<object> => {
  const heads = { 'valetkey-authority-0': head };
  const found: Record<string, object> = {};
  for (const [name, damaged] of Object.entries(damagesOf(lines))) {
    for (const [form, settings] of FORMS) {
      found[`${name}, ${form}`] = await findingsIn([joined(damaged)], { heads, ...settings });
    }
    found[`${name}, no heads`] = await findingsIn([joined(damaged)], {});
  }
  return found;
};

const storyOf = async (records: string, run: string): Promise<object> => {
  const story = await tellStory({
    run,
    records: [auditFile(records)],
    cloudLogs: [auditFile(CLOUD_LOG, 'cloud.log')],
  });
  const { sessions, unreadable } = story;
  return { sessions, unreadable, steps: story.steps.map(({ at, kind }) => `${at} ${kind}`) };
};

/** The exact records of a chain, what verification finds in damaged ones, and stories of runs. */
export const captureAudit = async (): Promise<object> => {
  const { text, head } = await recordEvents();
  const lines = text.split('\n').slice(0, -1);
  const ends = [{ bytes: Buffer.from(`${text}{"half`), isWhole: true }];
  const resumed = await recordEvents({ ends, published: head });
  const anew = await recordEvents({ published: head }, 'chain2');
  return {
    ...{ lines, head, resumed: resumed.text.split('\n')[0], anew: anew.text.split('\n')[0] },
    together: await findingsIn([`${text}{"half\n${resumed.text}`, anew.text], {
      heads: { 'valetkey-authority-0': anew.head, gone: { ...head, chain: 'gone.x' } },
    }),
    damages: await captureDamages(lines, head),
    stories: await Promise.all(
      ['uws2ljnfuws2ljnfbbzdgrosaro4x6fi', 'run-2', 'run-9', 'nothing'].map((run) =>
        storyOf(text, run),
      ),
    ),
    lostRecords: await storyOf('', 'run-2'),
  };
};
