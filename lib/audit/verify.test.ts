import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import {
  linkRecord,
  NOTHING_BEFORE,
  computeSha256,
  type Attributes,
  type Position,
} from './chain.ts';
import { formatAuditFault } from './audit-findings.ts';
import {
  createAuditFile,
  buildIntent,
  key,
  createMemorySink,
  publicKeys,
  createTestRecorder,
  createRecordedFile,
} from './fixtures/recording.ts';
import type { Head } from './heads.ts';
import { newSealingKey, parseSealingKey, readPublicKeys } from './sealing-keys.ts';
import { verifyChain, type VerifySettings } from './verify.ts';

const { text, head } = await createRecordedFile(9);
const lines = text.split('\n').slice(0, -1);
const getLine = (index: number): string => lines[index] ?? '';
const joinLines = (given: readonly string[]): string => given.map((line) => `${line}\n`).join('');
const heads = { 'valetkey-authority-0': head };

const verifyText = (given: string | Uint8Array, settings: Partial<VerifySettings> = {}) =>
  verifyChain([createAuditFile(given)], { publicKeys, heads, ...settings });
const listCodes = async (given: string, settings: Partial<VerifySettings> = {}) =>
  (await verifyText(given, settings)).faults.map(({ code, line }) => `${code}:${line}`);

const anyLine = fc.nat(lines.length - 1);

describe('verifyChain', () => {
  it('accepts an unchanged file', async () => {
    expect(await verifyText(text)).toEqual({
      isWhole: true,
      faultCount: 0,
      faults: [],
      notes: [],
      unverified: [],
      chains: [
        {
          ...{ chain: head.chain, records: 14, first: 0, last: 13, sealedThrough: 13 },
          ...{ lastHash: head.hash, lastAt: head.at },
        },
      ],
    });
  });

  it('accepts a file in any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5_000 }), async (size) => {
        const bytes = Buffer.from(text);
        const chunks = (async function* () {
          for (let at = 0; at < bytes.length; at += size)
            yield await Promise.resolve(bytes.subarray(at, at + size));
        })();
        const report = await verifyChain([{ name: 'a', chunks }], { publicKeys, heads });
        expect(report.faults).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  const isFound = async (changed: string | Uint8Array): Promise<void> => {
    expect((await verifyText(changed)).isWhole).toBe(false);
  };

  it('detects a change of any byte', async () => {
    const bytes = Buffer.from(text);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 2),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const changed = Buffer.from(bytes);
          changed[at] = (changed[at] ?? 0) ^ by;
          await isFound(changed);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('detects any missing line', async () => {
    for (const index of lines.keys()) await isFound(joinLines(lines.toSpliced(index, 1)));
  });

  it('detects any two swapped lines', async () => {
    await fc.assert(
      fc.asyncProperty(anyLine, anyLine, async (a, b) => {
        fc.pre(a !== b);
        await isFound(joinLines(lines.with(a, getLine(b)).with(b, getLine(a))));
      }),
    );
  });

  it('detects any repeated line', async () => {
    await fc.assert(
      fc.asyncProperty(anyLine, fc.nat(lines.length), async (from, to) => {
        await isFound(joinLines(lines.toSpliced(to, 0, getLine(from))));
      }),
    );
  });

  it('detects truncation anywhere before the published head', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(Buffer.byteLength(text) - 2), async (length) => {
        await isFound(Buffer.from(text).subarray(0, length));
      }),
    );
  });

  it('detects an added line and a line that is not canonical', async () => {
    const other = { ...(JSON.parse(getLine(1)) as object), time: 1 };
    const again = getLine(1).replace('"time":', '"time":1,"time":');
    for (const line of [
      '',
      '{}',
      'null',
      canonicalizeJson(other),
      `${getLine(1)} `,
      again,
      '['.repeat(50_000),
    ]) {
      await isFound(joinLines(lines.toSpliced(1, 0, line)));
      await isFound(joinLines(lines.with(1, line)));
    }
  });

  it('detects records rewritten without the key', async () => {
    await fc.assert(
      fc.asyncProperty(anyLine, async (from) => {
        await isFound(joinLines(rewriteChain(from, undefined)));
        await isFound(joinLines(rewriteChain(from, parseSealingKey(newSealingKey()))));
      }),
      { numRuns: 20 },
    );
  });

  it('detects records rewritten with the key after their head was published', async () => {
    const [fault] = (await verifyText(joinLines(rewriteChain(4, key)))).faults;
    expect(fault).toMatchObject({
      code: 'fork',
      file: 'published head of valetkey-authority-0',
    });
  });
});

