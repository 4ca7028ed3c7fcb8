import {
  CALLS_PATH,
  CREDENTIALS_TYPE,
  DECISIONS_PATH,
  DELEGATION_TYPE,
  DELEGATIONS_PATH,
  PROPOSALS_PATH,
  EVENTS_PATH,
  ID_TOKEN_TYPE,
  JWKS_PATH,
  JWT_TYPE,
  OAUTH_METADATA_PATH,
  OPENID_METADATA_PATH,
  RECORDS_PATH,
  RELEASE_ENDS,
  REVOKE_PATH,
  RUN_ENDS,
  SIGNAL_TYPE,
  SIGNALS_PATH,
  TOKEN_EXCHANGE_GRANT,
  TOKEN_PATH,
} from '../../lib/contract/authority-api.ts';
import { API_DESCRIPTION_PATH } from '../../lib/contract/paths.ts';
import { VERSION } from '../../lib/contract/version.ts';
import {
  APACHE_LICENSE,
  describeJson,
  describeList,
  describeObject,
  refer,
  type ApiDescription,
  type ApiOperation,
  type ApiResponse,
  type JsonSchema,
} from '../../lib/schema/api-description.ts';
import { AUTHORITY_SCHEMAS } from './api-schemas.ts';

const token: JsonSchema = {
  type: 'string',
  pattern: String.raw`^[\w.-]{1,16384}$`,
  description: "The pod's projected token.",
};
const ticket: JsonSchema = { type: 'string', description: 'Of the answer that started the run.' };
const run: JsonSchema = { type: 'string', pattern: String.raw`^[\w-]{1,64}$` };
const podTokenType: JsonSchema = { const: JWT_TYPE };

const describeEmbedded = (schema: JsonSchema): JsonSchema => ({
  type: 'string',
  contentMediaType: 'application/json',
  contentSchema: schema,
});

const describeForm = (
  required: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
): NonNullable<ApiOperation['requestBody']> => ({
  required: true,
  content: {
    'application/x-www-form-urlencoded': { schema: describeObject(required, optional) },
  },
});

const REFUSED: ApiResponse = {
  description: 'Refused, or unavailable: docs/refusals.md lists the codes.',
  headers: {
    'Retry-After': { description: 'Seconds; with 429 and 503.', schema: { type: 'integer' } },
  },
  content: describeJson(refer('Refusal')),
};

const answer = (
  description: string,
  schema: JsonSchema = { type: 'object' },
): ApiOperation['responses'] => ({
  200: { description, content: describeJson(schema) },
  default: REFUSED,
});

const startRun: ApiOperation = {
  operationId: 'startRun',
  summary: 'Start a run: exchange the token of a pod (RFC 8693)',
  description:
    'With the token of a user or the handle of a delegation, that is the subject token, and the token of the pod the actor token.',
  requestBody: describeForm(
    {
      grant_type: { const: TOKEN_EXCHANGE_GRANT },
      subject_token: { ...token, description: 'Of the pod or the user, or a handle.' },
      subject_token_type: { enum: [JWT_TYPE, ID_TOKEN_TYPE, DELEGATION_TYPE] },
      authorization_details: describeEmbedded({
        ...describeList(refer('TaskDetails'), 1),
        minItems: 1,
      }),
    },
    {
      actor_token: token,
      actor_token_type: podTokenType,
      requested_token_type: { const: CREDENTIALS_TYPE },
      capabilities: { type: 'string', description: 'What the sidecar can enforce, by spaces.' },
      attempt: { type: 'string', description: 'A UUID: the same in repetitions of one request.' },
    },
  ),
  responses: answer('The run, with its credentials.', refer('TokenResponse')),
};

const endRun: ApiOperation = {
  operationId: 'endRun',
  summary: 'End a run (RFC 7009)',
  requestBody: describeForm(
    { token: run, subject_token: token, reason: { enum: [...RUN_ENDS, ...RELEASE_ENDS] } },
    {
      subject_token_type: podTokenType,
      delegated: { const: 'true', description: 'The run has delegated: its end is published.' },
      release: { type: 'string', description: 'Of the answer that started the run.' },
      ticket,
    },
  ),
  responses: answer('The run has ended.'),
};

const decideRun: ApiOperation = {
  operationId: 'decideRun',
  summary: 'Decide again about a run after policies have changed',
  requestBody: describeForm({ subject_token: token, ticket }, { subject_token_type: podTokenType }),
  responses: answer('The gates of the run from now on.', refer('RunDecision')),
};

const decideCall: ApiOperation = {
  operationId: 'decideCall',
  summary: 'Decide about one call of a run',
  requestBody: describeForm(
    { subject_token: token, ticket, call: describeEmbedded(refer('GatedCall')) },
    {
      subject_token_type: podTokenType,
      attempt: { type: 'string', pattern: String.raw`^[\w-]{1,64}$` },
    },
  ),
  responses: answer('The call is allowed.'),
};

