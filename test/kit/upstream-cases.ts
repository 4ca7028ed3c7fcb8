/** One spec of an Upstream: the parser and the schema of the CRD must agree about it. */
export type UpstreamCase = {
  /** As a full sentence about the spec. */
  readonly title: string;
  readonly spec: Readonly<Record<string, unknown>>;
  /** Path of the error that the parser reports; absent: the spec is valid. */
  readonly faultAt?: string;
  /** Only the parser reports it: the schema has no means to. */
  readonly isBeyondSchema?: true;
};

const KEY = { name: 'openai', key: 'token' };
const BEARER = { header: { name: 'Authorization', template: 'Bearer {secret}' } };

/** The smallest complete Upstream. */
export const MINIMAL_UPSTREAM = {
  url: 'https://api.openai.com',
  present: BEARER,
  secret: { kubernetes: KEY },
} as const;

const withMembers = (members: object) => ({ ...MINIMAL_UPSTREAM, ...members });
const withSecret = (secret: object) => withMembers({ secret });
const VAULT = { address: 'https://vault.example:8200', mount: 'jwt', role: 'agents' };
const OAUTH = { tokenUrl: 'https://login.example/token', clientId: 'agents', auth: 'grant' };
const GITHUB = {
  appId: 7,
  installationId: 9,
  privateKey: { name: 'github-app', key: 'key.pem' },
  permissions: { Read: { contents: 'read' }, Write: { contents: 'write' } },
};
const POSTGRES = {
  host: 'db.example',
  admin: { name: 'db', key: 'admin' },
  templates: [{ role: 'agents_read', level: 'Read' }],
};

export const VALID_UPSTREAMS: readonly UpstreamCase[] = [
  { title: 'a URL and a Secret are enough', spec: MINIMAL_UPSTREAM },
  {
    title: 'a base path may end with a slash',
    spec: withMembers({ url: 'https://gitlab.example/api/v4/' }),
  },
  {
    title: 'a name and a password are presented',
    spec: withMembers({ present: { basic: { username: 'x-access-token' } } }),
  },
  {
    title: 'a Secret has a greatest age',
    spec: withSecret({ kubernetes: { ...KEY, maxAge: '90d' } }),
  },
  { title: "Vault's token is the secret", spec: withSecret({ vault: VAULT }) },
  {
    title: "a field of Vault's KV is the secret",
    spec: withSecret({ vault: { ...VAULT, path: 'secret/data/agents', field: 'key' } }),
  },
  { title: 'the grant authenticates an OAuth client', spec: withSecret({ oauth: OAUTH }) },
  {
    title: 'a client secret authenticates an OAuth client',
    spec: withSecret({
      oauth: {
        ...OAUTH,
        auth: 'secret',
        key: KEY,
        scopes: ['read'],
        resource: 'https://api.example',
      },
    }),
  },
  {
    title: 'a GitHub App issues tokens',
    spec: withMembers({
      url: 'https://github.com',
      protocol: 'git',
      present: { basic: { username: 'x-access-token' } },
      secret: { githubApp: GITHUB },
    }),
  },
  {
    title: 'an MCP server needs no secret',
    spec: { url: 'https://mcp.example/mcp', protocol: 'mcp' },
  },
  {
    title: 'tools of an MCP server are pinned',
    spec: {
      url: 'https://mcp.example',
      protocol: 'mcp',
      tools: [{ name: 'search', digest: `sha256:${'a'.repeat(64)}`, level: 'Read' }],
    },
  },
  {
    title: 'an MCP server may ask its clients',
    spec: { url: 'https://mcp.example', protocol: 'mcp', mcp: { serverRequests: true } },
  },
  {
    title: 'http is allowed where the Upstream says so',
    spec: withMembers({ url: 'http://api.internal:8080', allowHttp: true, privateAddresses: true }),
  },
  {
    title: 'levels, headers, query, models and size are set',
    spec: withMembers({
      levels: [{ method: 'POST', path: '/v1/search/{index}', level: 'Read' }],
      headers: { pass: ['OpenAI-Organization'], set: { 'X-Team': 'agents' } },
      query: { deny: ['debug'], allow: ['page'] },
      encodedSlash: 'keep',
      models: ['gpt-4.1'],
      maxBody: '64Mi',
    }),
  },
  {
    title: 'an empty list of levels says nothing about a forge',
    spec: withMembers({ protocol: 'git', levels: [] }),
  },
  { title: 'a database has template roles', spec: { postgres: POSTGRES } },
];