const sealedLines = lines.flatMap((line, index) => (line.includes('"seal":') ? [index + 1] : []));

/** What an insider would write: the same lines, from one on with another time and hashes that fit. */
const rewriteChain = (from: number, signer: typeof key | undefined): readonly string[] => {
  let previous: string | undefined;
  return lines.map((line, index) => {
    if (index < from) return line;
    const body = JSON.parse(line) as Attributes & Rewritable;
    const { seal, ...link } = omitHash(body);
    const place = {
      ...link,
      sequence: body.metadata.sequence,
      previous: previous ?? link.previous,
    };
    const attributes = { ...body, time: 1 };
    const sign = seal && (signer?.sign ?? (() => seal));
    const linked = linkRecord(attributes, place, sign);
    previous = linked.position.hash;
    return linked.line;
  });
};

const omitHash = (body: Rewritable): Omit<Rewritable['unmapped']['chain'], 'hash'> => {
  const { id, previous, seal } = body.unmapped.chain;
  return { id, previous, ...(seal !== undefined && { seal }) };
};

type Rewritable = {
  readonly metadata: { readonly sequence: number };
  readonly unmapped: {
    readonly chain: {
      readonly id: string;
      readonly previous: string;
      readonly hash: string;
      readonly seal?: { readonly key: string; readonly signature: string };
    };
  };
};

describe('a verification fault', () => {
  it('names file, line, expected and actual value', async () => {
    const edited = getLine(3).replace('summarize', 'summarise');
    const { faults } = await verifyText(joinLines(lines.with(3, edited)));
    const hash = (JSON.parse(edited) as Rewritable).unmapped.chain.hash;
    expect(faults.map(formatAuditFault)).toEqual([
      expect.stringMatching(`^a.jsonl:4: modified: expected ${hash}, got [0-9a-f]{64}$`),
    ]);
  });

  it.each([
    ['a gap', lines.toSpliced(5, 1), ['gap:6']],
    ['a repeated line', lines.toSpliced(5, 0, getLine(4)), ['out_of_order:6']],
    ['a line that is not canonical', lines.with(5, ` ${getLine(5)}`), ['not_canonical:6']],
    ['a line of other text', lines.toSpliced(5, 0, 'hello'), ['invalid_record:6']],
    ['a missing start', lines.slice(2), ['missing_start:1']],
    ['a missing end', lines.slice(0, -1), ['truncated:0']],
    ['no records', [], ['missing_chain:0']],
  ])('of %s is reported once', async (_, given, codes) => {
    expect(await listCodes(joinLines(given))).toEqual(codes);
  });

  it('is reported at the record after a replaced one', async () => {
    const body = JSON.parse(getLine(1)) as Attributes & Rewritable;
    const link = omitHash(body);
    const forged = linkRecord({ ...body, ...{ time: 1 } }, { ...link, sequence: 1 });
    expect(await listCodes(joinLines(lines.with(1, forged.line)))).toEqual(['broken_link:3']);
  });

  it('lists the provided keys for a seal by an unknown key', async () => {
    const others = readPublicKeys(parseSealingKey(newSealingKey()).publicKey);
    const { faults } = await verifyText(text, { publicKeys: others });
    expect(faults[0]).toMatchObject({ code: 'unknown_key', line: 1, got: key.fingerprint });
  });

  it('is reported at an invalid signature, even without heads', async () => {
    const other = parseSealingKey(newSealingKey());
    const signed = (text: string) => ({ ...other.sign(text), key: key.fingerprint });
    for (const signer of [undefined, { ...other, sign: signed }]) {
      const faults = await listCodes(joinLines(rewriteChain(1, signer)), { heads: {} });
      expect(faults).toEqual(sealedLines.slice(1).map((line) => `invalid_signature:${line}`));
    }
  });

  it('is reported for a start in the middle and for a first record of another kind', async () => {
    const attributes = { metadata: {}, unmapped: { kind: 'chain.started' } };
    const after = { id: head.chain, sequence: head.sequence + 1, previous: head.hash };
    const middle = linkRecord(attributes, after, key.sign);
    expect(await listCodes(joinLines([...lines, middle.line]))).toEqual([
      `missing_start:${lines.length + 1}`,
    ]);
    for (const [kind, previous] of [
      ['chain.resumed', NOTHING_BEFORE],
      ['chain.started', head.hash],
    ] as const) {
      const place = { id: 'other.x', sequence: 0, previous };
      const first = linkRecord({ metadata: {}, unmapped: { kind } }, place, key.sign);
      expect(await listCodes(`${first.line}\n`, { heads: {} })).toEqual(['missing_start:1']);
    }
  });

  it('is counted beyond the listed number', async () => {
    const report = await verifyText('x\n'.repeat(3_000), { heads: {} });
    expect(report.faults).toHaveLength(1_000);
    expect(report.faultCount).toBe(3_000);
  });

  it('escapes control characters of untrusted text', async () => {
    const forged = { chain: 'a\u001b[2J.b', sequence: 1, hash: head.hash, at: 1 };
    const { faults } = await verifyText(text, { heads: { x: forged } });
    expect(faults.map(formatAuditFault).join('')).toMatch(/^[ -~]*$/);
  });

  it('is reported when too many records have no seal', async () => {
    let position: Position = { ...head };
    const more = Array.from({ length: 1_001 }, (_, index) => {
      const attributes = { metadata: {}, unmapped: { kind: 'run.intent' } };
      const place = { id: head.chain, sequence: position.sequence + 1, previous: position.hash };
      const linked = linkRecord({ ...attributes, ...{ time: index } }, place);
      position = linked.position;
      return linked.line;
    });
    expect(await listCodes(joinLines([...lines, ...more.slice(0, 1_000)]))).toEqual([]);
    expect(await listCodes(joinLines([...lines, ...more]))).toEqual([
      `unsealed:${lines.length + 1_001}`,
    ]);
    const parts = [
      createAuditFile(joinLines([...lines, ...more.slice(0, 500)])),
      createAuditFile(joinLines(more.slice(500)), 'b'),
    ];
    const report = await verifyChain(parts, { publicKeys, heads });
    expect(report.faults).toMatchObject([{ code: 'unsealed', file: 'b', line: 1 }]);
  });

  it('is reported for an unsealed record about the chain', async () => {
    const attributes = { metadata: {}, unmapped: { kind: 'chain.checkpoint' } };
    const place = { id: head.chain, sequence: head.sequence + 1, previous: head.hash };
    expect(await listCodes(joinLines([...lines, linkRecord(attributes, place).line]))).toEqual([
      `unsealed:${lines.length + 1}`,
    ]);
  });
});

