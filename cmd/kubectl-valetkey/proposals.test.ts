import { describe, expect, it } from '@jest/globals';

import type { TaskProposal } from '../../lib/contract/proposals.ts';
import { PROPOSAL_NAME, SAMPLE_PROPOSAL } from '../../test/kit/proposal-cases.ts';
import { runCli } from './fixtures/cli-harness.ts';

const proposal: TaskProposal = {
  ...{ name: PROPOSAL_NAME, namespace: 'research', uid: 'uid-1', createdAt: 0 },
  spec: {
    ...SAMPLE_PROPOSAL,
    cedar: 'permit (\n  principal\n);\n',
    reason: 'approve\u202Eme\u001B[2J',
    expiresAt: '2026-01-05T13:45:00Z',
  },
};

const run = async (words: readonly string[], found: TaskProposal = proposal) => {
  const listed: (string | undefined)[] = [];
  const list = (namespace?: string) => {
    listed.push(namespace);
    return Promise.resolve([found]);
  };
  const result = await runCli(words, {
    cluster: {
      proposals: {
        list,
        listAll: () => list(),
        read: (namespace, name) =>
          Promise.resolve(namespace === 'research' && name === PROPOSAL_NAME ? found : undefined),
        dismiss: () => Promise.reject(new Error('the command deletes nothing')),
      },
    },
  });
  return { ...result, listed };
};

const IN = ['-n', 'research'];

describe('proposals', () => {
  it('lists the proposals of a namespace, or of every one', async () => {
    const { out, listed, code } = await run(['proposals', ...IN]);
    expect(out.split('\n')[1]).toBe(
      `research   ${PROPOSAL_NAME}  report  agent-0  s3:PutObject  15m`,
    );
    expect([code, listed]).toEqual([0, ['research']]);
    expect((await run(['proposals', '-A'])).listed).toEqual([undefined]);
  });

  it('shows one with the changes that a person would make', async () => {
    const { out, code } = await run(['proposals', ...IN, PROPOSAL_NAME]);
    expect(code).toBe(0);
    expect(out).toContain('Change of the annotation:\n  --- task.valetkey.dev/report\n');
    expect(out).toContain('  +  - actions: ["s3:PutObject"]\n');
    expect(out).toContain('Policy:\n  permit (\n    principal\n  );\n');
    expect(out).toContain(`kubectl delete taskproposal -n research ${PROPOSAL_NAME}`);
  });

  it("marks the agent's words, and escapes what could mislead", async () => {
    const { out } = await run(['proposals', ...IN, PROPOSAL_NAME]);
    expect(out).toContain(String.raw`the agent says (untrusted): approve\u{202e}me\u{1b}[2J`);
    expect(out).not.toMatch(/[\u202E\u001B]/);
  });

  it('says where nothing has to be changed', async () => {
    const spec = { ...proposal.spec, annotation: '', cedar: '' };
    const { out } = await run(['proposals', ...IN, PROPOSAL_NAME], { ...proposal, spec });
    expect(out).toContain('Change of the annotation: none: the task declares it');
    expect(out).toContain('Policy: none: policy permits it');
  });

  it('prints JSON', async () => {
    const { out } = await run(['proposals', ...IN, PROPOSAL_NAME, '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({ proposal: { name: PROPOSAL_NAME } });
  });

  it('fails for a proposal that does not exist', async () => {
    const { error, code } = await run(['proposals', '-n', 'other', PROPOSAL_NAME]);
    expect(code).toBe(1);
    expect(error).toContain(`TaskProposal other/${PROPOSAL_NAME}: expected it to exist`);
  });
});
