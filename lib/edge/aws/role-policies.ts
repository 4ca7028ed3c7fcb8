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

/** Names one inline policy of one role. */
export type RolePolicyName = { readonly roleName: string; readonly policyName: string };

/** Inline policies of roles in IAM. IAM has no optimistic locking: each write replaces the policy. */
export type RolePolicyClient = {
  readonly put: (name: RolePolicyName, policy: string, signal?: AbortSignal) => Promise<void>;
  /** Returns the policy as JSON; undefined if there is none. */
  readonly get: (name: RolePolicyName) => Promise<string | undefined>;
  /** Succeeds also if there is none. */
  readonly remove: (name: RolePolicyName, signal?: AbortSignal) => Promise<void>;
};

/**
 * Creates a client for inline policies of roles; each of its functions throws CloudRequestError.
 *
 * @throws Error for an `http:` endpoint that is not allowed
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
      const request = client
        .send(new GetRolePolicyCommand(toRolePolicyInput(name)))
        .catch(throwCloudRequestError);
      const answer = await ignoreMissing(request);
      // Percent-encoded (IAM API reference, GetRolePolicy); RGW returns it unencoded.
      const document = answer?.PolicyDocument;
      return document?.startsWith('%') === true ? decodeURIComponent(document) : document;
    },
    remove: async (name, signal) => {
      const command = new DeleteRolePolicyCommand(toRolePolicyInput(name));
      const request = client.send(command, toCallOptions(signal)).catch(throwCloudRequestError);
      await ignoreMissing(request);
    },
  };
};

const toRolePolicyInput = ({ roleName, policyName }: RolePolicyName) => ({
  RoleName: roleName,
  PolicyName: policyName,
});

const ignoreMissing = async <T>(request: Promise<T>): Promise<T | undefined> => {
  try {
    return await request;
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
