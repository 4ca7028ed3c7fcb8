import {
  DeleteRolePolicyCommand,
  GetRolePolicyCommand,
  IAMClient,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';

import type { CloudKeys } from '../../credentials/exchange.ts';
import { readFaults } from './cloud-answer.ts';
import { CloudFault } from './cloud-fault.ts';
import { signedSettings, toCloudFault, within, type OwnEndpoint } from './signed-client.ts';

/** One inline policy of one role. */
export type RolePolicyName = { readonly roleName: string; readonly policyName: string };

/** IAM's inline policies of roles. IAM has no optimistic lock: each write is the whole policy. */
export type RolePolicies = {
  readonly put: (name: RolePolicyName, policy: string, signal?: AbortSignal) => Promise<void>;
  /** JSON; nothing: there is none. */
  readonly get: (name: RolePolicyName) => Promise<string | undefined>;
  /** Also when there is none. */
  readonly remove: (name: RolePolicyName, signal?: AbortSignal) => Promise<void>;
};

/**
 * @throws CloudFault from every function; Error at once for an `http:` endpoint that is not allowed
 */
export const openRolePolicies = (settings: OwnEndpoint, keys: CloudKeys): RolePolicies => {
  const client = new IAMClient(signedSettings(settings, keys));
  client.middlewareStack.add(readFaults, { step: 'deserialize', priority: 'low' });
  return {
    put: async (name, policy, signal) => {
      const command = new PutRolePolicyCommand({ ...inputOf(name), PolicyDocument: policy });
      await client.send(command, within(signal)).catch(rethrow);
    },
    get: async (name) => {
      const asked = client.send(new GetRolePolicyCommand(inputOf(name))).catch(rethrow);
      const answer = await unlessMissing(asked);
      // RFC 3986-encoded (IAM API reference, GetRolePolicy); RGW sends it as it is.
      const document = answer?.PolicyDocument;
      return document?.startsWith('%') === true ? decodeURIComponent(document) : document;
    },
    remove: async (name, signal) => {
      const command = new DeleteRolePolicyCommand(inputOf(name));
      const asked = client.send(command, within(signal)).catch(rethrow);
      await unlessMissing(asked);
    },
  };
};

const inputOf = ({ roleName, policyName }: RolePolicyName) => ({
  RoleName: roleName,
  PolicyName: policyName,
});

const unlessMissing = async <T>(asked: Promise<T>): Promise<T | undefined> => {
  try {
    return await asked;
  } catch (thrown) {
    if (thrown instanceof CloudFault && /^NoSuch(Entity|RolePolicy)/.test(thrown.code)) {
      return undefined;
    }
    throw thrown;
  }
};

const rethrow = (thrown: unknown): never => {
  throw toCloudFault(thrown);
};
