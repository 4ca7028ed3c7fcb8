import { beforeAll, describe, expect, it } from '@jest/globals';

import {
  buildIntent,
  key,
  createMemorySink,
  createTestRecorder,
  createRecordedFile,
} from '../../lib/audit/fixtures/recording.ts';
import { buildCallEntry, chainCalls } from '../../lib/audit/fixtures/call-lines.ts';
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
  it('exits with 0 for intact chains, without a cluster when key and heads are given', async () => {
    const { code, out, opened } = await verify('--heads', 'heads.json', 'a.jsonl');
    expect(out).toMatch(
      /^CHAIN +RECORDS +FIRST +LAST +SEALED THROUGH\nvaletkey-authority-0\S+ +\d+ +0 +(\d+) +\1\nNo problems found\.\n$/,
    );
    expect([code, opened]).toEqual([0, []]);
  });

  it('reads key and heads from the cluster by default', async () => {
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
    expect(cut.out).toContain('truncated: expected');
    expect(cut.code).toBe(1);
  });

  it.each([
    ['edited.jsonl', 'edited.jsonl:2: modified: expected'],
    ['cut.jsonl', ': truncated: expected'],
  ])('reports the fault in %s with its place and exits with 1', async (file, expected) => {
    const { code, out } = await verify('--heads', 'heads.json', file);
    expect(out).toContain(expected);
    expect(out).toMatch(/\d+ problems? found\.\n$/);
    expect(code).toBe(1);
  });

  it('exits with 4 when a restart sealed records that had no seal', async () => {
    const found = recorded.text.split('\n').slice(0, 4).join('\n');
    const { sink, text } = createMemorySink();
    const ends = [{ bytes: Buffer.from(found), isWhole: true }];
    await (await createTestRecorder({ sinks: [sink], resumeFrom: { ends } })).close();
    const words = ['audit', 'verify', '--key', 'key.pem', '--no-heads', 'resumed.jsonl'];
    const { code, out } = await runCli(words, {
      files: { ...files, 'resumed.jsonl': `${found}\n${text()}` },
    });
    expect(out).toContain('resumed.jsonl:5: unverified: unsealed_before_restart: records 1 to 3');
    expect(out).toMatch(/No problems found; 1 range cannot be verified\.\n$/);
    expect(code).toBe(4);
  });

  it('states without heads that truncation is not detected', async () => {
    const { code, out } = await verify('--key', 'key.pem', '--no-heads', 'cut.jsonl');
    expect(out).toContain('No published heads: truncation is not detected.');
    expect(code).toBe(0);
  });

  it('ignores non-record lines only with --log', async () => {
    expect((await verify('--heads', 'heads.json', 'log.jsonl')).code).toBe(1);
    expect((await verify('--heads', 'heads.json', '--log', 'log.jsonl')).code).toBe(0);
  });

  it('accepts a chain without its start only with --partial', async () => {
    const partialFiles = { ...files, 'late.jsonl': recorded.text.split('\n').slice(2).join('\n') };
    const words = ['audit', 'verify', '--heads', 'heads.json', 'late.jsonl'];
    expect((await runCli(words, { files: partialFiles })).out).toContain('missing_start');
    const { code, out } = await runCli([...words, '--partial'], { files: partialFiles });
    expect(out).toContain('note: missing_start_allowed:');
    expect(code).toBe(0);
  });

  it('reports a seal by a key that was not provided', async () => {
    const other = { ...files, 'key.pem': parseSealingKey(newSealingKey()).publicKey };
    const words = ['audit', 'verify', '--key', 'key.pem', '--no-heads', 'a.jsonl', '-o', 'json'];
    const { code, out } = await runCli(words, { files: other });
    const { faults } = JSON.parse(out) as { faults: object[] };
    expect(faults[0]).toMatchObject({ code: 'unknown_key' });
    expect(code).toBe(1);
  });

  it.each<readonly [string, readonly string[], number, string]>([
    ['no file', ['--no-heads'], 2, 'files: expected audit files, or --calls'],
    ['a missing file', ['--heads', 'heads.json', 'gone'], 2, '"gone": expected a readable file'],
    [
      'a file that holds no key',
      ['--no-heads', '--key', 'a.jsonl', 'a.jsonl'],
      2,
      '--key: expected Ed25519',
    ],
    [
      'a file that holds no heads',
      ['--heads', 'key.pem', 'a.jsonl'],
      2,
      'key.pem: expected ConfigMap',
    ],
  ])('rejects %s', async (_, words, code, expected) => {
    const { error, ...ended } = await verify(...words);
    expect(error).toContain(expected);
    expect(ended).toMatchObject({ code, out: '' });
  });

  it('reports that the cluster has no published heads', async () => {
    const readConfigMap = () => Promise.resolve(undefined);
    const ended = await runCli(['audit', 'verify', 'a.jsonl'], {
      files,
      cluster: { readConfigMap },
    });
    expect(ended.error).toContain('ConfigMap valetkey/valetkey-audit-heads: expected');
    expect(ended.code).toBe(1);
  });
});

