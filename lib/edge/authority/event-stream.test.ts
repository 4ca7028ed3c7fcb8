import { afterEach, describe, expect, test } from '@jest/globals';

import { createCertificateAuthority } from '../../certificate/certificate-authority.ts';
import type { StreamLine } from '../../contract/authority-api.ts';
import { createAuthorityClient } from './authority-client.ts';
import { buildRefusedReply, startFakeAuthority } from './fixtures/fake-authority.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const withStream = async (
  refuse?: Parameters<typeof startFakeAuthority>[1],
  roots?: (own: string) => string,
) => {
  const authority = await startFakeAuthority(() => buildRefusedReply(404, 'route_unknown'), refuse);
  closing.push(authority.stop);
  const { connect } = createAuthorityClient(
    { endpoint: authority.endpoint, roots: roots?.(authority.roots) ?? authority.roots },
    {
      readToken: () => 'unused',
      clock: { now: () => Date.now(), monotonic: () => performance.now() },
      reportSkew: () => undefined,
      onContact: () => undefined,
      random: () => 0,
      pause: () => Promise.resolve(),
    },
  );
  const lines: StreamLine[] = [];
  let wake = (): void => undefined;
  const abort = new AbortController();
  const going = connect(
    'pod.token.secret',
    (line) => {
      lines.push(line);
      wake();
    },
    abort.signal,
  );
  going.catch(() => undefined);
  /** So many lines have come. */
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => lines.length >= count && resolve();
      wake();
    });
  return { authority, lines, until, going, abort };
};

const revoked: StreamLine = {
  type: 'revocations',
  active: [{ name: 'stop', task: 'summarize', reason: 'ünïcode and a\nline end' }],
};

describe('the stream', () => {
  test("is asked for with the pod's token, and its lines are read as they come", async () => {
    const { authority, lines, until } = await withStream();
    const listener = await authority.listener();
    expect(listener.authorization).toBe('Bearer pod.token.secret');
    listener.send(revoked);
    await until(1);
    listener.send({ type: 'heartbeat' });
    listener.send({ type: 'reconnect' });
    await until(3);
    expect(lines).toEqual([revoked, { type: 'heartbeat' }, { type: 'reconnect' }]);
  });

  test('may break its lines anywhere, also within a character', async () => {
    const { authority, lines, until } = await withStream();
    const listener = await authority.listener();
    const bytes = Buffer.from(`${JSON.stringify(revoked)}\n{"type":"heartbeat"}\n`);
    for (const byte of bytes) listener.write(Buffer.from([byte]));
    await until(2);
    expect(lines).toEqual([revoked, { type: 'heartbeat' }]);
  });

  test('passes over what only a newer authority says', async () => {
    const { authority, lines, until } = await withStream();
    const listener = await authority.listener();
    listener.write('{"type":"weather"}\n{"type":"heartbeat","at":1}\n');
    await until(1);
    expect(lines).toEqual([{ type: 'heartbeat' }]);
  });

  test('resolves when the authority ends it', async () => {
    const { authority, going } = await withStream();
    (await authority.listener()).end();
    await expect(going).resolves.toBeUndefined();
  });

  test('ends with the signal, and its connection with it', async () => {
    const { authority, going, abort } = await withStream();
    const listener = await authority.listener();
    abort.abort('renewal');
    await expect(going).rejects.toMatchObject({ kind: 'unavailable' });
    await listener.closed;
  });

  test('that breaks off is a lack', async () => {
    const { authority, going } = await withStream();
    await authority.listener();
    await authority.stop();
    await expect(going).rejects.toMatchObject({ code: 'authority_unreachable' });
  });

  const malformed: [string, string][] = [
    ['no JSON', 'hello\n'],
    ['an empty line', '\n'],
    ['no object', '1\n'],
    ['no type', '{"active":[]}\n'],
    ['revocations that are none', '{"type":"revocations","active":{}}\n'],
    ['a revocation without a name', '{"type":"revocations","active":[{"reason":"x"}]}\n'],
    ['a line without an end', 'x'.repeat(1_100_000)],
  ];
  test.each(malformed)('that holds %s is ended', async (_, text) => {
    const { authority, going } = await withStream();
    const listener = await authority.listener();
    listener.write(text);
    await expect(going).rejects.toMatchObject({ code: 'stream_malformed' });
    await listener.closed;
  });

  test('that is refused says why, and never with our token', async () => {
    const { going } = await withStream(() =>
      buildRefusedReply(403, 'pod_not_found', { error_description: 'no pod, pod.token.secret' }),
    );
    await expect(going).rejects.toMatchObject({ kind: 'refused', code: 'http_403' });
  });

  test('that is put off says for how long', async () => {
    const { going } = await withStream(() =>
      buildRefusedReply(503, 'draining', {}, { 'Retry-After': '3' }),
    );
    await expect(going).rejects.toMatchObject({ code: 'draining', retryAfterMs: 3_000 });
  });

  test('by another root is not listened to', async () => {
    const other = await createCertificateAuthority({ now: Date.now(), lifetimeMs: 60_000 });
    const { going, authority } = await withStream(undefined, () => other.certificate);
    await expect(going).rejects.toMatchObject({ code: 'authority_unreachable' });
    expect(authority.connections()).toBe(0);
  });
});
