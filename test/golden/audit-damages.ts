import { linkRecord, type Attributes, type ChainLink } from '../../lib/audit/chain.ts';
import { otherKey, sealingKey } from './audit-chain.ts';

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
    const { id, previous: before, after, partial_write, seal } = body.unmapped.chain;
    const link = {
      id,
      previous: before,
      ...(after && { after }),
      ...(partial_write && { partial_write }),
    };
    const place = { ...link, ...(previous !== undefined && { previous }) };
    const attributes: Attributes = { ...body, ...{ time: 1 } };
    const { sequence } = body.metadata;
    const linked = linkRecord(attributes, { ...place, sequence }, seal && sign);
    previous = linked.position.hash;
    return linked.line;
  });
};

const forgedSign: Sign = (text) => ({ ...otherKey.sign(text), key: sealingKey.fingerprint });

/** The lines of a chain, damaged in every way that verification distinguishes. */
export const buildDamagedChains = (
  lines: readonly string[],
): Readonly<Record<string, readonly string[]>> => {
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
