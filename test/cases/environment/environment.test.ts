import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { isServiceLink } from '../../../lib/config/environment-settings.ts';
import type { Platform } from '../../../lib/contract/platform.ts';
import type { Container, Pod } from '../../../lib/contract/pod.ts';
import { authorityPlatform, platform } from '../../../lib/injection/fixtures/sample-platform.ts';
import {
  applyOutcome,
  buildPodRequest,
  createInProcessAdmission,
} from '../../kit/in-process-admission.ts';

const readPod = (file: string): Pod => {
  const text = readFileSync(join(import.meta.dirname, file), 'utf8');
  const objects = parseAllDocuments(text).map((document) => document.toJS() as Pod);
  const pod = objects.find(({ kind }) => kind === 'Pod');
  if (pod === undefined) throw new Error(`${file}: expected a Pod, got none`);
  return pod;
};

/** The responses of both webhooks, and the pod in between. */
const admit = async (pod: Pod, settings: Platform = platform) => {
  const hasStarterPolicy = settings.authority !== undefined;
  const admission = createInProcessAdmission({ platform: settings, hasStarterPolicy });
  const mutated = await admission.mutate(buildPodRequest(pod));
  const injected = mutated.allowed ? (applyOutcome(pod, mutated) as Pod) : pod;
  const validated = await admission.validate(buildPodRequest(injected));
  return {
    pod: injected,
    isAllowed: mutated.allowed && validated.allowed,
    message: mutated.status?.message ?? validated.status?.message ?? '',
    warnings: [...(mutated.warnings ?? []), ...(validated.warnings ?? [])],
  };
};

const readAgent = ({ spec }: Pod): Container => {
  const [agent] = spec?.containers ?? [];
  if (agent === undefined) throw new Error('expected a container');
  return agent;
};

const readEnv = (pod: Pod): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries((readAgent(pod).env ?? []).map(({ name, value }) => [name, value]));

const withAgent = (pod: Pod, members: Partial<Container>): Pod => ({
  ...pod,
  spec: { ...pod.spec, containers: [{ ...readAgent(pod), ...members }] },
});

const strict: Platform = { ...platform, pods: { ...platform.pods, strictEnvironment: true } };

describe('a region that an import may bring', () => {
  const pod = readPod('01-region-from-envfrom.yaml');

  it('is overridden with a warning that names the import', async () => {
    const { isAllowed, warnings } = await admit(pod);
    expect(isAllowed).toBe(true);
    expect(warnings).toContainEqual(
      "container agent: AWS_REGION and AWS_DEFAULT_REGION are set to the platform's region and win over ConfigMap backup-vars, which admission does not read; for another region, set AWS_REGION under env",
    );
  });

  it.each<[string, Partial<Container>]>([
    ['the container sets its region', { env: [{ name: 'AWS_REGION', value: 'ap-southeast-2' }] }],
    ['the import has a prefix', { envFrom: [{ prefix: 'APP_', configMapRef: { name: 'x' } }] }],
    ['there is no import', { envFrom: [] }],
  ])('leads to no warning if %s', async (_, members) => {
    const { isAllowed, warnings, pod: injected } = await admit(withAgent(pod, members));
    expect(isAllowed).toBe(true);
    expect(warnings.join()).not.toContain('region');
    if (members.env) expect(readEnv(injected)['AWS_REGION']).toBe('ap-southeast-2');
  });
});

