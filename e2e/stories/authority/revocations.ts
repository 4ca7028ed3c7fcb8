import { CustomObjectsApi, KubeConfig } from '@kubernetes/client-node';
import { kubectl, logs, waitFor } from '../../cluster/kubectl.ts';
import { noteFigure } from '../../figures.ts';
import { cluster, stage } from '../stage.ts';
import type { Place } from '../stage.ts';

export type RevocationSpec = { [field: string]: unknown; by?: string; reason?: string };

const STORY = 'e2e.valetkey.dev/story';
const where = { group: 'valetkey.dev', version: 'v1alpha1', plural: 'revocations' } as const;

/** The name under which the API server knows the stories. */
export const ownName = async (): Promise<string> => {
  const { stdout } = await kubectl(cluster, ['auth', 'whoami', '-o', 'json']);
  const { status } = JSON.parse(stdout) as { status: { userInfo: { username: string } } };
  return status.userInfo.username;
};

export const revocation = (name: string, { reason = 'a story', ...spec }: RevocationSpec) => ({
  apiVersion: 'valetkey.dev/v1alpha1',
  kind: 'Revocation',
  metadata: { name, labels: { [STORY]: 'true' } },
  spec: { reason, ...spec },
});

/** Creates it with one request, as `kubectl apply` does after it has got going; answers when it was sent. */
export const revoke = async (name: string, spec: RevocationSpec): Promise<number> => {
  const by = spec.by ?? (await ownName());
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const api = config.makeApiClient(CustomObjectsApi);
  const body = revocation(name, { ...spec, by });
  const sentAt = Date.now();
  await api.createClusterCustomObject({ ...where, body });
  return sentAt;
};

/** Lifts it; also one that is not there. */
export const lift = (name: string) =>
  kubectl(cluster, ['delete', 'revocation', name, '--ignore-not-found']);

/** What a consumer said on its standard output, a line of JSON each. */
export type Said = { at: number; [field: string]: unknown };

export const saidBy = async <T = Said>({
  container = 'agent',
  ...place
}: Place): Promise<(T & Said)[]> => {
  const text = await logs(cluster, { ...place, container });
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as T & Said);
};

/** Waits until a consumer has said it. */
export const heardFrom = <T extends object>(
  place: Place,
  what: string,
  isWanted: (line: T & Said) => boolean,
): Promise<T & Said> =>
  waitFor(`${place.pod} to say ${what}`, async () => (await saidBy<T>(place)).find(isWanted), {
    timeoutMs: 60_000,
  });

/** Notes for how long something took, in seconds. */
export const noteSeconds = (name: string, milliseconds: number): void => {
  const value = `${(milliseconds / 1000).toFixed(2)} s`;
  noteFigure(stage.folder, { pass: stage.pass, name, value });
};
