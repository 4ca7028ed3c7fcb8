import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { API_GROUP, API_VERSION, REVOCATIONS } from '../lib/contract/authority-api.ts';
import type { EmbeddedApiServer } from '../test/fakes/api-server/embedded-api-server.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import type { RunKubectlPlugin } from './kubectl-plugin.ts';

const POLL_MS = 2;
const REFUSAL_TIMEOUT_MS = 10_000;

/**
 * Revokes a task with `kubectl valetkey` while its consumer requests credentials continuously. Measures
 * the time from the creation of the Revocation to the first refusal.
 *
 * @param given.socket socket of the consumer whose default task is revoked
 */
export const checkRevocation = async (given: {
  readonly cluster: EmbeddedApiServer;
  readonly tool: RunKubectlPlugin;
  readonly socket: string;
  /** `<namespace>/<service account>/<task>` */
  readonly task: string;
}): Promise<ResultLine> => {
  const { cluster, tool, socket, task } = given;
  let revokedAt = Infinity;
  const collection = `/apis/${API_GROUP}/${API_VERSION}/${REVOCATIONS}`;
  const stop = cluster.objects.subscribe(collection, cluster.objects.version(), () => {
    revokedAt = performance.now();
  });
  const before = await requestCredentials(socket);
  const refused = waitUntilRefused(socket);
  const { code } = await tool('revoke', 'revoke', '--task', task, '--reason', 'odd writes');
  const { answer, at } = await refused;
  stop();
  const milliseconds = at - revokedAt;
  const outcomes = [before, `revoke ended with ${code}`, answer].join(', then ');
  const expected = '200, then revoke ended with 0, then 403 revoked';
  const isAsExpected = outcomes === expected && milliseconds > 0;
  return buildLine({
    name: 'revoked while in use',
    expected: '403 revoked',
    got: isAsExpected ? '403 revoked' : outcomes,
    ...(isAsExpected && { detail: `${milliseconds.toFixed(0)} ms after the Revocation` }),
    milliseconds,
  });
};

const waitUntilRefused = async (socket: string): Promise<{ answer: string; at: number }> => {
  const deadline = performance.now() + REFUSAL_TIMEOUT_MS;
  for (;;) {
    const answer = await requestCredentials(socket);
    const at = performance.now();
    if (answer !== '200' || at > deadline) return { answer, at };
    await pause(POLL_MS);
  }
};

/** Formats the status, and the code if there is one. */
const requestCredentials = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path: '/v1/credentials', agent: false }, (answer) => {
      text(answer).then((body) => {
        const { Code } = JSON.parse(body) as { readonly Code?: string };
        resolve([answer.statusCode, Code].filter((word) => word !== undefined).join(' '));
      }, reject);
    })
      .on('error', reject)
      .end();
  });
