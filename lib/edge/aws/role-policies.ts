import {
  DeleteRolePolicyCommand,
  GetRolePolicyCommand,
  IAMClient,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';

import type { CloudCredentials } from '../../contract/exchange.ts';
import { readCloudErrors } from './cloud-response.ts';
import { CloudRequestError } from './cloud-request-error.ts';
import {
  buildSignedSettings,
  toCloudRequestError,
  toCallOptions,
  type SignedEndpointSettings,
} from './signed-client.ts';

/** One inline policy of one role. */
export type RolePolicyName = { readonly roleName: string; readonly policyName: string };

/** IAM's inline policies of roles. IAM has no optimistic lock: each write is the whole policy. */
export type RolePolicyClient = {
  readonly put: (name: RolePolicyName, policy: string, signal?: AbortSignal) => Promise<void>;
  /** JSON; nothing: there is none. */
  readonly get: (name: RolePolicyName) => Promise<string | undefined>;
  /** Also when there is none. */
  readonly remove: (name: RolePolicyName, signal?: AbortSignal) => Promise<void>;
};

/**
 * @throws CloudRequestError from every function; Error at once for an `http:` endpoint that is not allowed
 */
export const createRolePolicyClient = (
  settings: SignedEndpointSettings,
  keys: CloudCredentials,
): RolePolicyClient => {
  const client = new IAMClient(buildSignedSettings(settings, keys));
  client.middlewareStack.add(readCloudErrors, { step: 'deserialize', priority: 'low' });
  return {
    put: async (name, policy, signal) => {
      const command = new PutRolePolicyCommand({
        ...toRolePolicyInput(name),
        PolicyDocument: policy,
      });
      await client.send(command, toCallOptions(signal)).catch(throwCloudRequestError);
    },
    get: async (name) => {
      const asked = client
        .send(new GetRolePolicyCommand(toRolePolicyInput(name)))
        .catch(throwCloudRequestError);
      const answer = await ignoreMissing(asked);
      // RFC 3986-encoded (IAM API reference, GetRolePolicy); RGW sends it as it is.
      const document = answer?.PolicyDocument;
      return document?.startsWith('%') === true ? decodeURIComponent(document) : document;
    },
    remove: async (name, signal) => {
      const command = new DeleteRolePolicyCommand(toRolePolicyInput(name));
      const asked = client.send(command, toCallOptions(signal)).catch(throwCloudRequestError);
      await ignoreMissing(asked);
    },
  };
};

const toRolePolicyInput = ({ roleName, policyName }: RolePolicyName) => ({
  RoleName: roleName,
  PolicyName: policyName,
});

const ignoreMissing = async <T>(asked: Promise<T>): Promise<T | undefined> => {
  try {
    return await asked;
  } catch (thrown) {
    if (thrown instanceof CloudRequestError && /^NoSuch(Entity|RolePolicy)/.test(thrown.code)) {
      return undefined;
    }
    throw thrown;
  }
};

const throwCloudRequestError = (thrown: unknown): never => {
  throw toCloudRequestError(thrown);
};
