import { refuseCall, type CallResult } from './call-request.ts';

/** A request of Git's smart HTTP protocol. */
export type GitRequest = {
  readonly service: 'upload-pack' | 'receive-pack';
  /** `advertisement`: the server lists its refs; `rpc`: it fetches or changes. */
  readonly step: 'advertisement' | 'rpc';
  /** Path below the Upstream's base path, without `.git`: `owner/name`. */
  readonly repository: string;
};

const SERVICE = /^service=git-(upload-pack|receive-pack)$/;
const RPC = /^\/(.+)\/git-(upload-pack|receive-pack)$/;
const ADVERTISEMENT = /^\/(.+)\/info\/refs$/;
/** Names as the forges write them: what is encoded or special has no other name here. */
const REPOSITORY = /^[\w.~-]+(?:\/[\w.~-]+)*$/;

type GitRoute = Pick<GitRequest, 'service' | 'step'> & { readonly path: string };

const findService = (method: string, path: string, query: string): GitRoute | undefined => {
  if (method === 'POST' && query === '') {
    const [, repository, service] = RPC.exec(path) ?? [];
    return repository === undefined
      ? undefined
      : { step: 'rpc', service: service as GitRequest['service'], path: repository };
  }
  const [, repository] = (method === 'GET' ? ADVERTISEMENT.exec(path) : null) ?? [];
  const [, service] = SERVICE.exec(query) ?? [];
  return repository === undefined || service === undefined
    ? undefined
    : { step: 'advertisement', service: service as GitRequest['service'], path: repository };
};

/**
 * Recognizes a request of the smart HTTP protocol (gitprotocol-http). The older protocol, which reads files,
 * and everything else below a repository are refused.
 *
 * @param path checked by `parseHttpTarget`, below the Upstream's base path
 * @param query as received
 */
export const recognizeGitRequest = ({
  method,
  path,
  query,
}: {
  method: string;
  path: string;
  query: string;
}): CallResult<GitRequest> => {
  const found = findService(method, path, query);
  const repository = found?.path.replace(/\.git$/, '') ?? '';
  if (found === undefined || !REPOSITORY.test(repository)) {
    return refuseCall('path_outside', "expected a request of Git's smart HTTP protocol");
  }
  return { ok: true, value: { service: found.service, step: found.step, repository } };
};
