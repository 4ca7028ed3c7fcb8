import { describe, expect, it } from '@jest/globals';

import { createFixedKey, REFUSED_BY_AUTHORITY, type FixedKeyDeps } from './fixed-key.ts';
import { createClientIdentification } from './http-identity.ts';

const POD_UID = '0b8ff4a1-0a4b-4c37-9a5e-3a7a5b1d2c3e';
const SIDECAR_UID = 64_872;

const connection = {
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
  localAddress: '127.0.0.1',
  localPort: 9473,
};

const create = (changes: Partial<FixedKeyDeps> = {}) =>
  createFixedKey({
    podUid: POD_UID,
    consumer: 'agent',
    ownUid: SIDECAR_UID,
    peerCheck: Promise.resolve({ works: true, overflowUid: 65_534 }),
    findPeerUid: () => Promise.resolve(1000),
    getAnswer: () => undefined,
    ...changes,
  });

const bearer = new Map([['authorization', `Bearer ${POD_UID}`]]);
const basic = new Map([['authorization', `Basic ${btoa(`x:${POD_UID}`)}`]]);

describe('createFixedKey', () => {
  it.each([
    ['Bearer', bearer],
    ['bearer in lower case', new Map([['authorization', `bearer ${POD_UID}`]])],
    ['x-api-key', new Map([['x-api-key', POD_UID]])],
    ['api-key', new Map([['api-key', POD_UID]])],
    ['x-vault-token', new Map([['x-vault-token', POD_UID]])],
  ])('takes the UID of the pod in %s as the key of its consumer', async (_where, headers) => {
    expect(await create().identify(headers, connection)).toEqual({ consumer: 'agent' });
  });

  it.each([
    ['the password of Basic', basic],
    ['the user of Basic', new Map([['authorization', `Basic ${btoa(`${POD_UID}:x`)}`]])],
    ['the text of Basic', new Map([['authorization', `Basic ${POD_UID}`]])],
    ['authorization without a scheme', new Map([['authorization', POD_UID]])],
    ['another scheme', new Map([['authorization', `Token ${POD_UID}`]])],
    ['another header', new Map([['x-key', POD_UID]])],
    ['another form', new Map([['x-api-key', POD_UID.toUpperCase()]])],
    ['part', new Map([['x-api-key', POD_UID.slice(0, -1)]])],
    ['no header', new Map<string, string>()],
    ['an empty header', new Map([['x-api-key', '']])],
  ])('does not know it as %s', async (_where, headers) => {
    expect(await create().identify(headers, connection)).toBeUndefined();
  });

  it('is no loopback token: databases and the credentials endpoint do not take it', () => {
    const identify = createClientIdentification(new Map([['agent', 'a-loopback-token']]));
    expect([...bearer, ...basic].map((entry) => identify(new Map([entry])))).toEqual([
      undefined,
      undefined,
    ]);
  });

  it.each([
    ['root, as port-forward', 0],
    ['a user outside the user namespace', 65_534],
    ['the sidecar', SIDECAR_UID],
    ['unknown', undefined],
  ])('is refused if the user at the other end is %s', async (_who, uid) => {
    const { identify } = create({ findPeerUid: () => Promise.resolve(uid) });
    expect(await identify(bearer, connection)).toEqual({ why: expect.any(String) });
  });

  it('is refused where the self-test failed, without a look-up', async () => {
    let lookups = 0;
    const { identify } = create({
      peerCheck: Promise.resolve({ works: false, why: 'gVisor' }),
      findPeerUid: () => Promise.resolve((lookups += 1)),
    });
    expect(await identify(bearer, connection)).toEqual({
      why: 'this kernel does not show who connects',
    });
    expect(lookups).toBe(0);
  });

  it('looks the user up once for each connection, also for requests at the same time', async () => {
    const seen: unknown[] = [];
    const { identify } = create({
      findPeerUid: (each) => {
        seen.push(each);
        return Promise.resolve(1000);
      },
    });
    await Promise.all([identify(bearer, connection), identify(bearer, connection)]);
    await identify(bearer, connection);
    const another = { ...connection };
    await identify(bearer, another);
    expect(seen).toEqual([connection, another]);
  });

  it('follows the latest answer of the authority', async () => {
    let answer: boolean | undefined;
    const { identify, isGranted } = create({ getAnswer: () => answer });
    // Without an answer the call may start a run, which brings one.
    expect([await identify(bearer, connection), isGranted()]).toEqual([
      { consumer: 'agent' },
      false,
    ]);
    answer = true;
    expect([await identify(bearer, connection), isGranted()]).toEqual([
      { consumer: 'agent' },
      true,
    ]);
    answer = false;
    expect([await identify(bearer, connection), isGranted()]).toEqual([
      { why: REFUSED_BY_AUTHORITY },
      false,
    ]);
  });
});
