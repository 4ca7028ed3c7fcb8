import { X509Certificate } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import { createCertifiedKey, computeThumbprint } from '../certificate/key-certificate.ts';
import {
  buildIssuerDocuments,
  buildJwks,
  buildOauthMetadata,
  buildOpenidConfiguration,
} from './issuer-documents.ts';

const settings = {
  issuer: 'https://issuer.example/valetkey',
  endpoint: 'https://valetkey-authority.valetkey.svc',
  algorithm: 'ES256',
} as const;

const buildPublishedKey = async () => {
  const { certificate } = await createCertifiedKey('ES256', Date.parse('2030-01-01T00:00:00Z'));
  return { kid: 'k1', algorithm: 'ES256' as const, certificate };
};

describe('buildJwks', () => {
  it('returns ID, use, algorithm and certificate of each key, and no private member', async () => {
    const [one, other] = [await buildPublishedKey(), { ...(await buildPublishedKey()), kid: 'k2' }];
    const { keys } = buildJwks([one, other]);
    expect(keys.map(({ kid, use, alg, kty }) => [kid, use, alg, kty])).toEqual([
      ['k1', 'sig', 'ES256', 'EC'],
      ['k2', 'sig', 'ES256', 'EC'],
    ]);
    expect(JSON.stringify(keys)).not.toMatch(/"d"|PRIVATE/);
    const [x5c] = keys[0]?.['x5c'] as string[];
    const certificate = new X509Certificate(Buffer.from(x5c ?? '', 'base64'));
    expect(computeThumbprint(certificate.toString())).toBe(computeThumbprint(one.certificate));
  });
});

describe('the issuer documents', () => {
  it('contain the URL of the keys below the issuer', () => {
    expect(buildOpenidConfiguration(settings)).toMatchObject({
      issuer: 'https://issuer.example/valetkey',
      jwks_uri: 'https://issuer.example/valetkey/jwks',
      id_token_signing_alg_values_supported: ['ES256'],
      subject_types_supported: ['public'],
      response_types_supported: ['id_token'],
    });
  });

  it('describe the endpoints of the authority for clients', () => {
    expect(buildOauthMetadata(settings)).toMatchObject({
      issuer: 'https://issuer.example/valetkey',
      token_endpoint: 'https://valetkey-authority.valetkey.svc/v1/token',
      revocation_endpoint: 'https://valetkey-authority.valetkey.svc/v1/revoke',
      grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
      authorization_details_types_supported: ['valetkey.dev/task'],
    });
  });

  it('are compact JSON with the keys before the configuration', async () => {
    const jwks = buildJwks([await buildPublishedKey()]);
    expect(buildIssuerDocuments(settings, jwks)).toEqual([
      { path: 'jwks', body: JSON.stringify(jwks) },
      {
        path: '.well-known/openid-configuration',
        body: JSON.stringify(buildOpenidConfiguration(settings)),
      },
    ]);
  });
});
