import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { CONSUMER_ENV, SIGN_CONSUMER_ENV } from '../../../lib/contract/environment.ts';
import { CASE_OBJECTS } from '../../cases/case-cloud.ts';
import { createLiveCaseCloud } from '../../cases/live-case-cloud.ts';
import { signRequest, type S3CaseRequest } from '../../cases/s3-request.ts';
import { createCurlSender, sendWithJdk } from '../../clients/http2/upgrade-clients.ts';
import type { SendUpgrade } from '../../clients/http2/upgrade-clients.ts';
import type { Fixture } from '../../clients/scenario-runner.ts';
import { createSidecarFixtures, findSidecarProgram } from '../../clients/sidecar-fixture.ts';
import { cloud, testContext } from '../test-context.ts';
import type { CredentialKeys } from '../test-context.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its keys sign tokens');

const bucket = 'acme-data';
const readable = { method: 'GET', bucket, key: 'reports/q3.csv' } as const;

describe('a client that asks the gateway for HTTP/2', () => {
  const caseCloud = createLiveCaseCloud(cloud, node);
  let fixture: Fixture;

  beforeAll(async () => {
    const deps = {
      cloud: await caseCloud,
      program: findSidecarProgram(),
      delivery: 'sign',
    } as const;
    fixture = await createSidecarFixtures(deps)({
      ...{ lifetimeSeconds: 600, exchangeDelayMs: 0, exchange: 'grants' },
      scope: 'read and write',
    });
    // The code of the gateway is loaded for the first connection, and no client here repeats its request.
    await waitFor('the gateway to serve', async () => {
      const { status } = await send(createCurlSender('--http2'), readable);
      return status === '200';
    });
  });

  afterAll(() => fixture.stop());

  const readKeys = (): Promise<CredentialKeys> =>
    waitFor('the local keys', async () => {
      const { env } = fixture;
      const authorization = readFileSync(env[CONSUMER_ENV.authorizationTokenFile] ?? '', 'utf8');
      const response = await fetch(env[CONSUMER_ENV.credentialsUri] ?? '', {
        headers: { authorization },
      });
      return response.ok && ((await response.json()) as CredentialKeys);
    });

  const send = async (client: SendUpgrade, request: S3CaseRequest) => {
    const gateway = fixture.env[SIGN_CONSUMER_ENV.endpointUrl] ?? '';
    const { AccessKeyId, SecretAccessKey, Token } = await readKeys();
    const keys = {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: Token,
    };
    const { method, bucket, key = '', body } = request;
    const url = `${gateway}/${bucket}/${key}`;
    const headers = await signRequest({ ...(await caseCloud), s3Endpoint: gateway }, request, keys);
    return client({ method, url, headers, ...(body !== undefined && { body }) });
  };

  it.each<[string, SendUpgrade, { askedFor: string; version: string }]>([
    ['curl --http2', createCurlSender('--http2'), { askedFor: 'Upgrade: h2c', version: '1.1' }],
    ['the HttpClient of the JDK', sendWithJdk, { askedFor: 'Upgrade: h2c', version: '1.1' }],
    [
      'curl --http2-prior-knowledge',
      createCurlSender('--http2-prior-knowledge'),
      { askedFor: 'nothing', version: '2' },
    ],
  ])('is served, with a body too: %s', async (_, client, expected) => {
    expect(await send(client, readable)).toEqual({
      ...expected,
      status: '200',
      body: CASE_OBJECTS[bucket][readable.key],
    });
    const object = { bucket, key: fixture.objects.work.slice(bucket.length + 1) };
    const body = `written over HTTP/${expected.version}`;
    const written = await send(client, { method: 'PUT', ...object, body });
    expect(written).toMatchObject({ ...expected, status: '200' });
    expect(await send(client, { method: 'GET', ...object })).toMatchObject({ body });
    const foreign = await send(client, { method: 'GET', bucket, key: 'secrets/keys.txt' });
    expect(foreign).toMatchObject({ version: expected.version, status: '403' });
    expect(foreign.body).toContain('(resource_outside)');
  });
});
