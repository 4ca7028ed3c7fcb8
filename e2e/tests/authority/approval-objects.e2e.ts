import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  buildApproval,
  buildApprovalRights,
  buildRightCases,
  type RightCase,
  APPROVER,
  NAMESPACE_ADMIN,
} from '../../../test/kit/approval-rights.ts';
import {
  APPROVAL_CASES,
  REQUEST_CASES,
  REQUEST_NAME,
  SAMPLE_REQUEST,
} from '../../../test/kit/approval-cases.ts';
import {
  PROPOSAL_CASES,
  PROPOSAL_NAME,
  SAMPLE_PROPOSAL,
} from '../../../test/kit/proposal-cases.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { CommandError } from '../../cluster/command.ts';
import { applyObjects, runKubectl } from '../../cluster/kubectl.ts';
import { cluster, createNamespace, testContext } from '../test-context.ts';

const { namespace: home } = testContext.release;
const AUTHORITY = ['--as', `system:serviceaccount:${home}:valetkey-authority`];

/** Returns the API server's refusal, or an empty string. */
const send = async (args: string[], object?: object): Promise<string> => {
  try {
    await runKubectl(cluster, args, object && { input: JSON.stringify(object) });
    return '';
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
};

const CREATE = ['create', '--validate=strict', '-f', '-'];
const DRY = [...CREATE, '--dry-run=server'];

describe('ApprovalRequests, Approvals and TaskProposals on an API server', () => {
  let namespace: string;

  const buildWritten = (kind: string, name: string, spec: object) => ({
    ...{ apiVersion: 'valetkey.dev/v1alpha1', kind, spec },
    metadata: { name, namespace, labels: { 'valetkey.dev/pod-uid': 'u1' } },
  });
  const buildRequest = (spec: object) => buildWritten('ApprovalRequest', REQUEST_NAME, spec);
  const buildProposal = (spec: object) => buildWritten('TaskProposal', PROPOSAL_NAME, spec);
  const impersonate = (user: string, groups: readonly string[] = []) => [
    ...['--as', user],
    ...['system:authenticated', ...groups].flatMap((group) => ['--as-group', group]),
  ];

  beforeAll(async () => {
    namespace = await createNamespace('approvals');
    await applyObjects(cluster, buildApprovalRights(namespace, namespace));
  });

  it.each(REQUEST_CASES)('decide about a request as the parser does: $title', async (each) => {
    const refusal = await send([...DRY, ...AUTHORITY], buildRequest(each.spec));
    expect(refusal === '').toBe(each.faultAt === undefined);
  });

  it.each(PROPOSAL_CASES)('decide about a proposal as the parser does: $title', async (each) => {
    const refusal = await send([...DRY, ...AUTHORITY], buildProposal(each.spec));
    expect(refusal === '').toBe(each.faultAt === undefined);
  });

  it.each(APPROVAL_CASES)('decide about an approval as the parser does: $title', async (each) => {
    const object = buildApproval(namespace, { user: APPROVER });
    // The schema is checked before policies, which refuse what is in another name.
    const refusal = await send([...DRY, '--as', 'someone', '--as-group', 'system:masters'], {
      ...object,
      spec: each.spec,
    });
    expect(refusal.includes(' is invalid: ')).toBe(each.faultAt !== undefined);
  });

  it.each(buildRightCases('NAMESPACE'))('decide about $title', async (each) => {
    const named = (text: string) => text.replace('NAMESPACE', namespace);
    const user = named(each.user);
    const args = [...DRY, ...impersonate(user, each.groups?.map(named))];
    const refusal = await send(args, buildApproval(namespace, { ...each, user }));
    if (each.refusal === undefined) expect(refusal).toBe('');
    else {
      expect(refusal).toContain('valetkey-approvals');
      expect(refusal).toContain(each.refusal);
    }
  });

  it('let only the authority write a request, its state or its labels', async () => {
    const object = buildRequest(SAMPLE_REQUEST);
    const admin = impersonate(NAMESPACE_ADMIN);
    expect(await send([...CREATE, ...admin], object)).toContain('valetkey-approval-requests');
    expect(await send(CREATE, object)).toContain('valetkey-approval-requests');
    expect(await send([...CREATE, ...AUTHORITY], object)).toBe('');
    const patch = (change: object, ...more: string[]) =>
      send([
        ...['patch', 'approvalrequest', REQUEST_NAME, '-n', namespace, '--type=merge'],
        ...['-p', JSON.stringify(change), ...more],
      ]);
    const state = { status: { state: 'approved' } };
    const onStatus = '--subresource=status';
    expect(await patch(state, onStatus, ...admin)).toContain('valetkey-approval-requests');
    const labels = { metadata: { labels: { 'valetkey.dev/pod-uid': 'u2' } } };
    expect(await patch(labels, ...admin)).toContain('valetkey-approval-requests');
    const spec = { spec: { groups: [{ name: 'other', quorum: 1 }] } };
    expect(await patch(spec, ...admin)).toContain('does not change');
    expect(await patch({ metadata: { annotations: { a: 'b' } } }, ...admin)).toBe('');
    expect(await send(['delete', 'approvalrequest', REQUEST_NAME, '-n', namespace, ...admin])).toBe(
      '',
    );
  });

  it('let only the authority write a proposal, and approvers only read it', async () => {
    const object = buildProposal(SAMPLE_PROPOSAL);
    const admin = impersonate(NAMESPACE_ADMIN);
    expect(await send([...CREATE, ...admin], object)).toContain('valetkey-approval-requests');
    expect(await send(CREATE, object)).toContain('TaskProposal: expected');
    expect(await send([...CREATE, ...AUTHORITY], object)).toBe('');
    const at = ['taskproposal', PROPOSAL_NAME, '-n', namespace];
    const patch = (change: object, ...more: string[]) =>
      send(['patch', ...at, '--type=merge', '-p', JSON.stringify(change), ...more]);
    expect(await patch({ spec: { task: 'other' } }, ...admin)).toContain('does not change');
    expect(await patch({ spec: { task: 'other' } }, ...AUTHORITY)).not.toBe('');
    const labels = { metadata: { labels: { 'valetkey.dev/pod-uid': 'u2' } } };
    expect(await patch(labels, ...admin)).toContain('valetkey-approval-requests');
    const approver = impersonate(APPROVER);
    expect(await send(['get', ...at, ...approver])).toBe('');
    expect(await send(['delete', ...at, ...approver])).toContain('forbidden');
    expect(await send(['delete', ...at, ...admin])).toBe('');
  });

  it('keep an approval unchanged and under its label', async () => {
    const object = buildApproval(namespace, { user: APPROVER, change: { decision: 'deny' } });
    const { generateName, ...metadata } = object.metadata;
    const stored = { ...object, metadata: { ...metadata, name: `${generateName}denied` } };
    expect(await send([...CREATE, ...impersonate(APPROVER)], stored)).toBe('');
    const patch = (change: object) =>
      send([
        ...['patch', 'approval', stored.metadata.name, '-n', namespace, '--type=merge'],
        ...['-p', JSON.stringify(change)],
      ]);
    expect(await patch({ spec: { decision: 'approve' } })).toContain('does not change');
    const label = { metadata: { labels: { 'valetkey.dev/request': 'ar-99999999999999999999' } } };
    expect(await patch(label)).toContain('valetkey-approvals');
    expect(await patch({ metadata: { labels: { other: 'label' } } })).toBe('');
  });

  describe('with authority.approvals.separateDuties', () => {
    const setSeparation = async (value: 'true' | 'false') => {
      const change = { data: { separateDuties: value } };
      const name = 'valetkey-policy-parameters';
      await runKubectl(cluster, [
        ...['patch', 'configmap', name, '-n', home, '-p', JSON.stringify(change)],
      ]);
    };
    const tryCase = (each: RightCase) => {
      const args = [...DRY, ...impersonate(each.user, each.groups)];
      return send(args, buildApproval(namespace, each));
    };
    const separated = buildRightCases('any').filter((each) => each.separated !== undefined);

    beforeAll(() => setSeparation('true'));
    afterAll(() => setSeparation('false'));

    it.each(separated)('refuse $title', async (each) => {
      await waitFor('the API server to read the setting', async () => {
        expect(await tryCase(each)).toContain(each.separated);
        return true;
      });
    });

    it('accept an approver who may create no pods', async () => {
      expect(await tryCase({ title: '', user: APPROVER })).toBe('');
    });
  });
});