describe('verifyChain with several files', () => {
  const parts = [lines.slice(0, 5), lines.slice(5, 9), lines.slice(9)].map(joinLines);
  const selectFiles = (...order: readonly number[]) =>
    order.map((index) => createAuditFile(parts[index] ?? '', `part-${index}`));

  it.each([[[0, 1, 2]], [[2, 0, 1]], [[2, 1, 0]]])(
    'accepts the order %j as one chain',
    async (order) => {
      const report = await verifyChain(selectFiles(...order), { publicKeys, heads });
      expect(report).toMatchObject({ isWhole: true, chains: [{ records: 14, sealedThrough: 13 }] });
    },
  );

  it('reports a gap for a missing file', async () => {
    const { faults } = await verifyChain(selectFiles(0, 2), { publicKeys, heads });
    expect(faults).toMatchObject([{ code: 'gap', file: 'part-2', line: 1, got: '9' }]);
  });

  it('accepts the same records in two files', async () => {
    const report = await verifyChain(selectFiles(0, 1, 1, 2), { publicKeys, heads });
    expect(report).toMatchObject({
      isWhole: true,
      chains: [{ records: 14 }],
      notes: [{ code: 'repeated_records', file: 'part-1', line: 1 }],
    });
  });

  it('accepts files that overlap anywhere, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(anyLine, anyLine, fc.boolean(), async (a, b, isReversed) => {
        const files = [lines.slice(0, Math.max(a, b) + 1), lines.slice(Math.min(a, b))].map(
          (part, index) => createAuditFile(joinLines(part), `part-${index}`),
        );
        const order = isReversed ? files.toReversed() : files;
        const report = await verifyChain(order, { publicKeys, heads });
        expect(report).toMatchObject({ isWhole: true, chains: [{ records: 14 }] });
      }),
    );
  });

  it('detects that two files have different records at the same place', async () => {
    const body = JSON.parse(getLine(1)) as Attributes & Rewritable;
    const forged = linkRecord({ ...body, ...{ time: 1 } }, { ...omitHash(body), sequence: 1 });
    const other = joinLines([getLine(0), forged.line]);
    for (const texts of [
      [text, other],
      [other, text],
    ]) {
      const files = texts.map((each, index) => createAuditFile(each, `part-${index}`));
      const { faults } = await verifyChain(files, { publicKeys, heads });
      expect(faults).toMatchObject([{ code: 'fork', line: 1 }]);
      expect(faults[0]?.expected).toContain('record 1 of');
    }
  });

  it('reports two forged files at once, whatever number their records state', async () => {
    const forge = (run: string): string => {
      const attributes = { metadata: {}, unmapped: { kind: 'run.intent', run } };
      const place = { id: head.chain, sequence: 9_000_000_000_000_000, previous: head.hash };
      return `${joinLines(lines)}${linkRecord(attributes, place).line}\n`;
    };
    const files = ['a', 'b'].map((name) => createAuditFile(forge(name), name));
    const { faults } = await verifyChain(files, { publicKeys });
    expect(faults.map(({ code }) => code)).toEqual(['gap', 'gap', 'fork']);
  });

  it('accepts files of several replicas, also mixed line by line', async () => {
    const other = await createRecordedFile(7, { replica: 'valetkey-authority-1' });
    const both = { ...heads, 'valetkey-authority-1': other.head };
    const others = other.text.split('\n').slice(0, -1);
    const mixed = lines.flatMap((line, index) => [line, others[index] ?? '']).filter(Boolean);
    for (const files of [
      [createAuditFile(text), createAuditFile(other.text)],
      [createAuditFile(joinLines(mixed))],
    ]) {
      const report = await verifyChain(files, { publicKeys, heads: both });
      expect(report).toMatchObject({
        isWhole: true,
        chains: [{ records: 14 }, { records: others.length }],
      });
    }
  });

  it('accepts a missing start only when it is allowed', async () => {
    const report = await verifyChain(selectFiles(1, 2), {
      publicKeys,
      heads,
      isMissingStartAllowed: true,
    });
    expect(report).toMatchObject({
      isWhole: true,
      notes: [{ code: 'missing_start_allowed', file: 'part-1' }],
    });
  });
});

