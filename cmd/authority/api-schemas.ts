import {
  CALL_OUTCOMES,
  CREDENTIALS_TYPE,
  DELEGATION_HANDLE,
  GATES,
  HTTP_HEADERS_TYPE,
  MAX_CALL_ARGUMENTS,
  MAX_CONTENT_FIELDS,
  MAX_GATES,
  POSTGRES_LOGIN_TYPE,
  SIGNAL_ERRORS,
  TASK_DETAILS_TYPE,
} from '../../lib/contract/authority-api.ts';
import { MAX_PROPOSAL_REASON_LENGTH, MAX_PROPOSED_PAIRS } from '../../lib/contract/proposals.ts';
import { MIN_DELEGATED_SECONDS } from '../../lib/task/delegation-details.ts';
import {
  describeList,
  describeObject,
  refer,
  type JsonSchema,
} from '../../lib/schema/api-description.ts';

const text: JsonSchema = { type: 'string' };
const texts: JsonSchema = { type: 'object', additionalProperties: text };
const count: JsonSchema = { type: 'integer', minimum: 0 };
const milliseconds: JsonSchema = {
  type: 'integer',
  description: "Milliseconds since the epoch, by the authority's clock.",
};
const sha256: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{64}$' };

const taskDetails = describeObject(
  {
    type: { const: TASK_DETAILS_TYPE },
    task: text,
    consumer: { type: 'string', description: "The container, checked against the task's." },
    params: texts,
  },
  { purpose: { type: 'string', description: "In the agent's words, for records only." } },
);

const gate = describeObject(
  {
    gate: {
      enum: GATES,
      description:
        'deny: refused at the gateway. ask: the authority decides about each call. canary: refused and reported as a call.',
    },
    actions: describeList(text),
    policies: { ...describeList(text), description: 'Empty: too many to list.' },
  },
  { like: { ...describeList(text), description: 'Resources, with * and ?. Absent: every one.' } },
);

const decision = {
  gates: describeList(refer('Gate'), MAX_GATES + 1),
  policy_version: text,
};

const tokenResponse = describeObject(
  {
    access_token: {
      type: 'string',
      description: 'base64url of JSON: credentials, headers or a login, as issued_token_type says.',
    },
    issued_token_type: { enum: [CREDENTIALS_TYPE, HTTP_HEADERS_TYPE, POSTGRES_LOGIN_TYPE] },
    token_type: { const: 'N_A' },
    expires_in: { ...count, description: 'Seconds until the deadline of the run.' },
    authorization_details: describeList(refer('TaskDetails'), 1),
    run: text,
    deadline_ms: milliseconds,
    answered_at_ms: milliseconds,
    cloud_skew_ms: { type: 'number', description: "How far the cloud's clock is ahead." },
  },
  {
    packed_policy_percent: { type: 'number' },
    release: { type: 'string', description: 'Sealed: returned with the end of the run.' },
    ticket: { type: 'string', description: 'Sealed: presented with later requests of the run.' },
    approved: { const: true, description: 'People approved the run.' },
    fixed_key: {
      type: 'boolean',
      description: 'Whether the UID of the pod is a key of its client.',
    },
    allow: { ...describeList(refer('Statement')), description: 'Of a delegated run.' },
    ancestors: { ...describeList(text), description: 'Runs above a delegated run, root first.' },
    ...decision,
  },
);

const pendingApproval = describeObject(
  {
    namespace: text,
    name: { type: 'string', pattern: '^ar-[0-9a-f]{20}$' },
    groups: describeList(text),
    expires_in: { ...count, description: 'Seconds.' },
    interval: { ...count, description: 'Seconds after which to send the same request again.' },
  },
  { hold: { type: 'number', description: 'Seconds for which a call may wait for the answer.' } },
);

