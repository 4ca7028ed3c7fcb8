/** Digits in the declaration's purpose that make each declaration distinct. */
export const DECLARATION_NUMBER_PLACEHOLDER = '7777777777';

/** Of this size is an ordinary pod's review. */
const REVIEW_BYTES = 8 * 1024;

/**
 * An AdmissionReview of 8 KB for the creation of a pod that declares a task, as an API server sends
 * it: with defaults filled, the API token mounted, and managed fields.
 */
export function buildReview(): string {
  const short = JSON.stringify(buildReviewObject(''));
  return JSON.stringify(buildReviewObject('x'.repeat(Math.max(0, REVIEW_BYTES - short.length))));
}

const buildReviewObject = (padding: string): object => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    requestKind: { group: '', version: 'v1', kind: 'Pod' },
    requestResource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'research',
    operation: 'CREATE',
    userInfo: {
      username: 'system:serviceaccount:kube-system:job-controller',
      uid: '0b4f0d5e-0000-4000-8000-000000000000',
      groups: [
        'system:serviceaccounts',
        'system:serviceaccounts:kube-system',
        'system:authenticated',
      ],
    },
    object: buildReviewPod(padding),
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
  },
});

const task = `role: arn:aws:iam::111122223333:role/agent-reports
allow:
  - actions: [s3:GetObject]
    resources: ["arn:aws:s3:::acme-data/reports/*"]
lifetime: 10m
purpose: nightly summary of sales reports, ${DECLARATION_NUMBER_PLACEHOLDER}
`;

const buildReviewPod = (padding: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'summary-29312640-',
    namespace: 'research',
    creationTimestamp: null,
    labels: {
      app: 'summary',
      'batch.kubernetes.io/job-name': 'summary-29312640',
      team: 'research',
    },
    annotations: { 'task.valetkey.dev/summarize': task, 'research.example/notes': padding },
    ownerReferences: [
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        name: 'summary-29312640',
        uid: '0b4f0d5e-0000-4000-8000-000000000001',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
    managedFields: [managedField],
  },
  spec: {
    volumes: [
      { name: 'scratch', emptyDir: {} },
      { name: 'kube-api-access-x7k2p', projected: apiToken },
    ],
    containers: [buildContainer('agent'), buildContainer('reporter')],
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    serviceAccountName: 'agent',
    serviceAccount: 'agent',
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    schedulerName: 'default-scheduler',
    tolerations: ['not-ready', 'unreachable'].map((condition) => ({
      key: `node.kubernetes.io/${condition}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 300,
    })),
    priority: 0,
    enableServiceLinks: true,
    preemptionPolicy: 'PreemptLowerPriority',
  },
  status: {},
});

const buildContainer = (name: string): object => ({
  name,
  image: `registry.example/research/${name}:2026.11`,
  command: ['node', '/app/main.js'],
  env: ['LOG_LEVEL', 'REPORT_FOLDER', 'REPORT_LANGUAGE', 'TEAM'].map((variable) => ({
    name: variable,
    value: 'as its author wrote it',
  })),
  resources: { requests: { cpu: '250m', memory: '256Mi' }, limits: { memory: '256Mi' } },
  volumeMounts: [
    { name: 'scratch', mountPath: '/scratch' },
    {
      name: 'kube-api-access-x7k2p',
      readOnly: true,
      mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
    },
  ],
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: 'IfNotPresent',
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
});

const apiToken = {
  defaultMode: 420,
  sources: [
    { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: {
        items: [
          { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
        ],
      },
    },
  ],
};

const managedField = {
  manager: 'kube-controller-manager',
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-11-02T02:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: {
    'f:metadata': { 'f:annotations': { '.': {} }, 'f:generateName': {}, 'f:labels': { '.': {} } },
    'f:spec': { 'f:containers': {}, 'f:dnsPolicy': {}, 'f:restartPolicy': {}, 'f:volumes': {} },
  },
};
