import { afterEach, describe, expect, it } from '@jest/globals';

import type { TaskProposal } from '../../../lib/contract/proposals.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import { PROPOSAL_NAME, SAMPLE_PROPOSAL } from '../../../test/kit/proposal-cases.ts';
import { createHealthyCluster } from '../fixtures/cli-harness.ts';
import type { ClusterClient } from '../cluster.ts';
import { listForms, startTestConsole } from './fixtures/test-console.ts';

const NOW = Date.parse('2026-01-05T13:30:00Z');
const PROPOSAL: TaskProposal = {
  ...{ name: PROPOSAL_NAME, namespace: 'research', uid: 'uid-1', createdAt: NOW - 60_000 },
  spec: { ...SAMPLE_PROPOSAL, cedar: '', reason: '<b>approve</b>\u202e' },
};
const DETAIL = `/proposals/research/${PROPOSAL_NAME}`;

let running: Awaited<ReturnType<typeof startTestConsole>> | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

const start = async (cluster: Partial<ClusterClient> = {}, isReadOnly = false) => {
  const state: { proposal: TaskProposal | undefined } = { proposal: PROPOSAL };
  const dismissed: object[] = [];
  const list = () => Promise.resolve(state.proposal === undefined ? [] : [state.proposal]);
  const proposals: ClusterClient['proposals'] = {
    ...{ list, listAll: list },
    read: () => Promise.resolve(state.proposal),
    dismiss: (proposal) => {
      dismissed.push(proposal);
      return Promise.resolve('removed');
    },
  };
  running = await startTestConsole(
    { ...createHealthyCluster(), proposals, ...cluster },
    { now: NOW, isReadOnly },
  );
  return { ...running, state, dismissed, proposals };
};

describe('the proposals in the console', () => {
  it('are listed, and of the own namespace where the user may see no other', async () => {
    const { get, proposals } = await start();
    expect((await get('/proposals')).body).toContain(`${DETAIL}"><code>${PROPOSAL_NAME}`);
    await running?.close();
    const listAll = () =>
      Promise.reject(new KubernetesError('refused', 'list', { reason: 'status 403' }));
    const narrowed = await start({ proposals: { ...proposals, listAll } });
    const { body } = await narrowed.get('/proposals');
    expect(body).toContain('You may not list the proposals of every namespace');
    expect(body).toContain(PROPOSAL_NAME);
  });

  it("show the diff, and the agent's words as untrusted and escaped", async () => {
    const { get } = await start();
    const { body } = await get(DETAIL);
    expect(body).toContain('+  - actions: [');
    expect(body).toContain('None: policy permits it.');
    expect(body).toMatch(/words \(untrusted\)/);
    expect(body).toContain(String.raw`&lt;b&gt;approve&lt;/b&gt;\u{202e}`);
    expect(body).not.toContain('<b>approve');
  });

  it('offer nothing that would apply them', async () => {
    const { get } = await start();
    const actions = listForms((await get(DETAIL)).body).map(({ action }) => action);
    expect(actions).toEqual([expect.stringMatching(/\/dismiss$/)]);
  });

  it('are dismissed by their UID', async () => {
    const { post, findForm, dismissed, get } = await start();
    const form = await findForm(DETAIL, '/dismiss');
    const { status, headers } = await post(form);
    expect([status, headers['location']]).toEqual([
      303,
      expect.stringContaining('/proposals?notice=dismissed'),
    ]);
    expect(dismissed).toEqual([{ namespace: 'research', name: PROPOSAL_NAME, uid: 'uid-1' }]);
    expect((await get('/proposals?notice=dismissed')).body).toContain('was deleted');
  });

  it.each([
    ['made again', { ...PROPOSAL, uid: 'uid-2' }],
    ['gone', undefined],
  ])('are not dismissed when one was %s', async (_, changed) => {
    const { post, findForm, state, dismissed } = await start();
    const form = await findForm(DETAIL, '/dismiss');
    state.proposal = changed;
    expect((await post(form)).status).toBe(409);
    expect(dismissed).toEqual([]);
  });

  it('are not dismissed from another page, or in a console that is read-only', async () => {
    const { post, findForm, dismissed } = await start();
    const form = await findForm(DETAIL, '/dismiss');
    expect((await post(form, {}, { Origin: 'http://127.0.0.1:1' })).status).toBe(403);
    expect(dismissed).toEqual([]);
    await running?.close();
    const readOnly = await start({}, true);
    expect(listForms((await readOnly.get(DETAIL)).body)).toEqual([]);
  });

  it('say why the user may not dismiss them', async () => {
    const { get } = await start({ checkAccess: () => Promise.resolve(false) });
    expect((await get(DETAIL)).body).toContain(
      'You do not have the right to delete taskproposals in namespace research.',
    );
  });

  it('are not found by another name', async () => {
    const { get, state } = await start();
    state.proposal = undefined;
    expect((await get(DETAIL)).status).toBe(404);
    expect((await get('/proposals/research/tp-1')).status).toBe(404);
  });
});
