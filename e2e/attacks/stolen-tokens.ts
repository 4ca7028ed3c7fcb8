import { waitFor } from '../../test/kit/retry.ts';
import { readExchangeToken } from '../tests/node-access.ts';
import { testContext } from '../tests/test-context.ts';
import type { PodRef } from '../tests/test-context.ts';
import type { ApiServerClient, ApiCaller } from './api-server-client.ts';
import type { AttackByKind } from './attack-table.ts';
import { applyForgery } from './stolen-credentials.ts';

type ExchangeAttack = AttackByKind<'exchange'>['exchange'];

type TokenSource = {
  readonly call: ApiServerClient['call'];
  /** The user who requests tokens and creates Secrets. */
  readonly editor: ApiCaller;
  readonly agent: PodRef;
  /** Exchange tokens of ended pods, by pod. */
  readonly ended: Readonly<Record<string, string>>;
};

/** Whether the token can be obtained: exchange tokens are read on the node. */
export const isTokenAvailable = ({ exchange: { token } }: AttackByKind<'exchange'>): boolean =>
  testContext.node !== undefined || !token.endsWith(' pod');

/** Obtains the token of an attack. */
export const obtainToken = async (
  exchange: ExchangeAttack,
  source: TokenSource,
): Promise<string> => {
  const { node } = testContext;
  const { token, forged } = exchange;
  if (token === 'requested') return requestBoundToken(exchange, source);
  if (token === 'of a Secret') return createSecretToken(source);
  if (token === 'of a deleted pod') return source.ended['deleted'] ?? '';
  if (token === 'of a terminating pod') return source.ended['terminating'] ?? '';
  if (node === undefined)
    throw new Error('expected a cluster on this machine: exchange tokens are read on its node');
  return applyForgery(await readExchangeToken(node, source.agent), forged, node);
};

const buildNamespacePath = ({ namespace }: PodRef): string => `/api/v1/namespaces/${namespace}`;

const requestBoundToken = async (
  { audience = '' }: ExchangeAttack,
  { call, editor, agent }: TokenSource,
) => {
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: agent.pod };
  const spec = { audiences: [audience], boundObjectRef, expirationSeconds: 600 };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const path = `${buildNamespacePath(agent)}/serviceaccounts/agent/token`;
  const answer = await call(editor, { method: 'POST', path, body });
  return (answer.body as { status: { token: string } }).status.token;
};

/** Creates a token that is valid until its Secret is deleted. */
const createSecretToken = async ({ call, editor, agent }: TokenSource): Promise<string> => {
  const annotations = { 'kubernetes.io/service-account.name': 'agent' };
  const metadata = { name: 'agent-token', annotations };
  const type = 'kubernetes.io/service-account-token';
  const path = `${buildNamespacePath(agent)}/secrets`;
  const body = { apiVersion: 'v1', kind: 'Secret', metadata, type };
  await call(editor, { method: 'POST', path, body });
  const encoded = await waitFor('the token of a Secret', async () => {
    const secret = await call(editor, { method: 'GET', path: `${path}/${metadata.name}` });
    return (secret.body as { data?: { token?: string } }).data?.token;
  });
  return Buffer.from(encoded, 'base64').toString();
};
