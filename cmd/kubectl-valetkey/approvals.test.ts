import { describe, expect, it } from '@jest/globals';

import { REQUEST_NAME, SAMPLE_REQUEST } from '../../test/kit/approval-cases.ts';
import type { ApprovalRequest, ApprovalSpec } from '../../lib/contract/approvals.ts';
import { runCli } from './fixtures/cli-harness.ts';

const request: ApprovalRequest = {
  ...{ name: REQUEST_NAME, namespace: 'research', uid: 'uid-1', createdAt: 0 },
  spec: {
    ...SAMPLE_REQUEST,
    request: [{ name: 'param month', value: '05\u202E\u001B[2J' }],
    expiresAt: '2026-01-05T13:45:00Z',
  },
};
const twoGroups: ApprovalRequest = {
  ...request,
  spec: {
    ...request.spec,
    groups: [
      { name: 'data-owners', quorum: 2 },
      { name: 'security', quorum: 1 },
    ],
  },
};

const run = async (
  words: readonly string[],
  { found = request, answer }: { found?: ApprovalRequest; answer?: string } = {},
) => {
  const decided: { name: string; spec: ApprovalSpec; uid: string }[] = [];
  const listed: (string | undefined)[] = [];
  const result = await runCli(words, {
    ...(answer !== undefined && { answer }),
    cluster: {
      approvals: {
        list: (namespace) => {
          listed.push(namespace);
          return Promise.resolve([found, { ...found, name: 'ar-2', state: 'used' }]);
        },
        read: (namespace, name) =>
          Promise.resolve(namespace === 'research' && name === REQUEST_NAME ? found : undefined),
        listDecisions: () => Promise.resolve([]),
        decide: ({ uid }, approval) => {
          decided.push({ uid, ...approval });
          return Promise.resolve('created');
        },
      },
    },
  });
  return { ...result, decided, listed };
};

const IN = ['-n', 'research'];
const approved = {
  request: { name: REQUEST_NAME, uid: 'uid-1', digest: SAMPLE_REQUEST.digest },
  ...{ decision: 'approve', group: 'data-owners', by: 'alice' },
};

describe('requests', () => {
  it('lists requests with what is left of their time', async () => {
    const { out, listed, code } = await run(['requests', ...IN]);
    expect(out.split('\n')[1]).toBe(
      `research   ${REQUEST_NAME}  write  agent-0  data-owners  pending  15m`,
    );
    expect(out).toContain('used');
    expect([code, listed]).toEqual([0, ['research']]);
  });

  it('lists the requests of every namespace with -A', async () => {
    expect((await run(['requests', '-A'])).listed).toEqual([undefined]);
  });
});

describe('approve', () => {
  it('prints the request and its digest, asks, and approves exactly this object', async () => {
    const { questions, decided, code } = await run(['approve', ...IN, REQUEST_NAME], {
      answer: 'yes\n',
    });
    expect(questions[0]).toContain(`digest    ${SAMPLE_REQUEST.digest}`);
    expect(questions[0]).toContain('Approve this request for data-owners, as alice? Type yes: ');
    expect(decided).toEqual([{ uid: 'uid-1', name: `${REQUEST_NAME}-id1`, spec: approved }]);
    expect(code).toBe(0);
  });

  it('shows no control or bidirectional characters, in any format', async () => {
    const asked = await run(['approve', ...IN, REQUEST_NAME], { answer: 'yes' });
    const printed = await run(['approve', ...IN, REQUEST_NAME, '--yes']);
    const json = await run(['requests', ...IN, '-o', 'json']);
    const yaml = await run(['requests', ...IN, '-o', 'yaml']);
    for (const text of [asked.questions.join(), printed.out, json.out, yaml.out]) {
      expect(text).not.toMatch(/[\u001B\u202E]/);
    }
    expect(printed.out).toContain('param month: 05\\u{202e}\\u{1b}[2J');
  });

  it.each(['', 'y', 'no'])('decides nothing after the reply "%s"', async (answer) => {
    const { code, decided, error } = await run(['approve', ...IN, REQUEST_NAME], { answer });
    expect([code, decided]).toEqual([1, []]);
    expect(error).toContain('nothing was decided');
  });

  it('needs --yes without a terminal', async () => {
    const { code, decided, error } = await run(['approve', ...IN, REQUEST_NAME]);
    expect([code, decided]).toEqual([2, []]);
    expect(error).toContain('--yes');
  });

  it('needs the group if several are asked', async () => {
    const none = await run(['approve', ...IN, REQUEST_NAME, '--yes'], { found: twoGroups });
    expect([none.code, none.decided]).toEqual([2, []]);
    expect(none.error).toContain('--group: expected one of data-owners, security');
    const one = await run(['approve', ...IN, REQUEST_NAME, '--yes', '--group', 'security'], {
      found: twoGroups,
    });
    expect(one.decided[0]?.spec.group).toBe('security');
  });

  it('names the request that does not exist', async () => {
    const { code, error } = await run(['approve', '-n', 'other', REQUEST_NAME, '--yes']);
    expect(code).toBe(1);
    expect(error).toContain(`ApprovalRequest other/${REQUEST_NAME}: expected it to exist`);
  });
});

describe('deny', () => {
  it('records the reason', async () => {
    const words = ['deny', ...IN, REQUEST_NAME, '--yes', '--reason', 'too wide'];
    const { decided, out } = await run(words);
    expect(decided[0]?.spec).toEqual({ ...approved, decision: 'deny', reason: 'too wide' });
    expect(out).toContain('denied for data-owners by alice');
  });
});

describe('breakglass and review', () => {
  it('decides alone about exactly this object, with the incident, after a reply', async () => {
    const words = ['breakglass', ...IN, REQUEST_NAME, '--incident', 'INC-7'];
    const { questions, decided, code } = await run(words, { answer: 'yes' });
    expect(questions[0]).toContain(
      'Decide alone about this request, because of INC-7, for data-owners',
    );
    const spec = { ...approved, emergency: { incident: 'INC-7' } };
    expect(decided).toEqual([{ uid: 'uid-1', name: `${REQUEST_NAME}-id1`, spec }]);
    expect(code).toBe(0);
  });

  it('needs an incident', async () => {
    const { code, decided, error } = await run(['breakglass', ...IN, REQUEST_NAME, '--yes']);
    expect([code, decided]).toEqual([2, []]);
    expect(error).toContain('--incident');
  });

  it('records a review', async () => {
    const { decided, out } = await run(['review', ...IN, REQUEST_NAME, '--yes']);
    expect(decided.map(({ spec }) => spec)).toEqual([{ ...approved, decision: 'review' }]);
    expect(out).toContain('reviewed for data-owners by alice');
  });
});
