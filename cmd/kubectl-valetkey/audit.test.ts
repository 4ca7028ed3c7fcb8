import { beforeAll, describe, expect, test } from '@jest/globals';

import {
  buildIntent,
  key,
  createMemorySink,
  createTestRecorder,
  createRecordedFile,
} from '../../lib/audit/fixtures/recording.ts';
import { renderHead } from '../../lib/audit/heads.ts';
import { newSealingKey, parseSealingKey } from '../../lib/audit/sealing-keys.ts';
import { runCli } from './fixtures/cli-harness.ts';

const REPLICA = 'valetkey-authority-0';
let recorded: Awaited<ReturnType<typeof createRecordedFile>>;
let map: string;
let files: Record<string, string>;
beforeAll(async () => {
  recorded = await createRecordedFile(6);
  map = JSON.stringify({
    kind: 'ConfigMap',
    data: { [REPLICA]: renderHead(recorded.head), 'public-keys.pem': key.publicKey },
  });
  files = {
    ...{ 'a.jsonl': recorded.text, 'heads.json': map, 'key.pem': key.publicKey },
    'cut.jsonl': `${recorded.text.split('\n').slice(0, 4).join('\n')}\n`,
    'edited.jsonl': recorded.text.replace('acme', 'evil'),
    'log.jsonl': `{"message":"authority ready"}\n${recorded.text}`,
  };
});
const verify = (...words: readonly string[]) => runCli(['audit', 'verify', ...words], { files });

describe('audit verify', () => {
  test('of whole chains ends with 0, and asks no cluster where key and heads are given', async () => {
    const { code, out, opened } = await verify('--heads', 'heads.json', 'a.jsonl');
    expect(out).toMatch(
      /^CHAIN +RECORDS +FIRST +LAST +SEALED THROUGH\nvaletkey-authority-0\S+ +\d+ +0 +(\d+) +\1\nwhole\n$/,
    );
    expect([code, opened]).toEqual([0, []]);
  });

  test('takes key and heads from the cluster otherwise', async () => {
    const { data } = JSON.parse(map) as { data: Record<string, string> };
    const readConfigMap = () => Promise.resolve(data);
    const whole = await runCli(['audit', 'verify', 'a.jsonl'], {
      files,
      cluster: { readConfigMap },
    });
    expect(whole.code).toBe(0);
    const cut = await runCli(['audit', 'verify', 'cut.jsonl', '--key', 'key.pem'], {
      ...{ files, cluster: { readConfigMap } },
    });
    expect(cut.out).toContain('cut: expected');
    expect(cut.code).toBe(1);
  });

  test.each([
    ['edited.jsonl', 'edited.jsonl:2: edited: expected'],
    ['cut.jsonl', ': cut: expected'],
  ])('names the fault of %s, and its place, and ends with 1', async (file, expected) => {
    const { code, out } = await verify('--heads', 'heads.json', file);
    expect(out).toContain(expected);
    expect(out).toMatch(/\d+ faults?\n$/);
    expect(code).toBe(1);
  });

  test('without heads says what it cannot see', async () => {
    const { code, out } = await verify('--key', 'key.pem', '--no-heads', 'cut.jsonl');
    expect(out).toContain('no heads were given: a cut at the end of a chain is not seen');
    expect(code).toBe(0);
  });

  test('passes over other lines of a log only where it is told that it is one', async () => {
    expect((await verify('--heads', 'heads.json', 'log.jsonl')).code).toBe(1);
    expect((await verify('--heads', 'heads.json', '--log', 'log.jsonl')).code).toBe(0);
  });

  test('takes a chain without its beginning only where it is told', async () => {
    const partialFiles = { ...files, 'late.jsonl': recorded.text.split('\n').slice(2).join('\n') };
    const words = ['audit', 'verify', '--heads', 'heads.json', 'late.jsonl'];
    expect((await runCli(words, { files: partialFiles })).out).toContain('no_beginning');
    const { code, out } = await runCli([...words, '--partial'], { files: partialFiles });
    expect(out).toContain('note: partial:');
    expect(code).toBe(0);
  });

  test('names a key that nobody gave', async () => {
    const other = { ...files, 'key.pem': parseSealingKey(newSealingKey()).publicKey };
    const words = ['audit', 'verify', '--key', 'key.pem', '--no-heads', 'a.jsonl', '-o', 'json'];
    const { code, out } = await runCli(words, { files: other });
    const { faults } = JSON.parse(out) as { faults: object[] };
    expect(faults[0]).toMatchObject({ code: 'unknown_key' });
    expect(code).toBe(1);
  });

  test.each<readonly [string, readonly string[], number, string]>([
    ['no file', ['--no-heads'], 2, "missing required argument 'files'"],
    ['a file that is not there', ['--heads', 'heads.json', 'gone'], 2, '"gone": expected a file'],
    [
      'a key that is none',
      ['--no-heads', '--key', 'a.jsonl', 'a.jsonl'],
      2,
      '--key: expected Ed25519',
    ],
    ['heads that are none', ['--heads', 'key.pem', 'a.jsonl'], 2, 'key.pem: expected ConfigMap'],
  ])('refuses %s', async (_, words, code, expected) => {
    const { error, ...ended } = await verify(...words);
    expect(error).toContain(expected);
    expect(ended).toMatchObject({ code, out: '' });
  });

  test('says that the cluster has no heads', async () => {
    const readConfigMap = () => Promise.resolve(undefined);
    const ended = await runCli(['audit', 'verify', 'a.jsonl'], {
      files,
      cluster: { readConfigMap },
    });
    expect(ended.error).toContain('ConfigMap valetkey/valetkey-audit-heads: expected');
    expect(ended.code).toBe(1);
  });
});

