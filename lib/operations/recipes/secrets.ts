import { InputError } from '../input-error.ts';
import type { Permission } from '../operation.ts';
import { readList } from '../request-body.ts';
import {
  checkName,
  formatArn,
  isArn,
  readArnLike,
  requireText,
  type ResourceScope,
} from '../resource-names.ts';
import { each, share, unresolved, type Recipe, type Recipes } from './recipe.ts';

const SECRET_NAME = /^[\w/+=.@-]{1,512}$/;
const SECRET = /^secret:[\w/+=.@-]{1,519}$/;
const WITH_SUFFIX = /-[A-Za-z0-9]{6}$/;
const SUFFIX = '-??????';

/**
 * The ARN of a secret ends with six characters that Secrets Manager chose. A request with the name, or
 * with the ARN without them, is compared as a pattern.
 */
const toSecret = (text: string, scope: ResourceScope): Omit<Permission, 'action'> => {
  if (!isArn(text)) {
    const name = checkName(text, 'SecretId', SECRET_NAME);
    return { within: formatArn(scope, 'secretsmanager', `secret:${name}${SUFFIX}`) };
  }
  const arn = readArnLike(text, 'SecretId', { scope, service: 'secretsmanager', resource: SECRET });
  return WITH_SUFFIX.test(arn) ? { resource: arn } : { within: `${arn}${SUFFIX}` };
};

const secret =
  (read: (call: Parameters<Recipe>[0]) => readonly (string | undefined)[]): Recipe =>
  (call) =>
    read(call).flatMap((text) =>
      call.actions.map((action) => ({
        action,
        ...toSecret(requireText(text, 'SecretId'), call.scope),
      })),
    );

const secretId = secret(({ input }) => [input.readText('body.SecretId')]);
const secretName = secret(({ input }) => [input.readText('body.Name')]);

/** With filters instead of a list, the service chooses the secrets. */
const secretList: Recipe = (call) => {
  const ids = readList(call.input.readBody(), 'SecretIdList');
  const read = secret(() => ids.map((id) => (typeof id === 'string' ? id : '')));
  return ids.length === 0 ? unresolved(call) : read(call);
};

export const SECRETS_MANAGER: Recipes = {
  ...share(secretId, 'GetSecretValue', 'PutSecretValue', 'DescribeSecret', 'UpdateSecret'),
  ...share(secretId, 'DeleteSecret', 'RestoreSecret', 'RotateSecret', 'CancelRotateSecret'),
  ...share(secretId, 'ListSecretVersionIds', 'UpdateSecretVersionStage'),
  ...share(secretId, 'TagResource', 'UntagResource', 'ReplicateSecretToRegions'),
  ...share(secretId, 'GetResourcePolicy', 'PutResourcePolicy', 'DeleteResourcePolicy'),
  ...share(secretId, 'RemoveRegionsFromReplication', 'StopReplicationToReplica'),
  CreateSecret: secretName,
  BatchGetSecretValue: secretList,
};

const KEY_ID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const KEY = /^key\/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const ALIAS = /^alias\/[\w/-]{1,250}$/;

/** @returns undefined for an alias, which names a key that only the service knows */
const toKey = (text: string, place: string, scope: ResourceScope): string | undefined => {
  if (ALIAS.test(text)) return undefined;
  if (!isArn(text)) return formatArn(scope, 'kms', `key/${checkName(text, place, KEY_ID)}`);
  const isKey = KEY.test(text.split(':').slice(5).join(':'));
  const arn = readArnLike(text, place, { scope, service: 'kms', resource: isKey ? KEY : ALIAS });
  return isKey ? arn : undefined;
};

const key = each(({ readText: read }, scope) => [
  toKey(requireText(read('body.KeyId'), 'KeyId'), 'KeyId', scope),
]);

/** The ciphertext names the key where the request does not. */
const optionalKey = (place: string) =>
  each(({ readText: read }, scope) => {
    const text = read(`body.${place}`);
    return [text === undefined ? undefined : toKey(text, place, scope)];
  });

/** `kms:ReEncryptFrom` on one key, `kms:ReEncryptTo` on the other. */
const reEncrypt: Recipe = ({ actions: [from = '', to = ''], input, scope }) => [
  ...optionalKey('SourceKeyId')({ actions: [from], input, scope }),
  ...optionalKey('DestinationKeyId')({ actions: [to], input, scope }),
];

