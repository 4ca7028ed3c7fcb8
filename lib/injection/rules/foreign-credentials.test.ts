import { describe } from '@jest/globals';
import { PREPARE, AGENT, add, type Case, refuses, allows } from '../fixtures/cases.ts';

describe('credentials of its own', () => {
  const variable = (name: string) => [add(`${PREPARE}/env`, [{ name, value: 'x' }])];
  refuses(
    '7',
    [
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_SESSION_TOKEN',
      'AWS_BEARER_TOKEN_BEDROCK',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
      'AWS_ROLE_ARN',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
      'AWS_CONTAINER_AUTHORIZATION_TOKEN',
      'AZURE_FEDERATED_TOKEN_FILE',
      'GOOGLE_APPLICATION_CREDENTIALS',
      'VALETKEY_SOCKET',
    ].map((name): Case => [name, variable(name), `${PREPARE}/env/0`]),
  );
  refuses('7', [
    [
      'our variable with another value',
      [add(`${AGENT}/env/1/value`, 'http://evil')],
      `${AGENT}/env/1`,
    ],
    [
      'our variable a second time',
      [add(`${AGENT}/env/-`, { name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI', value: 'x' })],
      `${AGENT}/env/6`,
    ],
    [
      'our variable from elsewhere',
      [add(`${AGENT}/env/0`, { name: 'VALETKEY_SOCKET', valueFrom: { secretKeyRef: {} } })],
    ],
  ]);
  allows('7', [
    ['its own region', variable('AWS_REGION')],
    ['its own profile', variable('AWS_PROFILE')],
  ]);
});
