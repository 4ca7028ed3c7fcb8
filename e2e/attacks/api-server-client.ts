import { request } from 'node:https';
import type { OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { KubeConfig, PortForward } from '@kubernetes/client-node';
import type { ClusterAccess } from '../cluster/cluster-file.ts';

/** User and groups that a request impersonates. */
export type ApiCaller = { readonly user: string; readonly groups?: readonly string[] };

export type ApiServerCall = {
  readonly method: string;
  /** Absolute path. */
  readonly path: string;
  readonly body?: unknown;
  /** Content type of the body; default JSON. */
  readonly type?: string;
};

export type ApiServerResponse = { readonly status: number; readonly body: unknown };

export type ApiServerClient = {
  /** Sends one request as `caller`, or as the user of the tests; returns any response. */
  readonly call: (caller: ApiCaller | undefined, call: ApiServerCall) => Promise<ApiServerResponse>;
  /** Sends a request head to a port of a pod through port forwarding; returns the first response. */
  readonly forward: (caller: ApiCaller, place: ForwardedPort, head: string) => Promise<string>;
};

type ForwardedPort = { readonly namespace: string; readonly pod: string; readonly port: number };

/** Creates a client of the API server without the checks of kubectl, which an attacker would not use. */
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

/** The type of the library needs packages that are not installed. */
type ClosableSocket = { close: () => void };

const impersonate = (config: KubeConfig, caller: ApiCaller | undefined): KubeConfig => {
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  if (cluster === null || user === null)
    throw new Error('kubeconfig: expected a current cluster and user, got none');
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

/** Parses a body, which is not always JSON if the API server proxies it. */
const readBody = (said: string): unknown => {
  try {
    return JSON.parse(said) as unknown;
  } catch {
    return { message: said };
  }
};

/** Reads until the end of a JSON body, because port forwarding does not report the end of a connection. */
const readFirstResponse = async (output: PassThrough): Promise<string> => {
  let said = '';
  for await (const chunk of output) {
    said += String(chunk);
    if (said.trimEnd().endsWith('}')) break;
  }
  return said;
};
