import type { ToolPin, UpstreamLevel, UpstreamRules } from '../contract/upstream.ts';

/** A key of a Secret in the namespace of upstream secrets. */
export type SecretKey = { readonly name: string; readonly key: string };

/** How the secret reaches the upstream. */
export type Presentation =
  | { readonly kind: 'header'; readonly name: string; readonly template: string }
  /** RFC 7617: the secret is the password. */
  | { readonly kind: 'basic'; readonly username: string };

/** Where the authority gets the secret of a run. */
export type SecretSource =
  | ({
      readonly kind: 'kubernetes';
      /** Alert when the Secret has not changed for longer. */
      readonly maxAgeSeconds?: number;
    } & SecretKey)
  | ({ readonly kind: 'vault' } & VaultSource)
  | ({ readonly kind: 'oauth' } & OAuthSource)
  | ({ readonly kind: 'githubApp' } & GitHubAppSource);

export type VaultSource = {
  /** `https://host[:port]`. */
  readonly address: string;
  /** Of the JWT auth method. */
  readonly mount: string;
  readonly role: string;
  /** Read with the login's token; absent: the token itself is the secret. */
  readonly path?: string;
  /** Member of the secret at `path`. */
  readonly field?: string;
  readonly caBundle?: string;
};

export type OAuthSource = {
  readonly tokenUrl: string;
  /** RFC 7009; absent: tokens only expire. */
  readonly revocationUrl?: string;
  readonly clientId: string;
  /** `privateKeyJwt` and `secret` need `key`; `grant`: the run's grant is the client's assertion. */
  readonly auth: 'privateKeyJwt' | 'grant' | 'secret';
  readonly key?: SecretKey;
  /** `tokenExchange`: the run's grant is exchanged (RFC 8693), so that the server knows the agent. */
  readonly flow: 'clientCredentials' | 'tokenExchange';
  readonly scopes: readonly string[];
  /** RFC 8707. */
  readonly resource?: string;
  readonly caBundle?: string;
};

/** Permission names and values of GitHub's API: `contents: write`. */
export type GitHubPermissions = Readonly<Record<string, 'read' | 'write' | 'admin'>>;

export type GitHubAppSource = {
  readonly appId: number;
  readonly installationId: number;
  /** PEM (PKCS #1 or #8), as GitHub issues it. */
  readonly privateKey: SecretKey;
  /** Permissions of the tokens of runs up to each access level. */
  readonly permissions: { readonly Read: GitHubPermissions; readonly Write?: GitHubPermissions };
  /** Of GitHub Enterprise Server; absent: GitHub's own. */
  readonly apiUrl?: string;
};

/** The API of a GitHub App's installation. */
export const getGitHubApi = ({ apiUrl }: Pick<GitHubAppSource, 'apiUrl'>): string =>
  apiUrl ?? 'https://api.github.com';

export type LevelRule = {
  readonly method: string;
  /** Path with `*` and `{name}`, below the Upstream's base path. */
  readonly path: string;
  readonly level: UpstreamLevel;
};

export type PinnedTool = ToolPin & { readonly level?: UpstreamLevel };

/** An HTTP API that tasks may name, with the secret that it needs. */
export type HttpUpstream = {
  readonly kind: 'http';
  readonly name: string;
  readonly rules: UpstreamRules;
  /** Both present, except for an MCP server that needs no secret. */
  readonly access?: { readonly present: Presentation; readonly secret: SecretSource };
  readonly levels: readonly LevelRule[];
  readonly tools: readonly PinnedTool[];
};

/** A database server, with the template roles whose members runs become. */
export type PostgresUpstream = {
  readonly kind: 'postgres';
  readonly name: string;
  /** Of the Kubernetes object, once it is stored: another one after it was deleted and created again. */
  readonly uid?: string;
  readonly host: string;
  readonly port: number;
  readonly caBundle?: string;
  /** Key with `user:password` of the role that creates the runs' roles. */
  readonly admin: SecretKey;
  readonly templates: readonly { readonly role: string; readonly level: 'Read' | 'Write' }[];
};

export type Upstream = HttpUpstream | PostgresUpstream;

/**
 * Narrows an Upstream whose kind was checked with its task.
 *
 * @throws Error when there is none, or of another kind
 */
export const requireUpstreamKind = <K extends Upstream['kind']>(
  upstream: Upstream | undefined,
  kind: K,
): Extract<Upstream, { kind: K }> => {
  if (upstream === undefined) throw new Error(`expected an Upstream of kind ${kind}, got none`);
  const { name, kind: found } = upstream;
  if (found !== kind) throw new Error(`upstream ${name}: expected kind ${kind}, got ${found}`);
  return upstream as Extract<Upstream, { kind: K }>;
};
