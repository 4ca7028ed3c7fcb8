import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';

import { toMapping, type Mapping } from '../../lib/schema/mapping.ts';
import { startHttpsServer, type HttpsServer } from './https-server.ts';
import { createOpenApiChecks } from './openapi.ts';

/** The service's own description of its API. See test/github-api/README.md. */
export const readGitHubDescription = (): Mapping => {
  const file = join(import.meta.dirname, '..', 'github-api', 'openapi.json');
  return toMapping(JSON.parse(readFileSync(file, 'utf8')));
};

/** The answer that the description shows, whole: a repository has dozens of required members. */
const readExample = (): Mapping => {
  const { examples } = toMapping(readGitHubDescription()['components']);
  return toMapping(toMapping(toMapping(examples)['installation-token'])['value']);
};

const exampleRepository = toMapping((readExample()['repositories'] as readonly unknown[])[0]);

/** A repository as the API describes it. */
export const buildRepository = (fullName: string): Mapping => ({
  ...exampleRepository,
  name: fullName.split('/')[1],
  full_name: fullName,
});

export type ReceivedCall = {
  readonly method: string;
  readonly path: string;
  /** The token or assertion. */
  readonly bearer: string;
  readonly version: string;
  readonly body: unknown;
};

export type GitHubApiOptions = {
  /** The answer to a request for a token: changes to one that grants what was asked. */
  readonly issue?: (body: Mapping) => { readonly status?: number; readonly body?: Mapping };
  /** Status of the answer to the deletion of a token. */
  readonly removalStatus?: number;
  /** Serves what belongs to no App: GitHub serves repositories at the same origin. */
  readonly serve?: RequestListener;
};

export type GitHubApi = HttpsServer & {
  /** Calls for tokens. */
  readonly received: readonly ReceivedCall[];
  /** How requests, and answers of this stub, differ from GitHub's description. */
  readonly differences: readonly string[];
};

const ROUTES = /^\/(?:app\/installations|installation)\//;
const ERROR = { message: 'refused', documentation_url: 'https://docs.github.com/rest' };

/**
 * Starts a stub of the part of GitHub's API that issues and deletes tokens of Apps. It compares each request
 * and each of its own answers with GitHub's description.
 */
export const startGitHubApi = async ({
  issue = () => ({}),
  removalStatus = 204,
  serve = (_, response) => void response.end('{}'),
}: GitHubApiOptions = {}): Promise<GitHubApi> => {
  const checks = createOpenApiChecks(readGitHubDescription());
  const received: ReceivedCall[] = [];
  const differences: string[] = [];

  const answer = ({ method, body }: ReceivedCall): { status: number; body?: unknown } => {
    if (method === 'DELETE') return { status: removalStatus };
    const asked = toMapping(body);
    const { status = 201, body: changes } = issue(asked);
    if (status !== 201) return { status, body: ERROR };
    const { repositories = [], permissions } = asked;
    const listed = (repositories as readonly string[]).map((name) => `acme/${name}`);
    return {
      status,
      body: {
        ...readExample(),
        ...{ permissions, repositories: listed.map(buildRepository) },
        ...changes,
      },
    };
  };

  const server = await startHttpsServer(() => (request, response) => {
    if (!ROUTES.test(request.url ?? '')) {
      serve(request, response);
      return;
    }
    void readText(request).then((text) => {
      const call: ReceivedCall = {
        ...{ method: request.method ?? '', path: request.url ?? '' },
        bearer: (request.headers.authorization ?? '').replace('Bearer ', ''),
        version: String(request.headers['x-github-api-version']),
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      received.push(call);
      const { status, body } = answer(call);
      const found = [
        ...checks.checkRequest(call),
        // Through JSON, as it is sent: members without a value are absent.
        ...checks.checkResponse(call, { status, body: toJsonValue(body) }),
      ];
      differences.push(...found.map((what) => `${call.method} ${call.path}: ${what}`));
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  return { ...server, received, differences };
};

const toJsonValue = (body: unknown): unknown =>
  body === undefined ? undefined : (JSON.parse(JSON.stringify(body)) as unknown);
