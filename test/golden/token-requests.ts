import {
  CREDENTIALS_TYPE,
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
} from '../../lib/contract/authority-api.ts';
import type { RunRequest } from '../../lib/contract/exchange.ts';
import { buildTokenForm } from '../../lib/edge/authority/token-form.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { readTokenRequest } from '../../lib/exchange/token-request.ts';

const details = { type: TASK_DETAILS_TYPE, task: 'summarize', consumer: 'agent' };
const FIELDS: Readonly<Record<string, string>> = {
  grant_type: TOKEN_EXCHANGE_GRANT,
  subject_token: 'pod.to.ken',
  subject_token_type: JWT_TYPE,
  authorization_details: JSON.stringify([details]),
};

const form = (changes: Readonly<Record<string, string | undefined>>): string => {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...FIELDS, ...changes })) {
    if (value !== undefined) fields.set(name, value);
  }
  return fields.toString();
};

const asking = (...elements: readonly unknown[]): string =>
  form({ authorization_details: JSON.stringify(elements) });

const user = { subject_token: 'us.er.token', subject_token_type: ID_TOKEN_TYPE };
const acting = { ...user, actor_token: 'pod.to.ken', actor_token_type: JWT_TYPE };

const FORMS: readonly string[] = [
  ...[
    form({}),
    form(acting),
    form({ requested_token_type: CREDENTIALS_TYPE }),
    form({ extra: 'x' }),
  ],
  ...Object.keys(FIELDS).flatMap((name) => [form({ [name]: undefined }), form({ [name]: '' })]),
  ...Object.entries(FIELDS).map(([name, value]) => `${form({})}&${name}=${value}`),
  ...[form(user), form({ ...acting, actor_token_type: undefined }), form({ actor_token: 'a.b.c' })],
  ...[
    form({ grant_type: 'client_credentials' }),
    form({ subject_token: 'a b' }),
    'x=1&x=2',
    '',
    '&&=',
  ],
  ...['resource', 'audience', 'scope'].map((name) => form({ [name]: 'x' })),
  ...[form({ requested_token_type: JWT_TYPE }), form({ subject_token: 'x'.repeat(16_385) })],
  ...[form({ authorization_details: '{' }), form({ authorization_details: ' '.repeat(16_385) })],
  ...[asking(), asking(details, details), asking(null), asking({ ...details, type: 'x' })],
  asking({ ...details, params: { customer: 'acme' }, purpose: 'nightly' }),
  ...[{ params: { 'a b': 'x' } }, { params: { a: 7 } }, { params: [] }, { purpose: 'a\nb' }].map(
    (more) => asking({ ...details, ...more }),
  ),
  ...[
    { task: 'A' },
    { consumer: 'x'.repeat(64) },
    { unknown: 1 },
    { purpose: 'x'.repeat(2_000) },
  ].map((more) => asking({ ...details, ...more })),
];

const readOne = (text: string): object => {
  try {
    return { parsed: readTokenRequest(text) };
  } catch (error) {
    if (error instanceof RequestError) return { code: error.code };
    throw error;
  }
};

const request: RunRequest = {
  consumer: 'agent',
  task: buildTask('summarize', ['agent']),
  params: {},
};

/** Forms of the token exchange: how the authority reads them, and how the sidecar writes them. */
export const captureTokenRequests = (): object => ({
  read: FORMS.map((text) => [text.slice(0, 400), readOne(text)]),
  written: [
    request,
    { ...request, params: { customer: 'a&b=c' }, purpose: 'nightly' },
    { ...request, userToken: 'us.er.token' },
  ].map((each) =>
    buildTokenForm(each, {
      podToken: 'pod.to.ken',
      attempt: '00000000-0000-4000-8000-000000000000',
    }).toString(),
  ),
});