describe('audit verify --calls', () => {
  const { lines, hashes } = chainCalls([0, 1, 2].map((out) => buildCallEntry({ out })));
  const log = `{"message":"sidecar ready"}\n${lines.join('')}`;
  /** Audit files whose records state the lines up to `to`. */
  const recordHead = async (to: number) => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    const calls = {
      ...{ from: 0, to, hash: hashes[to] ?? '', startedAt: 1, endedAt: 2 },
      counts: { allowed: to + 1, refused: 0, failed: 0, cut: 0 },
      ...{ bytesIn: 0, bytesOut: 3, refusals: [], used: [], omitted: { refusals: 0, used: 0 } },
    };
    await recorder.record({ ...buildIntent('run-1'), kind: 'run.calls', calls });
    await recorder.close();
    return text();
  };
  const verifyLogs = async (to: number, sidecarLog: string, ...more: readonly string[]) => {
    const given = { ...files, 'r.jsonl': await recordHead(to), 'sidecar.log': sidecarLog };
    const words = ['audit', 'verify', 'r.jsonl', '--key', 'key.pem', '--no-heads'];
    return runCli([...words, '--calls', 'sidecar.log', ...more], { files: given });
  };

  it('exits with 0 when the records state every line', async () => {
    const { code, out } = await verifyLogs(2, log);
    expect(out).toMatch(/RUN +LINES +FIRST +LAST +RECORDED THROUGH\nrun-1 +3 +0 +2 +2\n/);
    expect([code, out.trimEnd().split('\n').at(-1)]).toEqual([0, 'No problems found.']);
  });

  it.each([
    ['a changed line', log.replace('"out":1', '"out":7'), 'sidecar.log:3: call_modified: '],
    ['a missing line', log.replace(lines[1] ?? '', ''), 'sidecar.log:3: call_gap: '],
    ['a missing end', log.replace(lines[2] ?? '', ''), 'r.jsonl:2: call_truncated: '],
    ['a log without the run', '{"message":"sidecar ready"}\n', 'r.jsonl:2: call_missing: '],
  ])('exits with 1 and reports %s', async (_, sidecarLog, expected) => {
    const { code, out } = await verifyLogs(2, sidecarLog);
    expect(out).toContain(expected);
    expect(code).toBe(1);
  });

  it('exits with 4 and names the range after the last recorded line', async () => {
    const { code, out } = await verifyLogs(1, log);
    expect(out).toContain(
      'sidecar.log:4: unverified: call_beyond_record: lines 2 to 2 of run run-1, and what followed them',
    );
    expect(code).toBe(4);
  });

  it('accepts logs of some runs only with --partial', async () => {
    const { code, out } = await verifyLogs(2, '', '--partial');
    expect(out).toContain('note: call_missing_allowed: no lines of run run-1');
    expect(code).toBe(0);
  });

  it('verifies only the chains without audit files, and needs no cluster', async () => {
    const words = ['audit', 'verify', '--calls', 'sidecar.log', '-o', 'json'];
    const { code, out, opened } = await runCli(words, { files: { 'sidecar.log': log } });
    expect(JSON.parse(out)).toMatchObject({ faults: [], runs: [{ run: 'run-1', lines: 3 }] });
    expect([code, opened]).toEqual([4, []]);
  });
});

