import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execInPod } from '../../cluster/kubectl.ts';
import {
  createRevocation,
  createRevocationNames,
  recordSeconds,
  waitForConsumerLine,
} from '../authority/revocation-objects.ts';
import {
  callCloudFromPod,
  callSidecarFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  recordSecrets,
  runPod,
  toEnvironment,
} from '../test-context.ts';
import type { CredentialKeys, Declaration, PodRef, SidecarAnswer } from '../test-context.ts';
import { hasBegun } from './slow-upload.ts';
import type { CutLine } from './slow-upload.ts';

const AGENTS = ['planner', 'researcher', 'writer', 'uploader'] as const;
type Agent = (typeof AGENTS)[number];
type Started = { run: string; credentials: CredentialKeys };

const task: Declaration = {
  delivery: 'sign',
  delegated: 'allowed',
  allow: [
    { actions: ['s3:GetObject', 's3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] },
  ],
};
/** What the planner delegates, of all that each agent declares. */
const part = [{ actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/part/*'] }];

describe(`a run on ${cloud.name} that is delegated from agent to agent`, () => {
  const names = createRevocationNames('delegation');
  let namespace = '';
  const place = (agent: Agent): PodRef => ({ namespace, pod: agent });

  beforeAll(async () => {
    namespace = await createNamespace('delegation', [...AGENTS]);
    await names.deleteAll();
    await Promise.all(
      AGENTS.map((name) =>
        runPod({ name, namespace, serviceAccount: name, tasks: { work: task } }),
      ),
    );
  });

  afterAll(names.deleteAll);

  const start = (agent: Agent, body: object = {}): Promise<SidecarAnswer<Started>> =>
    callSidecarWithRetry<Started>(place(agent), 'POST', '/v1/tasks/work/runs', body);

  const delegate = (
    from: Agent,
    run: string,
    details: object,
  ): Promise<SidecarAnswer<{ handle: string; Code?: string }>> =>
    callSidecarWithRetry(place(from), 'POST', `/v1/runs/${run}/delegations`, {
      task: 'work',
      ...details,
    });

  const pass = async (from: Agent, to: Agent, run: string, allow?: object): Promise<Started> => {
    const audience = { namespace, serviceAccount: to };
    const minted = await delegate(from, run, { audience, ...(allow && { allow }) });
    expect(minted.status).toBe(201);
    recordSecrets(minted.body.handle);
    const { status, body } = await start(to, { delegation: minted.body.handle });
    expect(status).toBe(201);
    return body;
  };

  /** Three hops: each run has less than what its pod declares. */
  const passToUploader = async (planned: Started): Promise<Started> => {
    const second = await pass('planner', 'researcher', planned.run, part);
    const third = await pass('researcher', 'writer', second.run, part);
    return pass('writer', 'uploader', third.run, part);
  };

  const upload = async ({ credentials }: Started, key: string) => {
    const command = ['/usr/bin/node', '/app/agent.mjs', 'upload', 'acme-data', key, '-'];
    const input = JSON.stringify(toEnvironment(credentials));
    const ended = execInPod(cluster, { ...place('uploader'), container: 'agent' }, command, {
      input,
    });
    const since = Date.now();
    await waitForConsumerLine(
      place('uploader'),
      'the begin of its upload',
      (line: { hasBegun?: boolean; at: number }) => hasBegun(line) && line.at >= since,
    );
    return async (): Promise<CutLine & { at: number }> => {
      const line = await waitForConsumerLine<CutLine>(
        place('uploader'),
        'the end of its upload',
        ({ cut, at }) => cut !== undefined && at >= since,
      );
      await ended;
      return line;
    };
  };

  it('reaches what was delegated, and nothing else that its pod declares', async () => {
    const last = await passToUploader((await start('planner')).body);
    const env = toEnvironment(last.credentials);
    const inside = await callCloudFromPod(place('uploader'), 'put', 'work/part/a', { env });
    expect(inside.status).toBe(200);
    const outside = await callCloudFromPod(place('uploader'), 'put', 'work/other', { env });
    expect(outside.status).toBe(403);
    const other = await callCloudFromPod(place('uploader'), 'get', 'work/part/a', { env });
    expect(other.status).toBe(403);
    const fourth = await delegate('uploader', last.run, {
      audience: { namespace, serviceAccount: 'planner' },
    });
    expect([fourth.status, fourth.body.Code]).toEqual([403, 'delegation_too_deep']);
  });

  it('refuses a handle to another agent, and a second use', async () => {
    const { run } = (await start('planner')).body;
    const audience = { namespace, serviceAccount: 'researcher' };
    const { handle } = (await delegate('planner', run, { audience })).body;
    expect((await start('writer', { delegation: handle })).status).toBe(403);
    expect((await start('researcher', { delegation: handle })).status).toBe(201);
    expect((await start('researcher', { delegation: handle })).status).toBe(403);
  });

  it('is cut when the first run of the chain is revoked', async () => {
    const planned = (await start('planner')).body;
    const waitForCut = await upload(await passToUploader(planned), 'work/part/revoked');
    const revokedAt = await createRevocation(names.get('delegation'), { run: planned.run });
    const line = await waitForCut();
    recordSeconds(
      'from the Revocation of a run to the cut of an upload three hops below',
      line.at - revokedAt,
    );
    expect(line.cut).not.toBe('never');
    expect(line.at - revokedAt).toBeLessThan(10_000);
  });

  it('is cut when the first run of the chain completes', async () => {
    const planned = (await start('planner')).body;
    const waitForCut = await upload(await passToUploader(planned), 'work/part/completed');
    const endedAt = Date.now();
    await callSidecarFromPod(place('planner'), 'DELETE', `/v1/runs/${planned.run}`);
    const line = await waitForCut();
    recordSeconds(
      'from the end of a run to the cut of an upload three hops below',
      line.at - endedAt,
    );
    expect(line.cut).not.toBe('never');
  });
});
