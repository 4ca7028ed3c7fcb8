import type { ApiServer } from './api-server.ts';
import { callerOf } from './editors.ts';
import type { Status } from './refusals.ts';
import type { AttackOf } from './table.ts';

type Reached = { readonly code?: string; readonly message?: string };

/** What is said to whoever reaches for a port of the pod: by the API server, or by the port itself. */
export const reach = async (
  attack: AttackOf<'reach'>,
  { call, forward, namespace }: ApiServer & { readonly namespace: string },
): Promise<Reached> => {
  const { by, port, path } = attack.reach;
  const [caller, pod] = [callerOf(attack), 'victim'];
  if (by === 'proxy') {
    const at = `/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy${path}`;
    const { reason, message } = (await call(caller, { method: 'GET', path: at })).body as Status;
    return { ...(reason !== undefined && { code: reason }), ...(message && { message }) };
  }
  const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
  const said = await forward(caller, { namespace, pod, port }, head);
  const [message = '', body = ''] = said.split('\r\n\r\n');
  const { Code } = JSON.parse(body) as { Code: string };
  return { code: Code, message };
};