describe('an identity of another cloud', () => {
  const pod = readPod('23-multi-cloud-agent.yaml');
  const allowing: Platform = { ...platform, pods: { ...platform.pods, otherClouds: 'allow' } };
  const withToken = (audience: string): Pod => ({
    ...pod,
    spec: {
      ...pod.spec,
      volumes: [
        ...(pod.spec?.volumes ?? []),
        {
          name: 'token',
          projected: { sources: [{ serviceAccountToken: { audience, path: 'token' } }] },
        },
      ],
    },
  });
  const withCommand = (text: string): Pod => withAgent(pod, { command: ['sh', '-c', text] });
  const withImport = (source: object): Pod => withAgent(pod, { envFrom: [source] });

  it('is refused by rule 7, which names the variable and the setting', async () => {
    const { isAllowed, message } = await admit(pod);
    expect(isAllowed).toBe(false);
    expect(message).toContain('pods.otherClouds: allow');
    expect(message).toContain('"GOOGLE_APPLICATION_CREDENTIALS" (rule 7)');
  });

  it('is admitted with pods.otherClouds: allow, with a warning that names the variable', async () => {
    const { isAllowed, warnings, pod: injected } = await admit(pod, allowing);
    expect(isAllowed).toBe(true);
    expect(readEnv(injected)).toHaveProperty('GOOGLE_APPLICATION_CREDENTIALS', '/etc/gcp/wif.json');
    expect(warnings).toContainEqual(
      expect.stringMatching(
        /^allowed by pods.otherClouds: \/spec\/containers\/0\/env\/\d+: .*"GOOGLE_APPLICATION_CREDENTIALS" \(rule 7\)$/,
      ),
    );
  });

  it.each<[string, Pod, string]>([
    [
      'a federated token of Azure',
      withAgent(pod, { env: [{ name: 'AZURE_FEDERATED_TOKEN_FILE', value: '/x' }] }),
      '"AZURE_FEDERATED_TOKEN_FILE" (rule 7)',
    ],
    ['a folder of the Google CLI', withCommand('cat ~/.config/gcloud/x'), '.config/gcloud/'],
    [
      'a mount at the folder of the Azure CLI',
      withAgent(pod, { volumeMounts: [{ name: 'wif', mountPath: '/root/.azure' }] }),
      '"/root/.azure" (rule 7)',
    ],
    ['a Secret by its name', withImport({ secretRef: { name: 'gcp-keys' } }), 'Secret "gcp-keys"'],
    ['a prefix', withImport({ prefix: 'AZURE_', secretRef: { name: 'x' } }), '"AZURE_" (rule 7)'],
    ['a token for Google', withToken('sts.googleapis.com'), '"sts.googleapis.com" (rule 5)'],
    ['a token for Azure', withToken('api://AzureADTokenExchange'), 'TokenExchange" (rule 5)'],
    ['a token for a pool', withToken('project.svc.id.goog'), '"project.svc.id.goog" (rule 5)'],
    [
      'the label of AAD Pod Identity',
      { ...pod, metadata: { ...pod.metadata, labels: { aadpodidbinding: 'agent' } } },
      '"aadpodidbinding" (rule 7)',
    ],
  ])('is refused or, with the setting, a warning: %s', async (_, changed, found) => {
    const refused = await admit(changed);
    const admitted = await admit(changed, allowing);
    expect([refused.isAllowed, admitted.isAllowed]).toEqual([false, true]);
    expect(refused.message).toContain(found);
    expect(admitted.warnings.filter((text) => text.includes(found))).toEqual([
      expect.stringMatching(/^allowed by pods.otherClouds: /),
    ]);
  });

  it.each<[string, Pod]>([
    ['a key', withAgent(pod, { env: [{ name: 'AWS_ACCESS_KEY_ID', value: 'x' }] })],
    [
      'the id of a key in a variable of Google',
      withAgent(pod, {
        env: [{ name: 'GOOGLE_APPLICATION_CREDENTIALS', value: `AKIA${'A'.repeat(16)}` }],
      }),
    ],
    ['its folder after the one of Google', withCommand('cat ~/.config/gcloud/x ~/.aws/config')],
    [
      'a variable after one of Google',
      withCommand('GOOGLE_APPLICATION_CREDENTIALS=x AWS_ACCESS_KEY_ID=y run'),
    ],
    [
      'a mount in the folder of Azure',
      withAgent(pod, { volumeMounts: [{ name: 'wif', mountPath: '/root/.azure/.aws' }] }),
    ],
    ['a Secret for both', withImport({ secretRef: { name: 'gcp-aws-keys' } })],
    ['a prefix of both', withImport({ prefix: 'A', secretRef: { name: 'x' } })],
    ['a token', withToken('pods.eks.amazonaws.com')],
    [
      'a role by an annotation',
      {
        ...pod,
        metadata: {
          ...pod.metadata,
          annotations: { ...pod.metadata?.annotations, 'iam.amazonaws.com/role': 'x' },
        },
      },
    ],
  ])('is never a reason to admit %s of AWS', async (_, changed) => {
    expect((await admit(changed, allowing)).isAllowed).toBe(false);
  });
});