describe('verifyChain with a log', () => {
  const noisy = joinLines(lines.flatMap((line) => [line, '{"level":"info"}', 'hello']));

  it('ignores non-record lines only when it is allowed', async () => {
    expect((await verifyText(noisy, { ignoresForeignLines: true })).faults).toEqual([]);
    expect((await verifyText(noisy)).isWhole).toBe(false);
  });

  it('accepts that a log has records twice, and a file not', async () => {
    const repeated = joinLines([...lines.slice(0, 9), ...lines.slice(5)]);
    expect(await verifyText(repeated, { ignoresForeignLines: true })).toMatchObject({
      isWhole: true,
      notes: [{ code: 'repeated_records', line: 10 }],
      chains: [{ records: 14 }],
    });
    expect((await verifyText(repeated)).isWhole).toBe(false);
  });

  it('detects a modified record among other lines', async () => {
    const edited = noisy.replace('summarize', 'summarise');
    expect(await listCodes(edited, { ignoresForeignLines: true })).toEqual(['modified:4']);
  });
});

describe('verifyChain after the oldest records were removed', () => {
  const splitLines = (given: string): readonly string[] => given.split('\n').slice(0, -1);
  const getPositionAt = (index: number): Position => {
    const { id: chain, hash } = (
      JSON.parse(getLine(index)) as { unmapped: { chain: { id: string; hash: string } } }
    ).unmapped.chain;
    return { chain, sequence: index, hash };
  };

  /** The lines of a chain that states the removal of its records up to `position`. */
  const recordRemoval = async (position: Position): Promise<readonly string[]> => {
    const { sink, text: more } = createMemorySink();
    const resumeFrom = { ends: [{ bytes: Buffer.from(text), isWhole: true }] };
    const recorder = await createTestRecorder({ sinks: [sink], resumeFrom });
    await recorder.prune([position]);
    await recorder.close();
    return [...lines, ...splitLines(more())];
  };
  const verifyRest = (given: readonly string[], ...others: readonly string[]) =>
    verifyChain(
      [given.map((line) => `${line}\n`).join(''), ...others].map((each, index) =>
        createAuditFile(each, `part-${index}`),
      ),
      { publicKeys },
    );

  it('accepts the rest, and notes where it starts', async () => {
    const all = await recordRemoval(getPositionAt(4));
    expect(await verifyRest(all.slice(5))).toMatchObject({
      isWhole: true,
      notes: [{ code: 'pruned', line: 1 }],
      chains: [{ first: 5, records: 12 }],
    });
  });

  it('accepts the rest when fewer records were removed than stated', async () => {
    const all = await recordRemoval(getPositionAt(4));
    for (const from of [0, 2, 5])
      expect(await verifyRest(all.slice(from))).toMatchObject({ isWhole: true });
  });

  it('accepts the rest together with what was removed', async () => {
    const all = await recordRemoval(getPositionAt(4));
    const exported = joinLines(all.slice(0, 9));
    expect(await verifyRest(all.slice(5), exported)).toMatchObject({
      isWhole: true,
      chains: [{ first: 0, records: all.length }],
    });
  });

  it('detects that more records were removed than stated', async () => {
    const all = await recordRemoval(getPositionAt(4));
    expect((await verifyRest(all.slice(6))).faults).toMatchObject([{ code: 'missing_start' }]);
  });

  it('detects that the statement names another record', async () => {
    const all = await recordRemoval({ ...getPositionAt(4), hash: 'f'.repeat(64) });
    expect((await verifyRest(all.slice(5))).faults).toMatchObject([{ code: 'broken_link' }]);
    expect((await verifyRest(all)).faults).toMatchObject([{ code: 'fork' }]);
  });

  it('ignores a statement that was signed by another key', async () => {
    const { id, previous } = { id: head.chain, previous: head.hash };
    const place = { id, sequence: 14, previous, pruned: [getPositionAt(4)] };
    const attributes = { metadata: {}, unmapped: { kind: 'chain.pruned' } };
    const { line } = linkRecord(attributes, place, parseSealingKey(newSealingKey()).sign);
    const { faults } = await verifyRest([...lines.slice(5), line]);
    expect(faults.map(({ code }) => code)).toEqual(['unknown_key', 'missing_start']);
  });

  /** A chain that starts after a lost volume and states that the whole chain before was removed. */
  const replaceChain = async (replica: string): Promise<readonly string[]> => {
    const { sink, text: next } = createMemorySink();
    const resumeFrom = { published: head };
    const recorder = await createTestRecorder({ sinks: [sink], resumeFrom, replica });
    await recorder.prune([getPositionAt(13)]);
    await recorder.close();
    return splitLines(next());
  };

  it('accepts that a whole earlier chain was removed, and notes it', async () => {
    expect(await verifyRest(await replaceChain('valetkey-authority-0'))).toMatchObject({
      isWhole: true,
      notes: [{ code: 'pruned', text: `every record of ${head.chain} was removed` }],
    });
  });

  it('ignores the statement of another replica', async () => {
    const { faults } = await verifyRest(await replaceChain('valetkey-authority-1'));
    expect(faults).toMatchObject([{ code: 'missing_chain' }]);
  });
});

