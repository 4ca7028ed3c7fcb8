import { describe, expect, it } from '@jest/globals';

import { parseUpstream } from '../../upstreams/upstream-parser.ts';
import { buildHttpSecret } from '../../upstreams/presentation.ts';
import { VALID_UPSTREAMS } from '../../../test/kit/upstream-cases.ts';
import { readHttpSecret } from './token-response-schema.ts';

const read = (secret: object) =>
  readHttpSecret({
    access_token: Buffer.from(JSON.stringify(secret)).toString('base64url'),
  } as Parameters<typeof readHttpSecret>[0]);

const secrets = VALID_UPSTREAMS.flatMap(({ title, spec }) => {
  const parsed = parseUpstream({ metadata: { name: 'api' }, spec });
  if (!parsed.ok || parsed.value.kind !== 'http') return [];
  return [{ title, secret: buildHttpSecret(parsed.value, 'secret-0123456789abcdef') }];
});

describe('readHttpSecret', () => {
  it.each(secrets)('reads every rule that the authority sends: $title', ({ secret }) => {
    expect(read(secret)).toEqual({ ok: true, value: secret });
  });
});
