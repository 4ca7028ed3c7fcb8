import { API_DESCRIPTION_PATH, LOOPBACK_LISTEN } from '../../lib/contract/paths.ts';
import { MAX_PROPOSAL_REASON_LENGTH } from '../../lib/contract/proposals.ts';
import { MAX_PURPOSE_LENGTH } from '../../lib/contract/task.ts';
import { MIN_DELEGATED_SECONDS } from '../../lib/task/delegation-details.ts';
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

const text: JsonSchema = { type: 'string' };
const time: JsonSchema = { type: 'string', format: 'date-time' };

const REFUSED: ApiResponse = {
  description: 'Refused, or unavailable: docs/credentials-endpoint.md lists the codes.',
  headers: {
    'Retry-After': { description: 'Seconds; with 202, 429 and 503.', schema: { type: 'integer' } },
  },
  content: describeJson(refer('Error')),
};

const SCHEMAS = {
  Credentials: describeObject(
    { AccessKeyId: text, SecretAccessKey: text, Token: text, Expiration: time },
    { AccountId: text },
  ),
  Error: describeObject({
    Code: { type: 'string', description: 'Stable.' },
    Message: { type: 'string', description: 'For people.' },
  }),
  RunRequest: describeObject(
    {},
    {
      params: { type: 'object', additionalProperties: text },
      purpose: { type: 'string', maxLength: MAX_PURPOSE_LENGTH },
      userToken: {
        type: 'string',
        description: 'ID token of the user for whom the agent acts: accepted once.',
      },
      delegation: { type: 'string', description: 'Handle of a delegation: accepted once.' },
    },
  ),
  Run: {
    ...describeObject(
      { run: text, task: text, expiresAt: time },
      {
        credentials: refer('Credentials'),
        baseUrl: { type: 'string', description: 'Of a task of provider http.' },
        host: { type: 'string', description: 'Of a task of provider postgres, as port and user.' },
        port: { type: 'integer' },
        user: text,
      },
    ),
    oneOf: [
      { required: ['credentials'] },
      { required: ['baseUrl'] },
      { required: ['host', 'port', 'user'] },
    ],
  },
  Delegation: describeObject(
    { task: text, audience: describeObject({ namespace: text, serviceAccount: text }) },
    {
      allow: describeList(
        describeObject({ actions: describeList(text), resources: describeList(text) }),
      ),
      params: { type: 'object', additionalProperties: text },
      lifetime: { type: 'integer', minimum: MIN_DELEGATED_SECONDS, description: 'Seconds.' },
    },
  ),
  Handle: describeObject({ handle: text, expiresAt: time }),
  TaskList: describeObject({
    tasks: describeList(
      describeObject(
        {
          name: text,
          delivery: { enum: ['vend', 'sign'] },
          default: { type: 'boolean' },
          exclusive: { type: 'boolean' },
          lifetimeSeconds: { type: 'integer', minimum: 1 },
          params: {
            type: 'object',
            additionalProperties: { type: 'object', description: 'What its value must match.' },
          },
        },
        { purpose: text },
      ),
    ),
  }),
  Refusal: describeObject(
    { code: text, message: text },
    {
      approval: {
        ...describeObject({ namespace: text, name: text }),
        description: 'The ApprovalRequest, if people were asked.',
      },
      proposal: {
        ...describeObject({
          task: text,
          allow: describeList(
            describeObject({ actions: describeList(text), resources: describeList(text) }),
          ),
        }),
        description: 'The smallest addition that allows the call, if nothing else is missing.',
      },
    },
  ),
  ProposalRequest: describeObject(
    { refusal: text },
    { reason: { type: 'string', maxLength: MAX_PROPOSAL_REASON_LENGTH } },
  ),
} as const satisfies Readonly<Record<string, JsonSchema>>;

const name = (parameter: 'task' | 'run' | 'id') => ({
  name: parameter,
  in: 'path',
  required: true,
  schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
});

