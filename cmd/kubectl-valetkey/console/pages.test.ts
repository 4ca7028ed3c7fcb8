import { describe, expect, it } from '@jest/globals';

import type { Approval, ApprovalRequest } from '../../../lib/contract/approvals.ts';
import { REQUEST_NAME, SAMPLE_APPROVAL, SAMPLE_REQUEST } from '../../../test/kit/approval-cases.ts';
import { renderApproval } from './approval-detail.ts';
import type { Page } from './console-context.ts';
import { listForms } from './fixtures/test-console.ts';
import { renderOverview } from './overview.ts';
import type { Permission } from './permissions.ts';
import { renderRuns } from './runs.ts';
import { createSession } from './session.ts';

const NOW = Date.parse('2026-01-05T13:30:00Z');
const context = { session: createSession() };
const allowed: Permission = { isAllowed: true };
const show = ({ content }: Page): string => content.markup.replaceAll(/\s+/g, ' ');

const run = {
  ...{
    kind: 'run.issued',
    at: NOW,
    run: 'run-1',
    request: '',
    namespace: 'research',
    serviceAccount: 'agent',
  },
  ...{ pod: 'agent-7', podUid: 'uid-7', consumer: 'agent', task: 'summarize' },
  ...{ user: 'mara of https://login.example', code: '', message: '', policies: [], subject: '' },
  ...{ count: 1, deadline: NOW + 60_000, actions: ['s3:GetObject'], resources: ['arn:aws:s3:::a'] },
};
const request: ApprovalRequest = {
  ...{ name: REQUEST_NAME, namespace: 'research', uid: 'uid-1', createdAt: NOW },
  spec: {
    ...SAMPLE_REQUEST,
    groups: [
      { name: 'data-owners', quorum: 1 },
      { name: 'security', quorum: 2 },
    ],
    requester: {
      ...SAMPLE_REQUEST.requester,
      chain: [{ run: 'r1', namespace: 'research', serviceAccount: 'root', task: 'plan' }],
      user: { issuer: 'https://login.example', subject: 'mara' },
    },
  },
};

describe('renderRuns', () => {
  const data = { runs: [run], knownSince: NOW - 60_000, problems: [] };

  it('shows a run with its user, its scope and since when runs are known', () => {
    const text = show(renderRuns(data, allowed, context));
    for (const part of ['summarize', 'for mara of https://login.example', 's3:GetObject'])
      expect(text).toContain(part);
    expect(text).toContain('known since <time datetime="2026-01-05T13:29:00.000Z">');
    expect(listForms(text)).toMatchObject([{ fields: { uid: 'uid-7' } }]);
  });

  it('shows the newest 500 and how many there are', () => {
    const runs = Array.from({ length: 501 }, (_, at) => ({ ...run, run: `run-${at}` }));
    const text = show(renderRuns({ ...data, runs }, allowed, context));
    expect(text).toContain('The newest 500 of 501');
    expect(listForms(text)).toHaveLength(500);
  });

  it('says which records are missing', () => {
    const problems = ['get log of pod valetkey/valetkey-authority-1: refused (status 403)'];
    expect(show(renderRuns({ ...data, problems }, allowed, context))).toContain(
      `<li>${problems[0] ?? ''}</li>`,
    );
  });
});

describe('renderApproval', () => {
  const decisions: readonly Approval[] = [
    {
      ...{ name: 'a', uid: 'u', createdAt: NOW },
      spec: { ...SAMPLE_APPROVAL, emergency: { incident: 'INC-1' }, reason: 'at night' },
    },
  ];
  const permissions = new Map<string, Permission>([
    ['data-owners', allowed],
    ['security', { isAllowed: false, why: 'You are not one of them.' }],
  ]);
  const page = renderApproval({ request, decisions, permissions, now: NOW }, context);

  it('shows who asks, through whom, and who decided', () => {
    const text = show(page);
    for (const part of ['mara of https://login.example', 'research/root', 'security/2'])
      expect(text).toContain(part);
    expect(text).toContain('approve (emergency)');
    expect(text).toContain('at night');
  });

  it('has a form for each group that the user may decide for, and a reason for the others', () => {
    expect(listForms(show(page))).toMatchObject([
      { fields: { uid: 'uid-1', digest: SAMPLE_REQUEST.digest, group: 'data-owners' } },
    ]);
    expect(show(page)).toContain('Decide for security: not offered. You are not one of them.');
  });
});

describe('renderOverview', () => {
  it('shows what could not be read beside what could', () => {
    const page = renderOverview({
      ...{ base: '/key', now: NOW, requests: { value: [request] } },
      status: { unknown: 'get configmap valetkey/valetkey-platform: refused (status 403)' },
      runs: { unknown: 'get statefulsets valetkey/valetkey-authority: refused (status 403)' },
    });
    const text = show(page);
    expect(text).toContain('get configmap valetkey/valetkey-platform: refused (status 403)');
    expect(text).toContain('<strong>1</strong> requests wait for a decision');
    expect(text).toContain('<strong>?</strong> live runs');
  });
});