describe('names that speak of keys', () => {
  const pod = readPod('24-harmless-names-look-like-keys.yaml');
  const admitImport = (kind: 'configMapRef' | 'secretRef', name: string) =>
    admit(withAgent(pod, { envFrom: [{ [kind]: { name } }] }));

  it('are allowed for ConfigMaps that describe keys', async () => {
    expect((await admit(pod)).isAllowed).toBe(true);
  });

  it.each(['aws-secret-rotation-schedule', 's3-key-layout', 'iam-credentials-provider-options'])(
    'are allowed for the ConfigMap %s',
    async (name) => {
      expect((await admitImport('configMapRef', name)).isAllowed).toBe(true);
    },
  );

  it.each(['aws-secret-names', 's3-key-prefix', 'google-ads-key-metrics', 'azure-key-ids-prod'])(
    'are allowed for the Secret %s',
    async (name) => {
      expect((await admitImport('secretRef', name)).isAllowed).toBe(true);
    },
  );

  it.each([
    ['configMapRef', 'aws-credentials'],
    ['configMapRef', 'aws-credentials-prod'],
    ['configMapRef', 's3-access-key-v2'],
    ['secretRef', 'awscreds'],
    ['secretRef', 'aws-access-key-id'],
    ['secretRef', 'aws-credentials-of-batch'],
    ['secretRef', 'azure-secret'],
  ] as const)('are refused for the %s %s, with the reason', async (kind, name) => {
    const { isAllowed, message } = await admitImport(kind, name);
    expect(isAllowed).toBe(false);
    expect(message).toContain(
      `every key of ${kind === 'secretRef' ? 'Secret' : 'ConfigMap'} "${name}", which holds cloud keys by its name`,
    );
  });
});

describe('AWS_CONFIG_FILE', () => {
  const pod = readPod('25-aws-config-without-keys.yaml');
  const withVolume = (volume: object): Pod => ({
    ...pod,
    spec: { ...pod.spec, volumes: [{ name: 'cfg', ...volume }] },
  });

  it('may name a file of a ConfigMap, with a warning about what it may hold', async () => {
    const { isAllowed, warnings } = await admit(pod);
    expect(isAllowed).toBe(true);
    expect(warnings).toContainEqual(
      expect.stringMatching(/AWS_CONFIG_FILE is read from ConfigMap aws-sdk-settings: it may hold/),
    );
  });

  it.each<[string, Pod]>([
    ['a Secret', withVolume({ secret: { secretName: 'x' } })],
    ['a writable folder', withVolume({ emptyDir: {} })],
    [
      'a ConfigMap and a Secret in one volume',
      withVolume({
        projected: { sources: [{ configMap: { name: 'x' } }, { secret: { name: 'y' } }] },
      }),
    ],
    ['the image', withAgent(pod, { volumeMounts: [] })],
    [
      'a path that leaves the ConfigMap',
      withAgent(pod, { env: [{ name: 'AWS_CONFIG_FILE', value: '/etc/aws/../keys' }] }),
    ],
    [
      'a path that leaves the ConfigMap once the kubelet has completed it',
      withAgent(pod, {
        env: [
          { name: 'FOLDER', value: '../keys' },
          { name: 'AWS_CONFIG_FILE', value: '/etc/aws/$(FOLDER)/config' },
        ],
      }),
    ],
    ...['/etc//aws/config', '/etc/./aws/config', 'etc/aws/config', '/etc//aws/', '/etc/./aws'].map(
      (mountPath): [string, Pod] => [
        `a Secret that is mounted over the ConfigMap, as ${mountPath}`,
        withAgent(
          {
            ...pod,
            spec: {
              ...pod.spec,
              volumes: [...(pod.spec?.volumes ?? []), { name: 'k', secret: { secretName: 'k' } }],
            },
          },
          {
            volumeMounts: [
              { name: 'cfg', mountPath: '/etc/aws' },
              { name: 'k', mountPath },
            ],
          },
        ),
      ],
    ),
  ])('may not name a file of %s, and the message says what to set instead', async (_, changed) => {
    const { isAllowed, message } = await admit(changed);
    expect(isAllowed).toBe(false);
    expect(message).toContain('set AWS_REGION, AWS_MAX_ATTEMPTS and AWS_RETRY_MODE as variables');
    expect(message).toContain('got AWS_CONFIG_FILE="/etc/');
  });

  it('may name it in another spelling', async () => {
    const env = [{ name: 'AWS_CONFIG_FILE', value: '/etc/./aws//config' }];
    expect((await admit(withAgent(pod, { env }))).isAllowed).toBe(true);
  });

  it('does not make a file of keys acceptable', async () => {
    const env = [{ name: 'AWS_SHARED_CREDENTIALS_FILE', value: '/etc/aws/config' }];
    expect((await admit(withAgent(pod, { env }))).isAllowed).toBe(false);
  });
});