const describeRead = (
  operation: Pick<ApiOperation, 'operationId' | 'summary' | 'parameters'>,
  description: string,
  schema: JsonSchema,
): ApiOperation => ({
  ...operation,
  responses: { 200: { description, content: describeJson(schema) }, default: REFUSED },
});

const readCredentials = (
  operationId: string,
  summary: string,
  parameter?: 'task' | 'run',
): ApiOperation =>
  describeRead(
    { operationId, summary, ...(parameter !== undefined && { parameters: [name(parameter)] }) },
    'The credentials, in the format of the container credentials provider of AWS.',
    refer('Credentials'),
  );

const startRun: ApiOperation = {
  operationId: 'startRun',
  summary: 'Start a run',
  parameters: [name('task')],
  requestBody: { required: false, content: describeJson(refer('RunRequest')) },
  responses: {
    201: { description: 'The run has started.', content: describeJson(refer('Run')) },
    202: { ...REFUSED, description: 'People have not decided: send the same request again.' },
    default: REFUSED,
  },
};

const delegateRun: ApiOperation = {
  operationId: 'delegateRun',
  summary: 'Let another workload start a run with a part of this one',
  parameters: [name('run')],
  requestBody: { required: true, content: describeJson(refer('Delegation')) },
  responses: {
    201: {
      description: 'The handle, for the other workload.',
      content: describeJson(refer('Handle')),
    },
    default: REFUSED,
  },
};

const completeRun: ApiOperation = {
  operationId: 'completeRun',
  summary: 'Complete a run: its credentials are erased',
  parameters: [name('run')],
  responses: { 204: { description: 'The run has ended.' }, default: REFUSED },
};

const propose: ApiOperation = {
  operationId: 'propose',
  summary: 'Propose to people the right that a refusal says is missing',
  description: 'Nothing applies a proposal: people edit the workload and the policy.',
  requestBody: { required: true, content: describeJson(refer('ProposalRequest')) },
  responses: {
    201: {
      description: 'The TaskProposal, in the namespace of the pod.',
      content: describeJson(describeObject({ name: text })),
    },
    default: REFUSED,
  },
};

/** The HTTP routes for consumers, on their sockets and on loopback. */
export const SIDECAR_API: ApiDescription = {
  openapi: '3.1.0',
  info: {
    title: 'Valetkey sidecar',
    version: VERSION,
    description:
      'For the containers of the pod: over the socket of a container without a token, over loopback with the text of its token file.',
    license: APACHE_LICENSE,
  },
  servers: [{ url: `http://127.0.0.1:${LOOPBACK_LISTEN}` }],
  security: [{}, { loopbackToken: [] }],
  paths: {
    '/v1/credentials': {
      get: readCredentials('getCredentials', 'Get credentials of the only or the default task'),
    },
    '/v1/tasks': {
      get: describeRead(
        { operationId: 'listTasks', summary: 'List the tasks of this consumer' },
        'The tasks.',
        refer('TaskList'),
      ),
    },
    '/v1/tasks/{task}/credentials': {
      get: readCredentials(
        'getTaskCredentials',
        'Get credentials of a task without params',
        'task',
      ),
    },
    '/v1/tasks/{task}/runs': { post: startRun },
    '/v1/runs/{run}/credentials': {
      get: readCredentials('getRunCredentials', 'Get credentials of an active run', 'run'),
    },
    '/v1/runs/{run}/delegations': { post: delegateRun },
    '/v1/runs/{run}': { delete: completeRun },
    '/v1/refusals/{id}': {
      get: describeRead(
        {
          operationId: 'getRefusal',
          summary: 'Get one of the last 32 refusals of this consumer',
          parameters: [name('id')],
        },
        'The refusal.',
        refer('Refusal'),
      ),
    },
    '/v1/proposals': { post: propose },
    [API_DESCRIPTION_PATH]: {
      get: describeRead(
        { operationId: 'getApiDescription', summary: 'Get this description' },
        'The description.',
        { type: 'object' },
      ),
    },
  },
  components: {
    schemas: SCHEMAS,
    securitySchemes: {
      loopbackToken: { type: 'apiKey', in: 'header', name: 'Authorization' },
    },
  },
};
