/** Files that are not checked: generated data, licences, and the list of words itself. */
export const UNCHECKED: readonly RegExp[] = [
  /^package-lock\.json$/,
  /(^|\/)(LICENSE|NOTICE)(\.[a-z]+)?$/,
  /^lib\/operations\/data\/.*\.json$/,
  /\.(sum|mod|png|svg|crt|key)$/,
  /^tools\/lint\//,
];

/** Words that a file may use, lower case, each with the reason: a quoted standard or a proper name. */
export const ALLOWED_WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'CHANGELOG.md': { silence: 'the name of a value of an earlier version' },
  'charts/valetkey/templates/_helpers.tpl': { helpers: 'Helm: the file of named templates' },
  'e2e/clients/python/recording_endpoint.py': {
    alive: 'HTTP: Keep-Alive',
    forever: 'a method of socketserver',
  },
  'lib/catalog/escalating-actions.ts': { invitation: 'a name of AWS' },
  'lib/catalog/fixtures/minting-exemptions.ts': { player: 'a name of AWS' },
  'lib/catalog/minting-actions.ts': { player: 'a name of AWS' },
  'lib/catalog/vend-only-actions.ts': { silence: 'a name of AWS' },
  'lib/operations/recipes/messages.ts': { dead: 'Amazon SQS: DeadLetter' },
  'tools/chart/fixtures/cert-manager.yaml': { manager: 'the name of cert-manager' },
  'bench/admission-review.ts': { manager: 'a field of Kubernetes managedFields' },
  'e2e/cluster/images.ts': { nobody: 'the Unix user' },
  'lib/calls/call-headers.ts': { alive: 'HTTP: Keep-Alive' },
  'e2e/clients/javascript/client.ts': { parts: 'S3: a field of multipart uploads' },
  'lib/calls/http-headers.test.ts': { alive: 'HTTP: Keep-Alive' },
  'charts/valetkey/crds/upstreams.yaml': { alive: 'HTTP: Keep-Alive' },
  'manifests/valetkey.yaml': { alive: 'HTTP: Keep-Alive, in the CRD of Upstreams' },
  'lib/upstreams/fields.ts': { alive: 'HTTP: Keep-Alive' },
  'lib/upstreams/upstream-parser.test.ts': {
    openapiv3schema: 'a field of CustomResourceDefinitions',
  },
  'tools/docs/examples.test.ts': { openapiv3schema: 'a field of CustomResourceDefinitions' },
  'lib/approvals/approval-objects.test.ts': {
    openapiv3schema: 'a field of CustomResourceDefinitions',
  },
  'lib/approvals/proposal-objects.test.ts': {
    openapiv3schema: 'a field of CustomResourceDefinitions',
  },
  'tools/docs/resources-page.ts': { openapiv3schema: 'a field of CustomResourceDefinitions' },
  'tools/docs/api-page.ts': { oneof: 'a keyword of JSON Schema' },
  'cmd/authority/api-schemas.ts': { oneof: 'a keyword of JSON Schema' },
  'cmd/sidecar/api-description.ts': { oneof: 'a keyword of JSON Schema' },
  'e2e/clients/rust/Cargo.toml': { edition: 'Cargo: the key of a package' },
  'lib/edge/http/http2-exchange.ts': { alive: 'HTTP: Connection: keep-alive' },
  'lib/edge/http/https-server.test.ts': { alive: 'HTTP: Connection: keep-alive' },
  'lib/edge/telemetry/otlp-tracing.ts': {
    asynclocalstoragecontextmanager: 'a name of OpenTelemetry',
    setglobalcontextmanager: 'a name of OpenTelemetry',
  },
  'tools/chart/chart-cases.ts': { certmanager: 'the product cert-manager, as in values.yaml' },
  'test/kit/static-cases.ts': {
    nodeselectorterms: 'a field of Kubernetes pods',
  },
  'lib/contract/pod.ts': { nodeselectorterms: 'a field of Kubernetes pods' },
  'lib/injection/pod-schema.ts': { nodeselectorterms: 'a field of Kubernetes pods' },
  'lib/injection/rules/operating-system.ts': { nodeselectorterms: 'a field of Kubernetes pods' },
  'cmd/sidecar/fixtures/mcp-conformance-server.ts': {
    oneof: 'a keyword of JSON Schema',
    anyof: 'a keyword of JSON Schema',
  },
  'tools/site/config.ts': { utils: 'a member of markdown-it' },
  'lib/policy/cedar.ts': { policysettexttoparts: 'a function of @cedar-policy/cedar-wasm' },
};