describe('a chain that replaces another', () => {
  const publish = (at: Head) => ({ resumeFrom: { published: at } });

  it('names the published head, so that the loss is detected', async () => {
    const { sink, text: next } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink], ...publish(head) });
    await recorder.close();
    const both = { now: recorder.head() };
    const settings = { publicKeys, heads: both };
    const whole = await verifyChain(
      [createAuditFile(next(), 'new'), createAuditFile(text)],
      settings,
    );
    expect(whole.faults).toEqual([]);
    const lost = await verifyChain([createAuditFile(next(), 'new')], settings);
    expect(lost.faults).toMatchObject([{ code: 'missing_chain', file: 'new', line: 1 }]);
    const cut = await verifyChain(
      [createAuditFile(next(), 'new'), createAuditFile(joinLines(lines.slice(0, 9)))],
      settings,
    );
    expect(cut.faults).toMatchObject([{ code: 'truncated', file: 'new', line: 1 }]);
    const partial = await verifyChain([createAuditFile(next(), 'new')], {
      ...settings,
      isMissingStartAllowed: true,
    });
    expect(partial).toMatchObject({ isWhole: true, notes: [{ code: 'missing_start_allowed' }] });
  });

  it('may name a head before the end of the older chain', async () => {
    const { metadata, unmapped } = lines
      .map((line) => JSON.parse(line) as Rewritable)
      .filter((body) => body.unmapped.chain.seal !== undefined)
      .slice(1)
      .reduce((first) => first);
    const { id: chain, hash } = unmapped.chain;
    const at = { chain, sequence: metadata.sequence, hash, at: 1 };
    for (const [published, codes] of [
      [at, []],
      [{ ...at, hash: computeSha256('') }, ['fork']],
    ] as const) {
      const { sink, text: next } = createMemorySink();
      await (await createTestRecorder({ sinks: [sink], ...publish(published) })).close();
      const report = await verifyChain([createAuditFile(text), createAuditFile(next(), 'new')], {
        publicKeys,
      });
      expect(report.faults.map(({ code }) => code)).toEqual(codes);
    }
  });
});

it('verifyChain accepts a file of thousands of records', async () => {
  const { sink, text: long } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink] });
  await Promise.all(
    Array.from({ length: 2_000 }, (_, run) => recorder.record(buildIntent(`${run}`))),
  );
  await recorder.close();
  const report = await verifyChain([createAuditFile(long())], { publicKeys });
  expect(report).toMatchObject({ isWhole: true, chains: [{ records: 2_004 }] });
});