describe('AWS_PROFILE in a consumer', () => {
  const pod = readPod('28-old-java-sdk.yaml');

  it.each(['AWS_PROFILE', 'AWS_DEFAULT_PROFILE'])('leads to a warning: %s', async (name) => {
    const { isAllowed, warnings } = await admit(
      withAgent(pod, { env: [{ name, value: 'reports' }] }),
    );
    expect(isAllowed).toBe(true);
    expect(warnings).toContainEqual(
      `container source-dynamodb: ${name} is set: botocore (boto3, the AWS CLI) fails if no file defines this profile, and does not ask the sidecar; remove it`,
    );
  });

  it('is refused with pods.strictEnvironment', async () => {
    const changed = withAgent(pod, { env: [{ name: 'AWS_PROFILE', value: 'reports' }] });
    const { isAllowed, message } = await admit(changed, strict);
    expect(isAllowed).toBe(false);
    expect(message).toContain('/spec/containers/0/env/0: expected no profile');
  });

  it('is no problem if it is empty', async () => {
    const changed = withAgent(pod, { env: [{ name: 'AWS_PROFILE', value: '' }] });
    const { isAllowed, warnings } = await admit(changed, strict);
    expect([isAllowed, warnings.join()]).toEqual([
      true,
      expect.not.stringContaining('AWS_PROFILE'),
    ]);
  });
});

