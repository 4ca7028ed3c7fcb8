import type { HttpRoute } from '../../calls/http-target.ts';
import { CLIENT_KEY_ENV } from '../../contract/environment.ts';
import type { AdmittedTasks } from '../../contract/task.ts';
import { REFUSED_BY_AUTHORITY, type FixedKey } from './fixed-key.ts';
import type { IdentifyClient } from './http-identity.ts';
import type { PeerConnection } from './peer.ts';
import { refuse } from './refused-call.ts';

/** Who calls on loopback. */
export type HttpCaller = {
  readonly consumer: string;
  /** The caller holds only the fixed key: the authority's answer decides too. */
  readonly hasFixedKey: boolean;
};

export type HttpCallerDeps = {
  readonly admitted: AdmittedTasks;
  /** For requests on loopback; a consumer's own socket needs no key. */
  readonly identifyClient: IdentifyClient;
  /** Absent: pods of this kind have none. */
  readonly fixedKey?: FixedKey | undefined;
};

type Request = {
  readonly headers: ReadonlyMap<string, string>;
  readonly route: HttpRoute;
  readonly connection: PeerConnection;
};

/** Creates the steps that say who calls on loopback. Each throws a RefusedCall `key_required`. */
export const createCallerSteps = ({ admitted, identifyClient, fixedKey }: HttpCallerDeps) => {
  const refuseKey = ({ kind, name }: HttpRoute, why?: string): never => {
    const { client } = admitted.tasks.find((task) => kind === 'task' && task.name === name) ?? {};
    const variable = (client && CLIENT_KEY_ENV[client]) ?? 'KEY';
    const reason = why === undefined ? '' : `the UID of the pod is no key here: ${why}; `;
    return refuse(
      'key_required',
      `${reason}use the socket /var/run/valetkey/gateway, or start the client with ${variable}="$(cat /var/run/valetkey/token)"`,
    );
  };

  const identifyByFixedKey = async ({
    headers,
    route,
    connection,
  }: Request): Promise<HttpCaller> => {
    const found = await fixedKey?.identify(headers, connection);
    if (found === undefined) return refuseKey(route);
    if ('why' in found) return refuseKey(route, found.why);
    if (route.kind === 'run') return refuseKey(route, 'it is one only below /t/<task>');
    return { consumer: found.consumer, hasFixedKey: true };
  };

  return {
    identifyCaller: async (request: Request): Promise<HttpCaller> => {
      const consumer = identifyClient(request.headers);
      return consumer === undefined
        ? identifyByFixedKey(request)
        : { consumer, hasFixedKey: false };
    },
    /** Once the call has a run: before the first run of a consumer the authority has not answered. */
    checkAnswer: ({ hasFixedKey }: HttpCaller, route: HttpRoute): void => {
      if (hasFixedKey && fixedKey?.isGranted() !== true) refuseKey(route, REFUSED_BY_AUTHORITY);
    },
  };
};
