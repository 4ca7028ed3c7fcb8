import { afterEach, describe, expect, it } from '@jest/globals';

import { startHttpsServer, type HttpsServer } from '../../../test/kit/https-server.ts';
import { isCloudAddress } from './address-check.ts';
import { createEndpointSender } from './endpoint-client.ts';
import { ConnectionError, toSecretError } from './https-client.ts';

let server: HttpsServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const REQUEST = { method: 'GET', timeoutMs: 5_000, maxBodyBytes: 1024 } as const;
const send = createEndpointSender({ isAllowedAddress: isCloudAddress });

describe('createEndpointSender', () => {
  it.each([
    'https://127.0.0.1',
    'https://127.1',
    'https://2130706433',
    'https://0.0.0.0',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]',
    'https://[::ffff:127.0.0.1]',
    'https://[fd00:ec2::254]',
  ])('refuses %s before it connects', async (url) => {
    await expect(send({ ...REQUEST, url })).rejects.toMatchObject({
      name: 'ConnectionError',
      code: 'address_refused',
      wasSent: false,
    });
  });

  it('refuses a name that resolves to an address of the pod', async () => {
    const urls: unknown[] = [];
    server = await startHttpsServer(() => (request, response) => {
      urls.push(request.url);
      response.end();
    });
    const { origin: url, caBundle } = server;
    await expect(send({ ...REQUEST, url, caBundle })).rejects.toMatchObject({
      code: 'address_refused',
    });
    expect(urls).toEqual([]);
  });

  it('connects to the address that it has checked', async () => {
    server = await startHttpsServer(() => (_, response) => response.end('here'));
    const checked: string[] = [];
    const isAllowedAddress = (address: string): boolean => checked.push(address) > 0;
    const { origin: url, caBundle } = server;
    const response = await createEndpointSender({ isAllowedAddress })({
      ...REQUEST,
      url,
      caBundle,
    });
    expect(response).toMatchObject({ status: 200, body: 'here' });
    expect(checked).toContain('127.0.0.1');
  });
});

describe('toSecretError', () => {
  it.each([
    ['address_refused', 'provider_refused'],
    ['ECONNREFUSED', 'secret_unavailable'],
  ])('converts %s into %s', (code, expected) => {
    const error = toSecretError('Vault role r', new ConnectionError(code, { wasSent: false }));
    expect(error).toMatchObject({ name: 'SecretError', code: expected });
  });
});