describe('a proxy in a consumer', () => {
  const pod = readPod('27-http-proxy-without-no-proxy.yaml');
  const [proxy] = readAgent(pod).env ?? [];
  const admitWith = (...env: NonNullable<Container['env']>) =>
    admit(withAgent(pod, { env: [...(proxy ? [proxy] : []), ...env] }));

  it('gets an exception for loopback in both spellings, with a warning', async () => {
    const { isAllowed, pod: injected, warnings } = await admit(pod);
    expect(isAllowed).toBe(true);
    expect(readEnv(injected)).toMatchObject({ NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' });
    expect(warnings).toContainEqual(
      'container agent: HTTP_PROXY is set: NO_PROXY and no_proxy were set to 127.0.0.1, so that requests to the sidecar bypass the proxy',
    );
  });

  it('keeps the exceptions that the container sets', async () => {
    const { pod: injected, warnings } = await admitWith({ name: 'no_proxy', value: '.svc' });
    expect(readEnv(injected)['no_proxy']).toBe('.svc,127.0.0.1');
    expect(readEnv(injected)).not.toHaveProperty('NO_PROXY');
    expect(warnings.join()).toContain('127.0.0.1 was added to the hosts without proxy');
  });

  it.each(['*', '127.0.0.1', '.svc, 127.0.0.1', 'a 127.0.0.1'])(
    'needs no other exception beside %j',
    async (value) => {
      const { pod: injected, warnings } = await admitWith({ name: 'NO_PROXY', value });
      expect(readEnv(injected)['NO_PROXY']).toBe(value);
      expect(warnings.join()).not.toContain('proxy');
    },
  );

  it('leaves exceptions from elsewhere, and says what they must include', async () => {
    const valueFrom = { configMapKeyRef: { name: 'proxies', key: 'none' } };
    const { pod: injected, warnings } = await admitWith({ name: 'NO_PROXY', valueFrom });
    expect(readAgent(injected).env).toContainEqual({ name: 'NO_PROXY', valueFrom });
    expect(warnings.join()).toContain('NO_PROXY must include 127.0.0.1');
  });

  it('is not assumed where no proxy variable has a value', async () => {
    const env = [{ name: 'HTTP_PROXY', value: '' }];
    const { pod: injected } = await admit(withAgent(pod, { env }));
    expect(readEnv(injected)).not.toHaveProperty('NO_PROXY');
  });

  it('is not changed again when the webhook is called again', async () => {
    const once = await admit(pod);
    const again = await admit(once.pod);
    expect(again.pod).toEqual(once.pod);
  });
});

describe('a consumer of a signed task', () => {
  const file = '27-http-proxy-without-no-proxy.yaml';
  const sign = (pod: Pod): Pod => ({
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: Object.fromEntries(
        Object.entries(pod.metadata?.annotations ?? {}).map(([key, text]) => [
          key,
          `${text}\ndelivery: sign\n`,
        ]),
      ),
    },
  });
  const pod = sign(readPod(file));

  it('reaches the gateway past a proxy, and gets nothing more the second time', async () => {
    const { isAllowed, message, pod: injected } = await admit(pod);
    expect([isAllowed, message]).toEqual([true, '']);
    expect(readEnv(injected)).toMatchObject({
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9473',
      NO_PROXY: '127.0.0.1',
      no_proxy: '127.0.0.1',
    });
    expect((await admit(injected)).pod).toEqual(injected);
  });

  const source = { configMapRef: { name: 'settings' } };
  it.each([undefined, '', 'HTTP_', 'h'])(
    'is warned of an import that may bring a proxy (prefix %s)',
    async (prefix) => {
      const envFrom = [{ ...source, ...(prefix !== undefined && { prefix }) }];
      const { isAllowed, warnings } = await admit(withAgent(pod, { env: [], envFrom }));
      expect(isAllowed).toBe(true);
      expect(warnings).toContainEqual(
        'container agent: admission does not read ConfigMap settings: a proxy in it needs 127.0.0.1 in NO_PROXY and no_proxy, and an AWS_ENDPOINT_URL_… in it leads past the gateway to a cloud that knows no key of this container',
      );
    },
  );

  it.each([
    ['an import with another prefix', pod, 'APP_'],
    ['an import of a consumer that is not signed', readPod(file), ''],
  ])('is not warned of %s', async (_, given, prefix) => {
    const { warnings } = await admit(withAgent(given, { envFrom: [{ ...source, prefix }] }));
    expect(warnings.join()).not.toContain('leads past the gateway');
  });

  it('is refused with an endpoint of its own, and the message says where to move it', async () => {
    const env = [{ name: 'AWS_ENDPOINT_URL_S3', value: 'https://minio.example' }];
    const { isAllowed, message } = await admit(withAgent(pod, { env }));
    expect(isAllowed).toBe(false);
    expect(message).toContain(
      "/spec/containers/0/env/0: expected no endpoint but the gateway's: remove it, ask the platform to add it to cloud.endpoints, or declare delivery: vend",
    );
  });
});

describe('other pods of public reports', () => {
  it('admits a client of unknown version, with the token in a file', async () => {
    const { isAllowed, pod } = await admit(readPod('28-old-java-sdk.yaml'));
    expect(isAllowed).toBe(true);
    expect(readEnv(pod)).toHaveProperty('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE');
  });

  it('refuses names that do not fit into a grant, and says which', async () => {
    const { isAllowed, message } = await admit(readPod('38-long-names.yaml'), authorityPlatform);
    expect(isAllowed).toBe(false);
    expect(message).toMatch(/255 characters/);
    expect(message).toMatch(/service account/);
  });

  it('sets no variable that the link of a Service could set', async () => {
    const { isAllowed, pod } = await admit(readPod('40-service-named-valetkey.yaml'));
    expect(isAllowed).toBe(true);
    const sidecar = pod.spec?.initContainers?.[0]?.env ?? [];
    const names = [...sidecar.map(({ name }) => name), ...Object.keys(readEnv(pod))];
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter(isServiceLink)).toEqual([]);
  });
});