const invalid = (title: string, faultAt: string, spec: object): UpstreamCase => ({
  title,
  faultAt,
  spec: spec as UpstreamCase['spec'],
});
const beyondSchema = (title: string, faultAt: string, spec: object): UpstreamCase => ({
  ...invalid(title, faultAt, spec),
  isBeyondSchema: true,
});
const url = (title: string, given: string): UpstreamCase =>
  invalid(title, 'spec.url', withMembers({ url: given }));

export const INVALID_UPSTREAMS: readonly UpstreamCase[] = [
  url('a user in the URL is refused', 'https://user:pass@api.example'),
  url('a query in the URL is refused', 'https://api.example/v1?x=1'),
  url('a fragment in the URL is refused', 'https://api.example/#x'),
  url('a dot segment in the URL is refused', 'https://api.example/a/../b'),
  url('an empty segment in the URL is refused', 'https://api.example/a//b'),
  url('an encoded character in the URL is refused', 'https://api.example/a%2fb'),
  url('an upper-case host is refused', 'https://API.example'),
  url('another scheme is refused', 'ftp://api.example'),
  url('http is refused without allowHttp', 'http://api.example'),
  beyondSchemaUrl('a default port is refused', 'https://api.example:443'),
  invalid(
    'a database beside a URL is refused',
    'spec.postgres',
    withMembers({ postgres: POSTGRES }),
  ),
  invalid('a secret without a presentation is refused', 'spec.present', {
    url: 'https://a.example',
    secret: { kubernetes: KEY },
  }),
  invalid('an API without a secret is refused', 'spec.secret', { url: 'https://a.example' }),
  invalid('two sources are refused', 'spec.secret', withSecret({ kubernetes: KEY, vault: VAULT })),
  invalid('no source is refused', 'spec.secret', withSecret({})),
  invalid(
    'two presentations are refused',
    'spec.present',
    withMembers({ present: { ...BEARER, basic: { username: 'x' } } }),
  ),
  invalid(
    'a template without the secret is refused',
    'spec.present.header.template',
    withMembers({ present: { header: { name: 'x-api-key', template: 'Bearer' } } }),
  ),
  invalid(
    'a template with the secret twice is refused',
    'spec.present.header.template',
    withMembers({ present: { header: { name: 'x-api-key', template: '{secret} {secret}' } } }),
  ),
  invalid(
    'a line break in a template is refused',
    'spec.present.header.template',
    withMembers({ present: { header: { name: 'x-api-key', template: '{secret}\r\nx: y' } } }),
  ),
  invalid(
    'the Host header is not presented',
    'spec.present.header.name',
    withMembers({ present: { header: { name: 'Host', template: '{secret}' } } }),
  ),
  invalid(
    'a header of proxies is not presented',
    'spec.present.header.name',
    withMembers({ present: { header: { name: 'Proxy-Authorization', template: '{secret}' } } }),
  ),
  invalid(
    'a user name with a colon is refused',
    'spec.present.basic.username',
    withMembers({ present: { basic: { username: 'a:b' } } }),
  ),
  invalid(
    'the presented header cannot also pass',
    'spec.headers.pass',
    withMembers({ headers: { pass: ['AUTHORIZATION'] } }),
  ),
  invalid(
    'a header of local tokens cannot pass',
    'spec.headers.pass',
    withMembers({ headers: { pass: ['X-Api-Key'] } }),
  ),
  invalid(
    'the presented header cannot also be set',
    'spec.headers.set',
    withMembers({ headers: { set: { authorization: 'x' } } }),
  ),
  invalid(
    'the presented header cannot also be set in another case',
    'spec.headers.set',
    withMembers({ headers: { set: { AUTHORIZATION: 'x' } } }),
  ),
  beyondSchema(
    'a header cannot be set twice in different case',
    'spec.headers.set',
    withMembers({ headers: { set: { 'x-team': 'a', 'X-Team': 'b' } } }),
  ),
  invalid(
    'cookies cannot pass',
    'spec.headers.pass[0]',
    withMembers({ headers: { pass: ['cookie'] } }),
  ),
  invalid(
    'a header cannot be set with a line break',
    'spec.headers.set.x-team',
    withMembers({ headers: { set: { 'x-team': 'a\r\nb' } } }),
  ),
  invalid(
    'the header Connection cannot be set',
    'spec.headers.set.Connection',
    withMembers({ headers: { set: { Connection: 'close' } } }),
  ),
  invalid(
    'a parameter cannot be allowed and denied',
    'spec.query',
    withMembers({ query: { deny: ['a'], allow: ['a'] } }),
  ),
  invalid(
    'tools of an API are refused',
    'spec.tools',
    withMembers({ tools: [{ name: 't', digest: `sha256:${'a'.repeat(64)}` }] }),
  ),
  invalid('an empty list of tools is refused', 'spec.tools', {
    url: 'https://m.example',
    protocol: 'mcp',
    tools: [],
  }),
  invalid(
    'settings of MCP for an API are refused',
    'spec.mcp',
    withMembers({ mcp: { serverRequests: true } }),
  ),
  invalid('a short digest is refused', 'spec.tools[0].digest', {
    url: 'https://m.example',
    protocol: 'mcp',
    tools: [{ name: 't', digest: 'sha256:aa' }],
  }),
  invalid(
    'models of a repository are refused',
    'spec.models',
    withMembers({ protocol: 'git', models: ['m'] }),
  ),
  invalid('an empty list of models is refused', 'spec.models', withMembers({ models: [] })),
  ...['git', 'mcp'].map((protocol) =>
    invalid(
      `levels of protocol ${protocol}, which has no methods and paths, are refused`,
      'spec.levels',
      withMembers({ protocol, levels: [{ method: 'GET', path: '/', level: 'Read' }] }),
    ),
  ),
  invalid(
    'a level of an unknown method is refused',
    'spec.levels[0].method',
    withMembers({ levels: [{ method: 'get', path: '/', level: 'Read' }] }),
  ),
  invalid(
    'a level with a dot segment is refused',
    'spec.levels[0].path',
    withMembers({ levels: [{ method: 'GET', path: '/a/..', level: 'Read' }] }),
  ),
  invalid(
    'a level with an encoded character is refused',
    'spec.levels[0].path',
    withMembers({ levels: [{ method: 'GET', path: '/a%2e', level: 'Read' }] }),
  ),
  invalid(
    'a Vault without TLS is refused',
    'spec.secret.vault.address',
    withSecret({ vault: { ...VAULT, address: 'http://vault.example' } }),
  ),
  invalid(
    'a path of Vault without a field is refused',
    'spec.secret.vault',
    withSecret({ vault: { ...VAULT, path: 'secret/data/a' } }),
  ),
  invalid(
    'a dot segment in a path of Vault is refused',
    'spec.secret.vault.path',
    withSecret({ vault: { ...VAULT, path: 'secret/../sys', field: 'a' } }),
  ),
  invalid(
    'a client secret beside a grant is refused',
    'spec.secret.oauth',
    withSecret({ oauth: { ...OAUTH, key: KEY } }),
  ),
  invalid(
    'a client secret must be named',
    'spec.secret.oauth',
    withSecret({ oauth: { ...OAUTH, auth: 'secret' } }),
  ),
  invalid(
    'a token URL without TLS is refused',
    'spec.secret.oauth.tokenUrl',
    withSecret({ oauth: { ...OAUTH, tokenUrl: 'http://login.example' } }),
  ),
  invalid(
    'a permission in upper case is refused',
    'spec.secret.githubApp.permissions.Read.Contents',
    withSecret({ githubApp: { ...GITHUB, permissions: { Read: { Contents: 'read' } } } }),
  ),
  invalid(
    'permissions for reading are required',
    'spec.secret.githubApp.permissions.Read',
    withSecret({ githubApp: { ...GITHUB, permissions: {} } }),
  ),
  invalid('a template role twice is refused', 'spec.postgres.templates', {
    postgres: { ...POSTGRES, templates: [...POSTGRES.templates, ...POSTGRES.templates] },
  }),
  invalid('a quoted role is refused', 'spec.postgres.templates[0].role', {
    postgres: { ...POSTGRES, templates: [{ role: 'a"b', level: 'Read' }] },
  }),
  invalid('a size without a number is refused', 'spec.maxBody', withMembers({ maxBody: 'large' })),
  beyondSchema('a body above 1Gi is refused', 'spec.maxBody', withMembers({ maxBody: '2Gi' })),
  beyondSchema(
    'a CA bundle without certificates is refused',
    'spec.caBundle',
    withMembers({ caBundle: 'none' }),
  ),
];

function beyondSchemaUrl(title: string, given: string): UpstreamCase {
  return { ...url(title, given), isBeyondSchema: true };
}