describe('audit timeline', () => {
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

  it('shows the steps of a run from records and the cloud log in order', async () => {
    const given = { 'r.jsonl': await records(), 'ops.log': `${call}\n` };
    const words = ['audit', 'timeline', 'run-1', '--records', 'r.jsonl', '--cloud-log', 'ops.log'];
    const { code, out } = await runCli(words, { files: given });
    const kinds = out.split('\n').flatMap((line) => /Z {2}(\w+( call)?)/.exec(line)?.[1] ?? []);
    expect(kinds).toEqual(['intent', 'cloud call', 'end']);
    expect(out).toContain('get_obj acme/a.txt: 200, from 10.0.0.7');
    expect(code).toBe(0);
  });

  it("shows each call with its decision next to the cloud's own log line", async () => {
    const refused = { resources: ['arn:aws:s3:::acme/b'], code: 'resource_outside', status: 403 };
    const { lines } = chainCalls([
      buildCallEntry({ at: Date.parse('2026-01-01T00:00:03Z') }),
      buildCallEntry({ ...refused, outcome: 'refused', at: Date.parse('2026-01-01T00:00:04Z') }),
    ]);
    const given = {
      'r.jsonl': await records(),
      'ops.log': `${call}\n`,
      'sidecar.log': `{"message":"sidecar ready"}\n${lines.join('')}`,
    };
    const words = ['audit', 'timeline', 'run-1', '--records', 'r.jsonl', '--cloud-log', 'ops.log'];
    const { code, out } = await runCli([...words, '--calls', 'sidecar.log'], { files: given });
    const [decision, cloud, refusal] = out.split('\n').slice(2);
    expect(decision).toContain(
      'call         s3.GetObject on arn:aws:s3:::acme/a.txt (s3:GetObject): allowed, status 200, 0 bytes in, 512 bytes out, 12 ms',
    );
    expect(cloud).toContain('cloud call   get_obj acme/a.txt: 200, from 10.0.0.7');
    expect(refusal).toContain('refused resource_outside, status 403');
    expect(code).toBe(0);
  });

  it('ignores non-record lines only with --log', async () => {
    const whole = await records();
    const edited = whole.split('\n').find((line) => line.includes('run.intent'));
    const log = `{"message":"run issued","run":"run-1"}\n${whole}`;
    const words = ['audit', 'timeline', 'run-1', '--records', '-'];
    const renderTimeline = async (text: string, ...more: readonly string[]) =>
      (await runCli([...words, ...more], { files: { '-': text } })).out;
    expect(await renderTimeline(log)).toContain(
      '1 lines mention the run but are not valid records',
    );
    expect(await renderTimeline(log, '--log')).not.toContain('not valid records');
    expect(await renderTimeline(log, '--log')).toContain('intent');
    const forged = `${log}${edited?.replace('acme', 'evil') ?? ''}\n`;
    expect(await renderTimeline(forged, '--log')).toContain(
      '1 lines mention the run but are not valid records',
    );
  });

  it('exits with 1 for a run without records', async () => {
    const words = ['audit', 'timeline', 'run-9', '--records', '-', '-o', 'json'];
    const { code, out } = await runCli(words, { files: { '-': await records() } });
    expect(JSON.parse(out)).toMatchObject({ run: 'run-9', steps: [] });
    expect(code).toBe(1);
  });

  it('rejects a command without --records', async () => {
    const { code, error } = await runCli(['audit', 'timeline', 'run-1']);
    expect(error).toContain("required option '--records <file>'");
    expect(code).toBe(2);
  });
});