describe('audit story', () => {
  const call = JSON.stringify({
    ...{
      bucket: 'acme',
      object: 'a.txt',
      time: '2026-01-01T00:00:02.000000Z',
      operation: 'get_obj',
    },
    ...{ http_status: '200', remote_addr: '10.0.0.7', sts_info: { role_session: 'agent-7@run-1' } },
  });
  const records = async () => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await recorder.record(buildIntent('run-1'));
    await recorder.record({
      ...buildIntent('run-1'),
      kind: 'run.ended',
      at: Date.parse('2026-01-01T00:00:09Z'),
      reason: 'completed',
    });
    return text();
  };

  test('tells a run from records and from the cloud, in order', async () => {
    const given = { 'r.jsonl': await records(), 'ops.log': `${call}\n` };
    const words = ['audit', 'story', 'run-1', '--records', 'r.jsonl', '--cloud-log', 'ops.log'];
    const { code, out } = await runCli(words, { files: given });
    const kinds = out.split('\n').flatMap((line) => /Z {2}(\w+( call)?)/.exec(line)?.[1] ?? []);
    expect(kinds).toEqual(['intent', 'cloud call', 'end']);
    expect(out).toContain('get_obj acme/a.txt: 200, from 10.0.0.7');
    expect(code).toBe(0);
  });

  test('passes over other lines of a log only where it is told that it is one', async () => {
    const whole = await records();
    const edited = whole.split('\n').find((line) => line.includes('run.intent'));
    const log = `{"message":"run issued","run":"run-1"}\n${whole}`;
    const words = ['audit', 'story', 'run-1', '--records', '-'];
    const renderTimeline = async (text: string, ...more: readonly string[]) =>
      (await runCli([...words, ...more], { files: { '-': text } })).out;
    expect(await renderTimeline(log)).toContain('1 lines name it and are no whole records');
    expect(await renderTimeline(log, '--log')).not.toContain('no whole records');
    expect(await renderTimeline(log, '--log')).toContain('intent');
    const forged = `${log}${edited?.replace('acme', 'evil') ?? ''}\n`;
    expect(await renderTimeline(forged, '--log')).toContain(
      '1 lines name it and are no whole records',
    );
  });

  test('of a run that nobody knows ends with 1', async () => {
    const words = ['audit', 'story', 'run-9', '--records', '-', '-o', 'json'];
    const { code, out } = await runCli(words, { files: { '-': await records() } });
    expect(JSON.parse(out)).toMatchObject({ run: 'run-9', steps: [] });
    expect(code).toBe(1);
  });

  test('wants records', async () => {
    const { code, error } = await runCli(['audit', 'story', 'run-1']);
    expect(error).toContain("required option '--records <file>'");
    expect(code).toBe(2);
  });
});
