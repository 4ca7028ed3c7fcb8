import { waitFor } from '../cluster/kubectl.ts';
import { exchangeToken } from '../stories/node.ts';
import { stage } from '../stories/stage.ts';
import type { Place } from '../stories/stage.ts';
import type { ApiServer, Caller } from './api-server.ts';
import type { AttackOf } from './table.ts';
import { forge } from './thefts.ts';

type Exchange = AttackOf<'exchange'>['exchange'];

type Source = {
  readonly call: ApiServer['call'];
  /** Who asks for tokens, and makes Secrets. */
  readonly editor: Caller;
  readonly agent: Place;
  /** Exchange tokens of pods that ended, by pod. */
  readonly ended: Readonly<Record<string, string>>;
};

/** Whoever reads the token inside a pod, reads it on our node. */
export const isWithinReach = ({ exchange: { token } }: AttackOf<'exchange'>): boolean =>
  stage.node !== undefined || !token.endsWith(' pod');

/** The token that an attack puts to somebody. */
export const takeToken = async (exchange: Exchange, source: Source): Promise<string> => {
  const { node } = stage;
  const { token, forged } = exchange;
  if (token === 'asked for') return askForToken(exchange, source);
  if (token === 'of a Secret') return tokenOfSecret(source);
  if (token === 'of a deleted pod') return source.ended['deleted'] ?? '';
  if (token === 'of a closing pod') return source.ended['closing'] ?? '';
  if (node === undefined) throw new Error('exchange tokens stand on the node');
  return forge(await exchangeToken(node, source.agent), forged, node);
};

const below = ({ namespace }: Place): string => `/api/v1/namespaces/${namespace}`;

const askForToken = async ({ audience = '' }: Exchange, { call, editor, agent }: Source) => {
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: agent.pod };
  const spec = { audiences: [audience], boundObjectRef, expirationSeconds: 600 };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const path = `${below(agent)}/serviceaccounts/agent/token`;
  const answer = await call(editor, { method: 'POST', path, body });
  return (answer.body as { status: { token: string } }).status.token;
};

/** Of the kind that lives until its Secret goes. */
const tokenOfSecret = async ({ call, editor, agent }: Source): Promise<string> => {
  const annotations = { 'kubernetes.io/service-account.name': 'agent' };
  const metadata = { name: 'agent-token', annotations };
  const type = 'kubernetes.io/service-account-token';
  const path = `${below(agent)}/secrets`;
  const body = { apiVersion: 'v1', kind: 'Secret', metadata, type };
  await call(editor, { method: 'POST', path, body });
  const encoded = await waitFor('the token of a Secret', async () => {
    const secret = await call(editor, { method: 'GET', path: `${path}/${metadata.name}` });
    return (secret.body as { data?: { token?: string } }).data?.token;
  });
  return Buffer.from(encoded, 'base64').toString();
};
