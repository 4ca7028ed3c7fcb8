import { afterEach, describe, expect, test } from '@jest/globals';

import {
  buildS3ErrorReply,
  startStsStub,
  buildStsErrorReply,
  type StubReply,
} from './fixtures/sts-stub.ts';
import { createRolePolicyClient } from './role-policies.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const keys = { accessKeyId: 'ASIA1', secretAccessKey: 'secret-1', sessionToken: 'session-1' };
const name = { roleName: 'agent-reports', policyName: 'valetkey-denied' };
const policy = '{"Version":"2012-10-17","Statement":[]}';

const buildOkReply = (result = ''): StubReply => ({
  status: 200,
  body: `<R xmlns="https://iam.amazonaws.com/doc/2010-05-08/">${result}</R>`,
});

const setUpClient = async (reply: StubReply) => {
  const stub = await startStsStub(() => reply);
  closing.push(stub.close);
  const endpoint = `http://127.0.0.1:${stub.port}`;
  const settings = { region: 'us-east-1', endpoint, allowHttp: true };
  return { stub, policies: createRolePolicyClient(settings, keys) };
};

describe('createRolePolicyClient', () => {
  test('writes the whole policy', async () => {
    const { stub, policies } = await setUpClient(buildOkReply());
    await policies.put(name, policy);
    expect(Object.fromEntries(stub.calls[0] ?? [])).toMatchObject({
      Action: 'PutRolePolicy',
      RoleName: 'agent-reports',
      PolicyName: 'valetkey-denied',
      PolicyDocument: policy,
    });
  });

  test.each([
    ['AWS', encodeURIComponent(policy)],
    ['a private cloud', policy],
  ])('is read as %s writes it', async (_, document) => {
    const { policies } = await setUpClient(
      buildOkReply(`<GetRolePolicyResult><RoleName>agent-reports</RoleName><PolicyName>valetkey-denied</PolicyName>
        <PolicyDocument>${document}</PolicyDocument></GetRolePolicyResult>`),
    );
    expect(await policies.get(name)).toBe(policy);
  });

  test.each([
    ['AWS', buildStsErrorReply(404, 'NoSuchEntity')],
    ['Ceph RGW', buildS3ErrorReply(404, 'NoSuchRolePolicy')],
  ])('that is not there is nothing, and gone, as %s says it', async (_, reply) => {
    const { policies } = await setUpClient(reply);
    expect(await policies.get(name)).toBeUndefined();
    await policies.remove(name);
  });

  test('reports a policy that is too large, without the keys', async () => {
    const { policies } = await setUpClient(buildStsErrorReply(409, 'LimitExceeded', 'over 10240'));
    const fault = await policies.put(name, policy).catch((thrown: unknown) => thrown);
    expect(fault).toMatchObject({ code: 'LimitExceeded', status: 409, message: '"over 10240"' });
    expect(JSON.stringify(fault)).not.toContain('secret-1');
  });

  test('rejects an http endpoint unless the platform allows it', () => {
    const settings = { region: 'x', endpoint: 'http://127.0.0.1:1', allowHttp: false };
    expect(() => createRolePolicyClient(settings, keys)).toThrow(/allowHttp/);
  });
});
