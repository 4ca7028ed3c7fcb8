import { request } from 'node:https';
import type { OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { KubeConfig, PortForward } from '@kubernetes/client-node';
import type { ClusterAccess } from '../cluster/cluster-file.ts';

/** Whom a request is sent as. */
export type ApiCaller = { readonly user: string; readonly groups?: readonly string[] };

export type ApiServerCall = {
  readonly method: string;
  /** From the root on. */
  readonly path: string;
  readonly body?: unknown;
  /** Of the body; JSON unless given. */
  readonly type?: string;
};

export type ApiServerResponse = { readonly status: number; readonly body: unknown };

export type ApiServerClient = {
  /** Sends one request as somebody, or as the stories themselves, and answers whatever comes. */
  readonly call: (caller: ApiCaller | undefined, call: ApiServerCall) => Promise<ApiServerResponse>;
  /** What a port of a pod first says to a request, by a connection that the API server forwards. */
  readonly forward: (caller: ApiCaller, place: ForwardedPort, head: string) => Promise<string>;
};

type ForwardedPort = { readonly namespace: string; readonly pod: string; readonly port: number };

/** The API server as it is: without kubectl, whose own checks nobody has to pass. */
export const createApiServerClient = ({ kubeconfig }: ClusterAccess): ApiServerClient => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return {
    call: async (caller, call) => {
      const options: RequestOptions = {};
      await impersonate(config, caller).applyToHTTPSOptions(options);
      const groups = caller?.groups ?? [];
      const headers = {
        ...(options.headers as OutgoingHttpHeaders | undefined),
        ...(groups.length > 0 && { 'Impersonate-Group': [...groups] }),
      };
      return sendRequest(config.getCurrentCluster()?.server ?? '', { ...options, headers }, call);
    },
    forward: async (caller, { namespace, pod, port }, head) => {
      const [input, output] = [new PassThrough(), new PassThrough()];
      const forward = new PortForward(impersonate(config, caller));
      const socket: unknown = await forward.portForward(
        namespace,
        pod,
        [port],
        output,
        null,
        input,
      );
      input.write(head);
      const said = await readFirstResponse(output);
      (socket as ClosableSocket).close();
      return said;
    },
  };
};

/** The library's own type needs others that are not installed. */
type ClosableSocket = { close: () => void };

const impersonate = (config: KubeConfig, caller: ApiCaller | undefined): KubeConfig => {
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  if (cluster === null || user === null) throw new Error('the kubeconfig names nobody');
  if (caller === undefined) return config;
  const impersonating = new KubeConfig();
  impersonating.loadFromClusterAndUser(cluster, { ...user, impersonateUser: caller.user });
  return impersonating;
};

const sendRequest = (
  server: string,
  options: RequestOptions,
  { method, path, body, type = 'application/json' }: ApiServerCall,
): Promise<ApiServerResponse> => {
  const { promise, resolve, reject } = Promise.withResolvers<ApiServerResponse>();
  const given = options.headers as OutgoingHttpHeaders;
  const headers = { ...given, accept: 'application/json', 'content-type': type };
  const sent = request(new URL(path, server), { ...options, method, headers }, (response) => {
    text(response).then((said) => {
      resolve({ status: response.statusCode ?? 0, body: readBody(said) });
    }, reject);
  });
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
};

/** Not everything that is reached through an API server speaks JSON. */
const readBody = (said: string): unknown => {
  try {
    return JSON.parse(said) as unknown;
  } catch {
    return { message: said };
  }
};

/** Whoever forwards does not tell when the other side is done: a body of JSON does. */
const readFirstResponse = async (output: PassThrough): Promise<string> => {
  let said = '';
  for await (const chunk of output) {
    said += String(chunk);
    if (said.trimEnd().endsWith('}')) break;
  }
  return said;
};