export const KMS: Recipes = {
  ...share(key, 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext'),
  ...share(key, 'GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext'),
  ...share(key, 'Sign', 'Verify', 'GenerateMac', 'VerifyMac', 'DeriveSharedSecret'),
  ...share(key, 'DescribeKey', 'GetKeyPolicy', 'PutKeyPolicy', 'ListKeyPolicies', 'GetPublicKey'),
  ...share(key, 'EnableKey', 'DisableKey', 'ScheduleKeyDeletion', 'CancelKeyDeletion'),
  ...share(key, 'EnableKeyRotation', 'DisableKeyRotation', 'GetKeyRotationStatus'),
  ...share(key, 'RotateKeyOnDemand', 'ListKeyRotations', 'UpdateKeyDescription'),
  ...share(key, 'CreateGrant', 'ListGrants', 'RevokeGrant'),
  ...share(key, 'TagResource', 'UntagResource', 'ListResourceTags'),
  ...share(key, 'GetParametersForImport', 'ImportKeyMaterial', 'DeleteImportedKeyMaterial'),
  ...share(unresolved, 'CreateAlias', 'UpdateAlias', 'DeleteAlias', 'RetireGrant', 'ReplicateKey'),
  Decrypt: optionalKey('KeyId'),
  ReEncrypt: reEncrypt,
};

const PARAMETER = /^\/?[\w.-]+(?:\/[\w.-]+)*$/;
/** A version or a label follows the name. */
const SELECTOR = /:[\w.-]{1,100}$/;
/** Parameters of AWS itself, which have no account. */
const PUBLIC = '/aws/service/';
const OF_SECRETS_MANAGER = '/aws/reference/secretsmanager/';

/** `/a/b` and its ARN `parameter/a/b`; the slash at the beginning is no part of the ARN. */
const toParameter = (text: string, place: string, scope: ResourceScope): string => {
  if (isArn(text)) {
    const resource = /^parameter(?:\/[\w.-]+)+(?::[\w.-]{1,100})?$/;
    const arn = readArnLike(text, place, { scope, service: 'ssm', resource, isPublic: true });
    return arn.replace(/^((?:[^:]*:){5}[^:]*):.*$/, '$1');
  }
  const name = text.replace(SELECTOR, '');
  if (!PARAMETER.test(name)) throw new InputError(`expected the name of a parameter in ${place}`);
  const account = name.startsWith(PUBLIC) ? '' : scope.account;
  return formatArn({ ...scope, account }, 'ssm', `parameter/${name.replace(/^\//, '')}`);
};

/** Systems Manager reads a secret for the caller, who needs the permission of Secrets Manager too. */
const listParameter = (
  text: string,
  place: string,
  { actions, scope }: Parameters<Recipe>[0],
): readonly Permission[] => [
  ...actions.map((action) => ({ action, resource: toParameter(text, place, scope) })),
  ...(text.startsWith(OF_SECRETS_MANAGER) ? [{ action: 'secretsmanager:GetSecretValue' }] : []),
];

const parameter: Recipe = (call) =>
  listParameter(requireText(call.input.readText('body.Name'), 'Name'), 'Name', call);

const parameters: Recipe = (call) => {
  const names = readList(call.input.readBody(), 'Names');
  if (names.length === 0) throw new InputError('expected Names');
  return names.flatMap((name) => {
    if (typeof name !== 'string') throw new InputError('expected texts in Names');
    return listParameter(name, 'Names', call);
  });
};

/** IAM compares the path as it is, with the slash at its end. */
const parametersByPath = each(({ readText: read }, scope) => {
  const path = requireText(read('body.Path'), 'Path');
  if (!/^(?:\/[\w.-]+)*\/?$/.test(path)) throw new InputError('expected a path in Path');
  const account = path.startsWith(PUBLIC) ? '' : scope.account;
  return [formatArn({ ...scope, account }, 'ssm', `parameter${path}`)];
});

export const SSM: Recipes = {
  ...share(parameter, 'GetParameter', 'PutParameter', 'DeleteParameter', 'GetParameterHistory'),
  ...share(parameter, 'LabelParameterVersion', 'UnlabelParameterVersion'),
  ...share(parameters, 'GetParameters', 'DeleteParameters'),
  GetParametersByPath: parametersByPath,
};
