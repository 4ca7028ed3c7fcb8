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
    { token: 'pod.token.secret', followed: [] },
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

describe('createEventStream', () => {
  test("connects with the pod's token and returns each line as it arrives", async () => {
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

  test('reads lines that are split anywhere, also within a character', async () => {
    const { authority, lines, until } = await withStream();
    const listener = await authority.listener();
    const bytes = Buffer.from(`${JSON.stringify(revoked)}\n{"type":"heartbeat"}\n`);
    for (const byte of bytes) listener.write(Buffer.from([byte]));
    await until(2);
    expect(lines).toEqual([revoked, { type: 'heartbeat' }]);
  });

  test('ignores lines of an unknown type', async () => {
    const { authority, lines, until } = await withStream();
    const listener = await authority.listener();
    listener.write('{"type":"weather"}\n{"type":"heartbeat","at":1}\n');
    await until(1);
    expect(lines).toEqual([{ type: 'heartbeat' }]);
  });

  test('resolves when the authority ends the stream', async () => {
    const { authority, going } = await withStream();
    (await authority.listener()).end();
    await expect(going).resolves.toBeUndefined();
  });

  test('closes the connection when it is aborted', async () => {
    const { authority, going, abort } = await withStream();
    const listener = await authority.listener();
    abort.abort('renewal');
    await expect(going).rejects.toMatchObject({ kind: 'unavailable' });
    await listener.closed;
  });

  test('fails as unavailable if the stream is interrupted', async () => {
    const { authority, going } = await withStream();
    await authority.listener();
    await authority.stop();
    await expect(going).rejects.toMatchObject({ code: 'authority_unreachable' });
  });

  const malformed: [string, string][] = [
    ['a line that is not JSON', 'hello\n'],
    ['an empty line', '\n'],
    ['a line that is no object', '1\n'],
    ['a line without a type', '{"active":[]}\n'],
    ['invalid revocations', '{"type":"revocations","active":{}}\n'],
    ['a revocation without a name', '{"type":"revocations","active":[{"reason":"x"}]}\n'],
    ['a line without an end', 'x'.repeat(1_100_000)],
  ];
  test.each(malformed)('fails on %s', async (_, text) => {
    const { authority, going } = await withStream();
    const listener = await authority.listener();
    listener.write(text);
    await expect(going).rejects.toMatchObject({ code: 'stream_malformed' });
    await listener.closed;
  });

  test('fails with the reason of a refusal, without the token', async () => {
    const { going } = await withStream(() =>
      buildRefusedReply(403, 'pod_not_found', { error_description: 'no pod, pod.token.secret' }),
    );
    await expect(going).rejects.toMatchObject({ kind: 'refused', code: 'http_403' });
  });

  test('fails with the retry time that the authority requests', async () => {
    const { going } = await withStream(() =>
      buildRefusedReply(503, 'draining', {}, { 'Retry-After': '3' }),
    );
    await expect(going).rejects.toMatchObject({ code: 'draining', retryAfterMs: 3_000 });
  });

  test('refuses a server that the trust bundle does not trust', async () => {
    const other = await createCertificateAuthority({ now: Date.now(), lifetimeMs: 60_000 });
    const { going, authority } = await withStream(undefined, () => other.certificate);
    await expect(going).rejects.toMatchObject({ code: 'authority_unreachable' });
    expect(authority.connections()).toBe(0);
  });
});
