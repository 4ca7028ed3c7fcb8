import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Session } from '../test/fakes/cloud/sts/sessions.ts';
import type { Child } from './child-process.ts';
import { searchProcess, type Needle, type ProcessSearch } from './process-search.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import { listSessionSecrets } from './secret-line.ts';
import { searchSecrets, type SearchResult, type Secret } from './secret-search.ts';

const CONTROL: Needle['description'] = 'its own local key';

/**
 * Searches a running consumer for every key of the cloud and of the Upstreams: its environment, its memory and its volume. Its
 * own local key must be found, because a search that finds nothing at all proves nothing.
 */
export const checkConsumerKeys = async (given: {
  readonly consumer: Child;
  readonly env: Readonly<Record<string, string>>;
  /** Its volume of Valetkey. */
  readonly volume: string;
  /** Its socket of the sidecar. */
  readonly socket: string;
  readonly sessions: readonly Session[];
  /** Of the Upstreams. */
  readonly keys: readonly Secret[];
}): Promise<ResultLine> => {
  const startedAt = performance.now();
  const { consumer, env, volume, socket, sessions, keys } = given;
  const secrets = [...sessions.flatMap(listSessionSecrets), ...keys];
  const control = { description: CONTROL, text: await readLocalSecret(socket) };
  const inProcess = await searchProcess(consumer.pid, env, [...secrets, control]);
  const inVolume = searchSecrets(volume, secrets);
  const problems = [
    ...[...inProcess.found].filter((found) => found !== CONTROL),
    ...inVolume.leaks,
    ...listDoubts(inProcess, sessions),
  ];
  return buildLine({
    name: 'the agent holds no key of a server',
    expected: 'none',
    got: problems.length === 0 ? 'none' : problems.join('; '),
    detail: `${secrets.length} texts of ${sessions.length} sessions and ${keys.length} Upstreams: ${describePlaces(inProcess, inVolume)}`,
    milliseconds: performance.now() - startedAt,
  });
};

const listDoubts = (
  { found, memoryBytes }: ProcessSearch,
  sessions: readonly Session[],
): readonly string[] => [
  ...(sessions.length === 0 ? ['no session was issued'] : []),
  ...(memoryBytes === undefined || found.has(CONTROL) ? [] : [`${CONTROL} was not found either`]),
];

const describePlaces = ({ memoryBytes }: ProcessSearch, { files }: SearchResult): string =>
  memoryBytes === undefined
    ? `environment and ${files} files; this system does not show the memory of a process`
    : `environment, ${files} files, ${Math.round(memoryBytes / 1024 / 1024)} MiB of memory; ${CONTROL} is there`;

/** The secret of the keys that an SDK gets. */
const readLocalSecret = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path: '/v1/credentials', agent: false }, (answer) => {
      json(answer).then((body) => {
        const { SecretAccessKey: secret } = body as { readonly SecretAccessKey?: string };
        if (secret === undefined) reject(new Error('expected credentials, got a refusal'));
        else resolve(secret);
      }, reject);
    })
      .on('error', reject)
      .end();
  });
