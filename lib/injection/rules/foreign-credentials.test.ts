import { describe, expect, it } from '@jest/globals';
import {
  PREPARE,
  AGENT,
  addOp,
  findViolations,
  type RuleCase,
  expectDenied,
  expectAllowed,
} from '../fixtures/rule-cases.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { buildAcceptedTemplates, agentTasks, injectPod } from '../fixtures/injected-pods.ts';
import { evaluateRules } from './rule-evaluation.ts';

describe('checkForeignCredentials', () => {
  const variable = (name: string) => [addOp(`${PREPARE}/env`, [{ name, value: 'x' }])];
  expectDenied(
    '7',
    [
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_SESSION_TOKEN',
      'AWS_BEARER_TOKEN_BEDROCK',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
      'AWS_ROLE_ARN',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
      'AWS_CONTAINER_AUTHORIZATION_TOKEN',
      'AZURE_FEDERATED_TOKEN_FILE',
      'GOOGLE_APPLICATION_CREDENTIALS',
      'VALETKEY_SOCKET',
    ].map((name): RuleCase => [name, variable(name), `${PREPARE}/env/0`]),
  );
  expectDenied('7', [
    [
      'an injected variable with another value',
      [addOp(`${AGENT}/env/1/value`, 'http://evil')],
      `${AGENT}/env/1`,
    ],
    [
      'an injected variable set twice',
      [addOp(`${AGENT}/env/-`, { name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI', value: 'x' })],
      `${AGENT}/env/6`,
    ],
    [
      'an injected variable with another source',
      [addOp(`${AGENT}/env/0`, { name: 'VALETKEY_SOCKET', valueFrom: { secretKeyRef: {} } })],
    ],
  ]);
  const KEY = ['AKIA', 'A'.repeat(16)].join('');
  const source = (member: object) => [addOp(`${PREPARE}/envFrom`, [member])];
  const runs = (...command: readonly string[]) => [addOp(`${PREPARE}/command`, command)];
  const from = (valueFrom: object) => [addOp(`${PREPARE}/env`, [{ name: 'KEY', valueFrom }])];
  expectDenied('7', [
    [
      'a key by another name',
      [addOp(`${PREPARE}/env`, [{ name: 'KEY', value: KEY }])],
      `${PREPARE}/env/0/value`,
    ],
    [
      'a key of a Secret by another name',
      from({ secretKeyRef: { name: 'x', key: 'AWS_SECRET_ACCESS_KEY' } }),
      `${PREPARE}/env/0/valueFrom/secretKeyRef/key`,
    ],
    [
      'a key file',
      [addOp(`${PREPARE}/env`, [{ name: 'AWS_SHARED_CREDENTIALS_FILE', value: '/keys' }])],
      `${PREPARE}/env/0`,
    ],
    ...['AWS_CONFIG_FILE', 'AWS_CREDENTIAL_FILE', 'BOTO_CONFIG'].map((name): RuleCase => [
      `a profile file by ${name}`,
      [addOp(`${PREPARE}/env`, [{ name, value: '/etc/agent/config' }])],
      `${PREPARE}/env/0`,
    ]),
    ...[
      { configMapKeyRef: { name: 'x', key: 'path' } },
      { secretKeyRef: { name: 'x', key: 'path' } },
      { fieldRef: { fieldPath: "metadata.annotations['path']" } },
    ].flatMap((valueFrom) =>
      ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE'].map((name): RuleCase => [
        `a profile file by ${name}, whose path is in ${Object.keys(valueFrom).join()}`,
        [addOp(`${PREPARE}/env`, [{ name, valueFrom }])],
        `${PREPARE}/env/0`,
      ]),
    ),
    [
      'a key of a file by another name',
      from({ fileKeyRef: { volumeName: 'x', path: 'keys', key: 'AWS_SECRET_ACCESS_KEY' } }),
      `${PREPARE}/env/0/valueFrom/fileKeyRef/key`,
    ],
    ...['aws-credentials', 'team.gcp.keys', 's3-access-key', 'AwsCreds', 'azure-secret'].map(
      (name): RuleCase => [
        `every key of the Secret ${name}`,
        source({ secretRef: { name } }),
        `${PREPARE}/envFrom/0/secretRef/name`,
      ],
    ),
    [
      'every key of a ConfigMap with cloud keys',
      source({ configMapRef: { name: 'google-credentials' } }),
      `${PREPARE}/envFrom/0/configMapRef/name`,
    ],
    ...['AWS_', 'A', 'AWS_ACCESS_', 'VALETKEY_'].map((prefix): RuleCase => [
      `the prefix ${prefix}`,
      source({ prefix, secretRef: { name: 'x' } }),
      `${PREPARE}/envFrom/0/prefix`,
    ]),
    ...[
      '~/.aws/credentials',
      'cat /root/.aws/credentials',
      '--file=/home/agent/.config/gcloud/key.json',
      '/root/.azure',
      'x\n/keys/application_default_credentials.json',
      'export GOOGLE_APPLICATION_CREDENTIALS=/keys/gcp.json; run',
      'AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y run',
      `configure ${KEY}`,
    ].map((word): RuleCase => [
      `the command ${word}`,
      runs('sh', '-c', word),
      `${PREPARE}/command/2`,
    ]),
    [
      'a key file as an argument',
      [addOp(`${PREPARE}/args`, ['/root/.aws/x'])],
      `${PREPARE}/args/0`,
    ],
    [
      'a key file in a hook',
      [addOp(`${PREPARE}/lifecycle`, { postStart: { exec: { command: ['/root/.aws/x'] } } })],
      `${PREPARE}/lifecycle/postStart/exec/command/0`,
    ],
    [
      'a key file in a probe',
      [addOp(`${AGENT}/livenessProbe`, { exec: { command: ['cat', '/root/.aws/x'] } })],
      `${AGENT}/livenessProbe/exec/command/1`,
    ],
    [
      'a mount where tools look for keys',
      [addOp(`${PREPARE}/volumeMounts`, [{ name: 'keys', mountPath: '/root/.aws' }])],
      `${PREPARE}/volumeMounts/0/mountPath`,
    ],
    [
      'a role by the annotation of kube2iam',
      [addOp('/metadata/annotations/iam.amazonaws.com~1role', 'agent')],
    ],
  ]);

  expectDenied('7', [
    [
      'an identity by the label of AAD Pod Identity',
      [addOp('/metadata/labels/aadpodidbinding', 'agent')],
    ],
  ]);

  it('rule 7 never repeats a key in its message', () => {
    const text = JSON.stringify(
      findViolations([...runs(KEY), addOp(`${AGENT}/env/-`, { name: 'K', value: KEY })]),
    );
    expect(text).toContain('the id of an AWS key');
    expect(text).not.toContain(KEY);
  });

  const evaluateBoundPod = (annotations: Readonly<Record<string, string>>) =>
    evaluateRules(injectPod(), {
      platform,
      templates: buildAcceptedTemplates(platform),
      phase: 'CREATE',
      tasks: agentTasks,
      namespace: 'research',
      serviceAccount: { name: 'agent', annotations },
    });

  it.each([
    ['eks.amazonaws.com/role-arn', 'declare a task'],
    ['iam.gke.io/gcp-service-account', 'pods.otherClouds: allow'],
    ['azure.workload.identity/client-id', 'pods.otherClouds: allow'],
  ])('rule 7 refuses a service account bound by %s', (name, advice) => {
    expect(evaluateBoundPod({ [name]: 'x' })).toMatchObject([
      {
        rule: '7',
        source: 'ServiceAccount research/agent',
        path: `/metadata/annotations/${name.replace('/', '~1')}`,
        expected: expect.stringContaining(advice),
        got: JSON.stringify(name),
      },
    ]);
  });

  it('rule 7 allows a service account with other annotations', () => {
    expect(evaluateBoundPod({ 'eks.amazonaws.com/audience': 'x', __proto__: 'x' })).toEqual([]);
  });

  it('rule 7 refuses the variables of EKS Pod Identity in the final pod', () => {
    const uri = {
      name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI',
      value: 'http://169.254.170.23/v1/credentials',
    };
    expect(findViolations([addOp(`${PREPARE}/env`, [uri])])).toMatchObject([{ rule: '7' }]);
  });

  expectAllowed('7', [
    ['other Secrets', source({ secretRef: { name: 'database-password' } })],
    ['the name of a cloud alone', source({ configMapRef: { name: 'aws-region' } })],
    ['another prefix', source({ prefix: 'APP_', configMapRef: { name: 'settings' } })],
    [
      'no key file',
      [addOp(`${PREPARE}/env`, [{ name: 'AWS_SHARED_CREDENTIALS_FILE', value: '/dev/null' }])],
    ],
    [
      'commands that mention keys',
      runs('sh', '-c', 'test -z "$AWS_ACCESS_KEY_ID" && ls ~/.awsome'),
    ],
    [
      'an unrelated mount',
      [addOp(`${PREPARE}/volumeMounts`, [{ name: 'x', mountPath: '/data/aws' }])],
    ],
    ['its own region', variable('AWS_REGION')],
    ['its own profile', variable('AWS_PROFILE')],
  ]);
});