const propose: ApiOperation = {
  operationId: 'propose',
  summary: 'Propose to people a right that a refused call lacked',
  description: 'Nothing applies a proposal. An open one of the same content is the answer, too.',
  requestBody: describeForm(
    { subject_token: token, proposal: describeEmbedded(refer('Proposal')) },
    { subject_token_type: podTokenType },
  ),
  responses: {
    201: {
      description: 'The TaskProposal.',
      content: describeJson(
        describeObject({ name: { type: 'string', pattern: '^tp-[0-9a-f]{20}$' } }),
      ),
    },
    default: REFUSED,
  },
};

const mintDelegation: ApiOperation = {
  operationId: 'mintDelegation',
  summary: 'Let another workload start a run with a part of this one',
  requestBody: describeForm(
    { subject_token: token, ticket, delegation: describeEmbedded(refer('Delegation')) },
    { subject_token_type: podTokenType },
  ),
  responses: answer('The handle, which one run can use.', refer('Handle')),
};

const recordCalls: ApiOperation = {
  operationId: 'recordCalls',
  summary: 'Record the calls of a run',
  requestBody: describeForm(
    { run, subject_token: token, calls: describeEmbedded(refer('CallHead')) },
    { subject_token_type: podTokenType, ticket },
  ),
  responses: answer('The record is stored.'),
};

const receiveSignal: ApiOperation = {
  operationId: 'receiveSignal',
  summary: 'Receive a security event token (RFC 8417) that a transmitter pushes (RFC 8935)',
  description:
    'CAEP session-revoked and RISC credential-compromise create a Revocation; other events have no effect.',
  requestBody: { required: true, content: { [SIGNAL_TYPE]: { schema: { type: 'string' } } } },
  responses: {
    202: { description: 'Received. Without a body.' },
    400: { description: 'Refused.', content: describeJson(refer('SignalError')) },
    default: {
      ...REFUSED,
      description: 'Too many, too large, or unavailable.',
      content: describeJson(refer('SignalFailure')),
    },
  },
};

const followEvents: ApiOperation = {
  operationId: 'followEvents',
  summary: 'Follow revocations and changes of policies',
  description: 'One JSON object for each line, until the connection ends.',
  security: [{ podToken: [] }],
  responses: {
    200: {
      description: 'Lines; the first lists the active revocations.',
      content: { 'application/x-ndjson': { schema: refer('StreamLine') } },
    },
    default: REFUSED,
  },
};

const describeDocument = (
  operationId: string,
  summary: string,
  schema: JsonSchema,
): ApiOperation => ({
  operationId,
  summary,
  responses: answer('The document.', schema),
});

/** The HTTP routes of the authority's main port. */
export const AUTHORITY_API: ApiDescription = {
  openapi: '3.1.0',
  info: {
    title: 'Valetkey authority',
    version: VERSION,
    description:
      'For sidecars and clouds. A sidecar proves itself with the projected token of its pod in the form.',
    license: APACHE_LICENSE,
  },
  servers: [
    {
      url: 'https://{host}',
      variables: { host: { default: 'valetkey-authority.valetkey.svc' } },
    },
  ],
  security: [],
  paths: {
    [TOKEN_PATH]: { post: startRun },
    [REVOKE_PATH]: { post: endRun },
    [DECISIONS_PATH]: { post: decideRun },
    [CALLS_PATH]: { post: decideCall },
    [DELEGATIONS_PATH]: { post: mintDelegation },
    [PROPOSALS_PATH]: { post: propose },
    [RECORDS_PATH]: { post: recordCalls },
    [SIGNALS_PATH]: { post: receiveSignal },
    [EVENTS_PATH]: { get: followEvents },
    [JWKS_PATH]: {
      get: describeDocument('getKeys', 'Get the keys of grants (RFC 7517)', refer('KeySet')),
    },
    [OPENID_METADATA_PATH]: {
      get: describeDocument(
        'getOpenidConfiguration',
        'Get what clouds read of the issuer (OpenID Connect Discovery 1.0)',
        refer('Metadata'),
      ),
    },
    [OAUTH_METADATA_PATH]: {
      get: describeDocument(
        'getOauthMetadata',
        'Get the metadata of the authority (RFC 8414)',
        refer('Metadata'),
      ),
    },
    [API_DESCRIPTION_PATH]: {
      get: describeDocument('getApiDescription', 'Get this description', { type: 'object' }),
    },
  },
  components: {
    schemas: AUTHORITY_SCHEMAS,
    securitySchemes: {
      podToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    },
  },
};