const refusal = describeObject(
  {
    error: {
      enum: [
        ...['invalid_request', 'invalid_grant', 'invalid_authorization_details'],
        ...['unsupported_grant_type', 'access_denied', 'slow_down', 'temporarily_unavailable'],
        'server_error',
      ],
    },
    error_description: text,
    reason: { type: 'string', description: 'Stable code: docs/refusals.md.' },
  },
  { policies: describeList(text), approval: refer('PendingApproval') },
);

const gatedCall = describeObject(
  {
    operation: text,
    permissions: describeList(describeObject({ action: text }, { resource: text }), 256),
  },
  {
    bytes: { ...count, description: 'Of the body. Absent: not known.' },
    arguments: {
      type: 'object',
      additionalProperties: text,
      maxProperties: MAX_CALL_ARGUMENTS,
      description: 'Strings of the body by JSON pointer.',
    },
    content: describeObject({
      sha256,
      fields: describeList(describeObject({ name: text, value: text }), MAX_CONTENT_FIELDS),
    }),
  },
);

const callHead = describeObject({
  from: count,
  to: count,
  hash: sha256,
  startedAt: milliseconds,
  endedAt: milliseconds,
  counts: describeObject(Object.fromEntries(CALL_OUTCOMES.map((outcome) => [outcome, count]))),
  bytesIn: count,
  bytesOut: count,
  refusals: describeList(
    describeObject({ code: text, count }, { operation: text, action: text, resource: text }),
  ),
  used: describeList(describeObject({ action: text }, { resource: text })),
  omitted: describeObject({ refusals: count, used: count }),
});

const statement = describeObject({ actions: describeList(text), resources: describeList(text) });

const delegation = describeObject(
  {
    task: text,
    audience: describeObject({ namespace: text, serviceAccount: text }),
  },
  {
    allow: { ...describeList(refer('Statement'), 32), minItems: 1 },
    params: { type: 'object', additionalProperties: text },
    lifetime: { ...count, minimum: MIN_DELEGATED_SECONDS, description: 'Seconds.' },
  },
);

const proposal = describeObject(
  {
    task: text,
    consumer: text,
    allow: { ...describeList(refer('Statement'), MAX_PROPOSED_PAIRS), minItems: 1 },
  },
  {
    reason: {
      type: 'string',
      maxLength: MAX_PROPOSAL_REASON_LENGTH,
      description: "The agent's own words.",
    },
  },
);

const handle = describeObject({
  handle: { type: 'string', pattern: DELEGATION_HANDLE.source },
  expires_at_ms: milliseconds,
});

const streamLine: JsonSchema = {
  oneOf: [
    describeObject({ type: { const: 'heartbeat' } }),
    describeObject({ type: { const: 'reconnect' } }),
    describeObject({ type: { const: 'policies' }, version: text }),
    describeObject({
      type: { const: 'revocations' },
      active: describeList(describeObject({ name: text, reason: text }, { run: text, task: text })),
    }),
  ],
};

const keySet = describeObject({
  keys: describeList({ type: 'object', description: 'A JSON Web Key (RFC 7517).' }),
});

const signalError = describeObject({
  err: { enum: [...SIGNAL_ERRORS, 'unavailable'], description: 'RFC 8935, section 2.4.' },
  description: text,
});

const signalFailure: JsonSchema = { oneOf: [refer('SignalError'), refer('Refusal')] };

/** Schemas of what the authority reads and answers. */
export const AUTHORITY_SCHEMAS = {
  CallHead: callHead,
  Delegation: delegation,
  GatedCall: gatedCall,
  Gate: gate,
  Handle: handle,
  KeySet: keySet,
  Metadata: describeObject({ issuer: text, jwks_uri: text }),
  PendingApproval: pendingApproval,
  Proposal: proposal,
  Refusal: refusal,
  RunDecision: describeObject(decision),
  SignalError: signalError,
  SignalFailure: signalFailure,
  Statement: statement,
  StreamLine: streamLine,
  TaskDetails: taskDetails,
  TokenResponse: tokenResponse,
} as const satisfies Readonly<Record<string, JsonSchema>>;
