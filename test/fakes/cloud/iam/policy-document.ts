import {
  formatFieldError,
  fail,
  type FieldError,
  type Result,
} from '../../../../lib/schema/field-error.ts';
import {
  refine,
  list,
  object,
  stringEnum,
  read,
  record,
  string,
  type Invalid,
  type Reader,
} from '../../../../lib/schema/reader.ts';
import { CloudError } from '../cloud-error.ts';
import { isValidOperand, OPERATORS } from './condition-operators.ts';
import { isKnownAction } from './s3-actions.ts';

/** One key's test: it holds when the request's value of `key` matches one of `values`. */
export type Condition = {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
};

export type Statement = {
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly string[];
  /** Absent in a trust policy. */
  readonly resources?: readonly string[];
  /** In place of `resources`: the statement applies to all others. */
  readonly otherResources?: readonly string[];
  /** ARN of the identity provider; in trust policies only. */
  readonly federated?: string;
  readonly conditions: readonly Condition[];
};

export type PolicyDocument = { readonly statements: readonly Statement[] };

/** The kind of policy decides which members its statements must have. */
export type PolicyKind = 'role' | 'session' | 'trust';

/**
 * Reads the text of a policy.
 *
 * @throws CloudError `MalformedPolicyDocument`, naming every fault
 */
export const readPolicy = (text: string, kind: PolicyKind): PolicyDocument => {
  const result = readDocument(text, kind);
  if (result.ok) return result.value;
  const faults = result.faults.map(formatFieldError).join('; ');
  throw new CloudError('MalformedPolicyDocument', 400, faults);
};

const readDocument = (text: string, kind: PolicyKind): Result<PolicyDocument> => {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return fail([{ path: '(root)', expected: 'JSON', got: 'something else' }]);
  }
  const result = read(createDocumentReader(kind), document);
  if (!result.ok) return result;
  return { ok: true, value: { statements: result.value.Statement.map(toStatement) } };
};

const createOneOrMoreReader =
  <T>(reader: Reader<T>): Reader<readonly T[]> =>
  (given, path, faults) =>
    list(reader, { min: 1 })(Array.isArray(given) ? given : [given], path, faults);

// Policy variables change what a pattern means; the design refuses them, so none comes here.
const removeVariables = (text: string): string | undefined =>
  text.includes('${') ? 'no policy variable' : undefined;

const anyActionReader = refine(
  string({ expected: 'service:Action', pattern: /^(\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$/ }),
  removeVariables,
);
// MinIO refuses `*`, and MinIO and RGW what they do not know; what passes here should pass there.
const serviceActionReader = refine(anyActionReader, (action) => {
  if (action === '*') return 'an action of a service';
  return isKnownAction(action) ? undefined : 'an action of S3';
});
const resourceReader = refine(
  string({ expected: 'an ARN or *', pattern: /^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+)$/ }),
  removeVariables,
);

const conditionValueReader: Reader<string> = (given, path, faults) =>
  typeof given === 'boolean' || typeof given === 'number'
    ? String(given)
    : refine(string(), removeVariables)(given, path, faults);

const conditionsReader = refine(
  record(
    string({ expected: `one of ${[...OPERATORS.keys()].join(', ')}`, pattern: /^\w+$/ }),
    record(
      string({ expected: 'a condition key', pattern: /^[^\s]+$/ }),
      createOneOrMoreReader(conditionValueReader),
    ),
  ),
  (blocks) => Object.entries(blocks).map(checkConditionBlock).find(Boolean),
);

const checkConditionBlock = ([operator, keys]: [string, Record<string, readonly string[]>]) => {
  if (!OPERATORS.has(operator)) return `a condition operator other than ${operator}`;
  const wrong = Object.values(keys)
    .flat()
    .some((text) => !isValidOperand(operator, text));
  return wrong ? `values that ${operator} can compare` : undefined;
};

const sharedMembers = {
  Sid: { optional: string() },
  Effect: stringEnum(['Allow', 'Deny']),
  Condition: { reader: conditionsReader, otherwise: {} },
};

const trustStatementReader = object({
  ...sharedMembers,
  Action: createOneOrMoreReader(anyActionReader),
  Principal: object({ Federated: string() }),
});
const createStatementReader = (action: Reader<string>) =>
  object({
    ...sharedMembers,
    Action: createOneOrMoreReader(action),
    Resource: { optional: createOneOrMoreReader(resourceReader) },
    NotResource: { optional: createOneOrMoreReader(resourceReader) },
  });

const checkResources = ({ Resource, NotResource }: RawStatement): string | undefined =>
  (Resource === undefined) === (NotResource === undefined)
    ? 'either Resource or NotResource'
    : undefined;

const statementReaders = {
  trust: trustStatementReader,
  role: refine(createStatementReader(anyActionReader), checkResources),
  session: refine(createStatementReader(serviceActionReader), checkResources),
};

type RawStatement = {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource?: readonly string[];
  readonly NotResource?: readonly string[];
  readonly Principal?: { readonly Federated: string };
  readonly Condition: Readonly<Record<string, Record<string, readonly string[]>>>;
};

const createDocumentReader = (kind: PolicyKind) => {
  const statement: (v: unknown, p: string, f: FieldError[]) => RawStatement | Invalid =
    statementReaders[kind];
  return object({
    Version: stringEnum(['2012-10-17']),
    Id: { optional: string() },
    Statement: createOneOrMoreReader(statement),
  });
};

const toStatement = (raw: RawStatement): Statement => ({
  effect: raw.Effect,
  actions: raw.Action,
  ...(raw.Resource && { resources: raw.Resource }),
  ...(raw.NotResource && { otherResources: raw.NotResource }),
  ...(raw.Principal && { federated: raw.Principal.Federated }),
  conditions: Object.entries(raw.Condition).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => ({ operator, key, values })),
  ),
});
