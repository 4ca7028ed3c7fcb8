import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createMemorySink, createTestRecorder } from '../../../lib/audit/fixtures/recording.ts';
import { REQUEST_NAME, SAMPLE_REQUEST } from '../../../test/kit/approval-cases.ts';
import {
  startEmbeddedApiServer,
  type EmbeddedApiServer,
} from '../../../test/fakes/api-server/embedded-api-server.ts';
import { createClusterClient } from '../cluster.ts';
import { PLATFORM } from '../fixtures/cli-harness.ts';
import { startTestConsole } from './fixtures/test-console.ts';

const API = '/apis/valetkey.dev/v1alpha1';
const REQUEST = `${API}/namespaces/research/approvalrequests/${REQUEST_NAME}`;
const APPROVALS = `${API}/namespaces/research/approvals`;
const REVOCATION = `${API}/revocations/revoke-1`;
const DETAIL = `/approvals/research/${REQUEST_NAME}`;
const VALETKEY = 'namespaces/valetkey';

let folder: string;
let api: EmbeddedApiServer;
let running: Awaited<ReturnType<typeof startTestConsole>>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-console-test-'));
  api = await startEmbeddedApiServer(Date.now);
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, api.buildKubeconfigFor('alice'));
  api.objects.create(`/api/v1/${VALETKEY}/configmaps/valetkey-platform`, {
    data: { 'platform.yaml': PLATFORM },
  });
  api.objects.create(`/apis/apps/v1/${VALETKEY}/statefulsets/valetkey-authority`, {
    spec: { replicas: 1 },
  });
  createRequest();
  const cluster = createClusterClient({ kubeconfig, installedIn: 'valetkey' });
  running = await startTestConsole(cluster, { now: Date.now() });
});
afterEach(async () => {
  await running.close();
  await api.close();
  rmSync(folder, { recursive: true });
});

const createRequest = () =>
  api.objects.create(REQUEST, {
    apiVersion: 'valetkey.dev/v1alpha1',
    kind: 'ApprovalRequest',
    metadata: { name: REQUEST_NAME, namespace: 'research' },
    spec: SAMPLE_REQUEST,
  });
const createRevocation = () =>
  api.objects.create(REVOCATION, {
    metadata: { name: 'revoke-1' },
    spec: { namespace: 'research', reason: 'odd', by: 'bob' },
  });

describe('the console at an API server', () => {
  it('approves a request, and then shows who decided', async () => {
    const { post, findForm, get } = running;
    const form = await findForm(DETAIL, REQUEST_NAME);
    expect((await post(form, { decision: 'approve', reason: 'fine' })).status).toBe(303);
    const [approval, ...others] = api.objects.list(APPROVALS);
    expect(others).toEqual([]);
    expect(approval).toMatchObject({
      metadata: { labels: { 'valetkey.dev/request': REQUEST_NAME } },
      spec: { decision: 'approve', group: 'data-owners', by: 'alice', reason: 'fine' },
    });
    expect((await get(DETAIL)).body).toMatch(/alice.*fine/s);
  });

  it('decides nothing about a request that was deleted and made again', async () => {
    const { post, findForm } = running;
    const form = await findForm(DETAIL, REQUEST_NAME);
    await api.request('DELETE', REQUEST);
    createRequest();
    expect((await post(form, { decision: 'approve' })).status).toBe(409);
    expect(api.objects.list(APPROVALS)).toEqual([]);
  });

  it('lifts a Revocation, but not another of the same name', async () => {
    const { post, findForm } = running;
    createRevocation();
    const stale = await findForm('/revocations', '/lift');
    await api.request('DELETE', REVOCATION);
    createRevocation();
    expect((await post(stale)).status).toBe(409);
    expect(api.objects.get(REVOCATION)).toBeDefined();
    expect((await post(await findForm('/revocations', '/lift'))).status).toBe(303);
    expect(api.objects.get(REVOCATION)).toBeUndefined();
  });

  it('revokes a run that the log of a replica has, and no run that it has not', async () => {
    const { sink, text } = createMemorySink();
    const recorder = await createTestRecorder({ sinks: [sink] });
    await recorder.record({
      ...{ kind: 'run.issued', at: Date.now(), run: 'run-1', task: 'summarize' },
      actor: {
        ...{ namespace: 'research', serviceAccount: 'agent', pod: 'agent-7' },
        ...{ podUid: 'uid-7', consumer: 'agent' },
      },
      scope: {
        ...{ role: 'arn:aws:iam::111122223333:role/r', actions: [], resources: [] },
        deadline: Date.now() + 600_000,
      },
    });
    await recorder.close();
    api.objects.create(`/api/v1/${VALETKEY}/pods/valetkey-authority-0/log`, { text: text() });
    const { post, findForm, session, get } = running;
    const form = await findForm('/runs', '/runs/run-1/revoke');
    const path = '/runs/run-2/revoke';
    const other = {
      action: `/${session.key}${path}`,
      fields: { uid: 'uid-7', csrf: session.buildCsrfToken({ path, uid: 'uid-7' }) },
    };
    expect((await post(other, { reason: 'odd' })).status).toBe(409);
    expect((await post(form, { reason: 'odd' })).status).toBe(303);
    expect(api.objects.list(`${API}/revocations`)).toMatchObject([
      { metadata: { name: 'revoke-id1' }, spec: { run: 'run-1', reason: 'odd', by: 'alice' } },
    ]);
    expect((await get('/runs')).body).toContain('No live runs are known.');
  });
});
