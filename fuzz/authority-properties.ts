import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  startAuthorityHarness,
  buildExchangeForm,
  REVOKE_PATH,
  TOKEN_PATH,
} from '../cmd/authority/fixtures/authority-harness.ts';
import { AUTHORITY_TUNING_ENV as TUNING } from '../lib/contract/environment.ts';
import { anyJson } from './pod-arbitraries.ts';
import { createProperty, type Property } from './property.ts';

const UNLIMITED_RATES = {
  [TUNING.peerRate]: '100000',
  [TUNING.podRate]: '100000',
  [TUNING.serviceAccountRate]: '100000',
  [TUNING.namespaceRate]: '100000',
  [TUNING.namespaceAuditMebibytes]: '100000',
};

const startAuthorityFixture = async () => {
  const stage = await startAuthorityHarness();
  const replica = await stage.start(stage.configure(UNLIMITED_RATES));
  await replica.waitUntilReady();
  return { stage, replica, token: await stage.podToken() };
};

let sharedAuthority: ReturnType<typeof startAuthorityFixture> | undefined;
const getAuthority = (): ReturnType<typeof startAuthorityFixture> =>
  (sharedAuthority ??= startAuthorityFixture());

const TOKEN = 'THE.POD.TOKEN';

const FIELDS = [
  ...['grant_type', 'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'],
  ...['requested_token_type', 'authorization_details', 'resource', 'audience', 'scope'],
  ...['token', 'token_type_hint', 'reason', '__proto__', 'constructor', ''],
] as const;

const VALUES = [
  ...['urn:ietf:params:oauth:grant-type:token-exchange', 'client_credentials', TOKEN, 'a.b.c'],
  ...['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'],
  ...['eyJhbGciOiJub25lIn0.e30.', 'eyJhbGciOiJub25lIn0.bnVsbA.AA', '..', 'completed', 'run-1', ''],
  ...['[]', '{}', 'null', '[null]', '[{"type":"valetkey.dev/task"}]', '['.repeat(4_000)],
] as const;

const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<string>(...VALUES) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: anyJson.map((each) => JSON.stringify([each])) },
);

const taskDetails = fc.record(
  {
    task: fc.oneof(fc.constantFrom('summarize', 'one-customer'), anyJson),
    consumer: fc.oneof(fc.constantFrom('agent', 'helper'), anyJson),
    params: fc.oneof(
      fc.record({ customer: fc.oneof(fc.constantFrom('acme', '*', '', 'ACME', 'a\n'), anyJson) }),
      anyJson,
    ),
    purpose: fc.oneof(fc.string({ unit: 'binary' }), anyJson),
    unknown: anyJson,
  },
  { requiredKeys: [] },
);

type Body = { readonly form: string };

/** A form, near to one that would be granted, of any fields, or no form at all; `TOKEN` is the pod's. */
const body: fc.Arbitrary<Body> = fc.oneof(
  {
    weight: 3,
    arbitrary: taskDetails.map((details) => ({ form: buildExchangeForm(TOKEN, details) })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(taskDetails, fc.array(fc.tuple(fc.constantFrom(...FIELDS), value), { maxLength: 5 }))
      .map(([details, fields]) => ({
        form: [buildExchangeForm(TOKEN, details), ...fields.map(encodePair)].join('&'),
      })),
  },
  {
    weight: 3,
    arbitrary: fc
      .array(fc.tuple(fc.constantFrom(...FIELDS), value), { maxLength: 8 })
      .map((fields) => ({ form: fields.map(encodePair).join('&') })),
  },
  { weight: 2, arbitrary: fc.string({ unit: 'binary' }).map((form) => ({ form })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('a=1&', '&', '%', '=', 'subject_token=a&', '%00'),
        fc.nat({ max: 90_000 }),
      )
      .map(([unit, times]) => ({ form: unit.repeat(times).slice(0, 100_000) })),
  },
);

const encodePair = ([name, text]: readonly [string, string]): string =>
  new URLSearchParams([[name, text.toWellFormed()]]).toString();

const NAMES_A_FIELD = /\w/;

const answersAnything = createProperty(
  'any bytes at /v1/token and /v1/revoke: 200, or 4xx that says why',
  {
    runs: 150,
    inputs: fc.tuple(
      body,
      fc.constantFrom(TOKEN_PATH, REVOKE_PATH),
      fc.oneof(
        { weight: 8, arbitrary: fc.constant('application/x-www-form-urlencoded') },
        fc.constantFrom('application/json', 'multipart/form-data', ''),
      ),
    ),
    holds: async ([{ form }, path, type]) => {
      const { stage, replica, token } = await getAuthority();
      const given = form.replaceAll(TOKEN, token);
      const { status, body: answer } = await replica.post(path, given, { 'Content-Type': type });
      const bugs = stage.lines.filter(({ message }) => message === 'internal error');
      assert.deepEqual(bugs, []);
      assert.ok(
        status === 200 || (status >= 400 && status < 500),
        `${status} ${JSON.stringify(answer)}`,
      );
      if (status === 200) return;
      assert.match(String(answer['reason']), /^[a-z_]+$/);
      assert.match(String(answer['error_description']), NAMES_A_FIELD);
      assert.ok(!JSON.stringify(answer).includes(token), 'an answer shows the token');
    },
  },
);

export const authorityProperties: readonly Property[] = [
  {
    ...answersAnything,
    close: async () => {
      await (await sharedAuthority)?.stage.close();
      sharedAuthority = undefined;
    },
  },
];
