import type { ApiServerClient } from './api-server-client.ts';
import { buildCaller } from './attack-users.ts';
import type { ApiStatus } from './admission-refusals.ts';
import type { AttackByKind } from './attack-table.ts';

type PortResponse = { readonly code?: string; readonly message?: string };

/** Connects to a port of the pod through the API server; returns the response of the API server or the port. */
export const accessPort = async (
  attack: AttackByKind<'reach'>,
  { call, forward, namespace }: ApiServerClient & { readonly namespace: string },
): Promise<PortResponse> => {
  const { by, port, path } = attack.reach;
  const [caller, pod] = [buildCaller(attack), 'victim'];
  if (by === 'proxy') {
    const at = `/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy${path}`;
    const { reason, message } = (await call(caller, { method: 'GET', path: at })).body as ApiStatus;
    return { ...(reason !== undefined && { code: reason }), ...(message && { message }) };
  }
  const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
  const said = await forward(caller, { namespace, pod, port }, head);
  const [message = '', body = ''] = said.split('\r\n\r\n');
  const { Code } = JSON.parse(body) as { Code: string };
  return { code: Code, message };
};
