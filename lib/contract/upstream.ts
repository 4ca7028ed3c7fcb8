/** `http`: each request is checked by method and path; `git` and `mcp`: by their own commands. */
export const UPSTREAM_PROTOCOLS = ['http', 'git', 'mcp'] as const;
export type UpstreamProtocol = (typeof UPSTREAM_PROTOCOLS)[number];

/** The methods that have an action `http:<method>`. */
export const HTTP_METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** What the actions of a task name: the protocol of an Upstream with a URL, or that of a database. */
export const TASK_PROTOCOLS = [...UPSTREAM_PROTOCOLS, 'postgres'] as const;
export type TaskProtocol = (typeof TASK_PROTOCOLS)[number];

/** Access levels that an Upstream assigns, as policy names them. */
export const UPSTREAM_LEVELS = ['Read', 'Write', 'Escalation'] as const;
export type UpstreamLevel = (typeof UPSTREAM_LEVELS)[number];

/** Where clients put the consumer's own token: it must not leave the pod, whatever an Upstream passes. */
export const LOCAL_TOKEN_HEADERS: readonly string[] = [
  'authorization',
  'x-api-key',
  'api-key',
  'x-vault-token',
];

/** Body of a request, unless an Upstream allows more or less; at most {@link MAX_UPSTREAM_BODY}. */
export const DEFAULT_UPSTREAM_BODY = 32 * 1024 * 1024;
export const MAX_UPSTREAM_BODY = 1024 * 1024 * 1024;

/** Query parameters that the gateway refuses, whatever the task allows. */
export type QueryRules = {
  readonly deny: readonly string[];
  /** Absent: every name that is not denied. */
  readonly allow?: readonly string[];
};

/** Of tools that an Upstream pins. */
export const TOOL_NAME = /^[!-~]{1,128}$/;
export const MAX_TOOL_PINS = 256;

/** A tool of an MCP server as its Upstream pins it. */
export type ToolPin = {
  readonly name: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
};

/** What the gateway needs of an MCP server. */
export type McpRules = {
  /** Whether the server may ask the client: sampling, elicitation, roots. */
  readonly serverRequests: boolean;
  /** Absent: the Upstream pins no tools, and the task alone decides. */
  readonly tools?: readonly ToolPin[];
};

/** What the gateway in the sidecar needs of an Upstream. It holds no secret and no source of one. */
export type UpstreamRules = {
  readonly name: string;
  /** Origin and base path, without a slash at the end. */
  readonly url: string;
  readonly protocol: UpstreamProtocol;
  readonly headers: {
    /** Lower-case names of request headers that pass in addition to the gateway's own list. */
    readonly pass: readonly string[];
    /** Set on each request. */
    readonly set: Readonly<Record<string, string>>;
  };
  readonly query: QueryRules;
  /** `keep`: `%2F` in a path is part of a name and no separator, as in GitLab's API. */
  readonly encodedSlash: 'refuse' | 'keep';
  /** Models that requests may name; absent: any. */
  readonly models?: readonly string[];
  /** Of protocol `mcp`. */
  readonly mcp?: McpRules;
  /** PEM certificates trusted for this Upstream only. */
  readonly caBundle?: string;
  /** Whether `url` may be of `http:`. */
  readonly allowHttp: boolean;
  /** Whether private addresses (RFC 1918) are accepted. */
  readonly privateAddresses: boolean;
  readonly maxBodyBytes: number;
};

/** The login of one run at a database server. Never logged, recorded or shown. */
export type PostgresSecret = {
  readonly kind: 'postgres';
  /** Name of the Upstream. */
  readonly upstream: string;
  readonly host: string;
  readonly port: number;
  /** The role of the run. */
  readonly user: string;
  readonly password: string;
  /** PEM certificates trusted for this server only; absent: the system's. */
  readonly caBundle?: string;
};

/** What the sidecar presents to an Upstream for one run. Never logged, recorded or shown. */
export type HttpSecret = {
  readonly kind: 'http';
  /** Lower-case names; they replace whatever the client sent. */
  readonly headers: Readonly<Record<string, string>>;
  /** Texts that no answer may contain: the secret, before `headers` were rendered from it. */
  readonly echoes: readonly string[];
  readonly upstream: UpstreamRules;
};

export type RunSecret = HttpSecret | PostgresSecret;
