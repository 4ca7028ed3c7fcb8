import { describe, expect, it } from '@jest/globals';

import type { SmokeProbeLine, SmokeProbePlan } from '../../lib/contract/smoke-test.ts';
import { runSmokeProbe, type ProbeDeps } from './smoke-probe.ts';

const PLAN: SmokeProbePlan = {
  ...{ region: 'eu-central-1', dialect: 's3', allowHttp: true },
  s3Endpoint: 'http://s3.example:9000',
  replays: true,
  objects: {
    first: { bucket: 'acme', key: 'reports/a b.txt' },
    second: { bucket: 'acme', key: 'other.txt' },
  },
};
const EXPIRATION = Date.parse('2026-01-05T13:30:00Z');
const denied = { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' };

type Cloud = {
  /** Seconds after the advertised expiration at which the cloud denies; Infinity: never. */
  readonly deadlineSeconds?: number;
  readonly ignoresScope?: boolean;
};

/** Runs the probe against a cloud whose clock advances with each pause. */
const runProbe = async (
  { deadlineSeconds = 3, ignoresScope = false }: Cloud = {},
  changes: Partial<ProbeDeps> = {},
): Promise<readonly SmokeProbeLine[]> => {
  const lines: SmokeProbeLine[] = [];
  let now = EXPIRATION - 5_000;
  await runSmokeProbe(PLAN, {
    askSidecar: (path) => {
      const task = path.split('/')[3] ?? '';
      const keys = { AccessKeyId: task, SecretAccessKey: 'secret-key', Token: 'token' };
      const Expiration = new Date(EXPIRATION).toISOString();
      return Promise.resolve({ status: 200, body: JSON.stringify({ ...keys, Expiration }) });
    },
    sendToCloud: ({ url, headers }) => {
      const isFirst = headers['authorization']?.includes('Credential=first/') === true;
      const isOwn = url.endsWith(isFirst ? '/acme/reports/a%20b.txt' : '/acme/other.txt');
      const isExpired = now >= EXPIRATION + deadlineSeconds * 1000;
      const isAllowed = (isOwn || ignoresScope) && !isExpired;
      return Promise.resolve(isAllowed ? { status: 200, body: '' } : denied);
    },
    tryKeys: () => Promise.resolve([{ api: 'iam', outcome: 'denied', answer: '403 AccessDenied' }]),
    print: (line) => void lines.push(line),
    now: () => now,
    pause: (ms) => {
      now += ms;
      return Promise.resolve();
    },
    ...changes,
  });
  return lines;
};

const listReads = (lines: readonly SmokeProbeLine[]): readonly string[] =>
  lines.flatMap((line) => (line.step === 'read' ? [`${line.task} ${line.of} ${line.answer}`] : []));

describe('runSmokeProbe', () => {
  it('reads with each task its own object and that of the other, then until the deadline', async () => {
    const lines = await runProbe();
    expect(listReads(lines)).toEqual([
      'first first 200',
      'first second 403 AccessDenied',
      'second first 403 AccessDenied',
      'second second 200',
    ]);
    expect(lines).toContainEqual({
      ...{ step: 'key', api: 'iam', outcome: 'denied', answer: '403 AccessDenied' },
    });
    expect(lines.at(-1)).toEqual({ step: 'denied', afterSeconds: 3, answer: '403 AccessDenied' });
  });

  it('prints no secret key, and a signed request for the object of the first task', async () => {
    const lines = await runProbe();
    expect(JSON.stringify(lines)).not.toContain('secret-key');
    const replay = lines.find((line) => line.step === 'replay');
    expect(replay?.url).toBe('http://s3.example:9000/acme/reports/a%20b.txt');
    expect(replay?.headers['authorization']).toContain('Credential=first/');
  });

  it('reports a cloud that ignores scope or deadline', async () => {
    expect(listReads(await runProbe({ ignoresScope: true }))).toContain('first second 200');
    const endless = await runProbe({ deadlineSeconds: Infinity });
    expect(endless.at(-1)).toEqual({ step: 'remains', afterSeconds: 61 });
  });

  it('waits for the sidecar, and ends if it refuses', async () => {
    let asked = 0;
    const body = JSON.stringify({ Code: 'policy_denied', Message: 'no permit' });
    const askSidecar = () => {
      asked += 1;
      return asked < 3
        ? Promise.reject(new Error('ECONNREFUSED'))
        : Promise.resolve({ status: 403, body });
    };
    expect(await runProbe({}, { askSidecar })).toEqual([
      { step: 'refused', task: 'first', answer: '403 policy_denied: no permit' },
    ]);
  });

  it('reports that the cloud gave no response in the end', async () => {
    const sendToCloud = () => Promise.reject(new Error('timeout'));
    expect((await runProbe({}, { sendToCloud })).at(-1)).toEqual({
      ...{ step: 'failed', answer: 'timeout' },
    });
  });
});
