import { describe, expect, it } from '@jest/globals';
import type { Container, EnvVar, Pod } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import { agentPod, evaluateNewPod, injectPod } from '../fixtures/injected-pods.ts';
import { buildTask, platform } from '../fixtures/sample-platform.ts';
import { buildInjectionTemplate, type AcceptedTemplates } from '../injection-template.ts';
import { evaluateRules } from './rule-evaluation.ts';

const signed: readonly Task[] = [
  { ...buildTask('summarize', ['agent']), delivery: 'sign' },
  buildTask('upload', ['helper']),
];

const withContainer = (name: string, members: Partial<Container>): Pod => ({
  ...agentPod,
  spec: {
    ...agentPod.spec,
    containers: (agentPod.spec?.containers ?? []).map((each) =>
      each.name === name ? { ...each, ...members } : each,
    ),
  },
});

/** Violations of a pod whose agent has a signed task, after injection. */
const listViolations = (pod: Pod, tasks = signed): readonly string[] =>
  evaluateNewPod(injectPod({ pod, tasks }), { tasks }).map(
    ({ rule = '', path, expected }) => `${rule} ${path} ${expected}`,
  );

const readEnv = (pod: Pod, name: string): readonly EnvVar[] =>
  pod.spec?.containers?.find((each) => each.name === name)?.env ?? [];

describe('injection of a consumer of signed tasks', () => {
  it('adds the endpoint of the gateway and what SDKs need for it, beside the rest', () => {
    const pod = injectPod({ tasks: signed });
    expect(listViolations(agentPod)).toEqual([]);
    expect(readEnv(pod, 'agent').map(({ name, value }) => `${name}=${value ?? ''}`)).toEqual([
      'VALETKEY_SOCKET=/var/run/valetkey/socket',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9471/v1/credentials',
      'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/valetkey/token',
      'VALETKEY_GATEWAY_SOCKET=/var/run/valetkey/gateway',
      'AWS_ENDPOINT_URL=http://127.0.0.1:9473',
      'AWS_DISABLE_HOST_PREFIX_INJECTION=true',
      'AWS_S3_DISABLE_EXPRESS_SESSION_AUTH=true',
      'AWS_AUTH_SCHEME_PREFERENCE=sigv4',
      'AWS_EC2_METADATA_DISABLED=true',
      'AWS_REGION=eu-central-1',
      'AWS_DEFAULT_REGION=eu-central-1',
    ]);
  });

  it('adds none of it to the consumers of other tasks of the pod', () => {
    const names = readEnv(injectPod({ tasks: signed }), 'helper').map(({ name }) => name);
    expect(names).toContain('AWS_CONTAINER_CREDENTIALS_FULL_URI');
    expect(names.filter((name) => /ENDPOINT|GATEWAY|SIGN|SCHEME/.test(name))).toEqual([]);
  });

  it('adds nothing when it is repeated', () => {
    const once = injectPod({ tasks: signed });
    expect(injectPod({ pod: once, tasks: signed })).toEqual(once);
  });

  it('accepts the values of injection where the author wrote them', () => {
    const env = [
      { name: 'AWS_ENDPOINT_URL', value: 'http://127.0.0.1:9473' },
      { name: 'AWS_AUTH_SCHEME_PREFERENCE', value: 'sigv4' },
    ];
    expect(listViolations(withContainer('agent', { env }))).toEqual([]);
  });

  it('is required by rule 2: a variable that is missing afterwards is refused', () => {
    const pod = injectPod({ tasks: signed });
    const env = readEnv(pod, 'agent').filter(({ name }) => name !== 'AWS_ENDPOINT_URL');
    const containers = (pod.spec?.containers ?? []).map((each) =>
      each.name === 'agent' ? { ...each, env } : each,
    );
    const faults = evaluateNewPod({ ...pod, spec: { ...pod.spec, containers } }, { tasks: signed });
    expect(faults).toMatchObject([
      {
        rule: '2',
        path: '/spec/containers/0/env',
        expected: 'AWS_ENDPOINT_URL=http://127.0.0.1:9473',
      },
    ]);
  });

  it('is not required of a pod that was injected from an older template', () => {
    const { hash, template } = buildInjectionTemplate(platform);
    const { signEnv, ...consumer } = template.consumer;
    const templates: AcceptedTemplates = new Map([[hash, { ...template, consumer }]]);
    const tasks = [buildTask('summarize', ['agent'])];
    const pod = injectPod({ tasks });
    expect(signEnv).toHaveLength(5);
    expect(evaluateRules(pod, { platform, templates, phase: 'LIVE', tasks })).toEqual([]);
  });
});

describe('checkEndpoints', () => {
  const variable = (name: string, value: string): Partial<Container> => ({
    env: [{ name, value }],
  });
  const from = (name: string): Partial<Container> => ({
    env: [{ name, valueFrom: { configMapKeyRef: { name: 'settings', key: 'endpoint' } } }],
  });
  const command = (...words: readonly string[]): Partial<Container> => ({ command: words });
  const probe = (word: string): Partial<Container> => ({
    livenessProbe: { exec: { command: ['sh', '-c', word] } },
  });

  const ENDPOINT = 'cloud.endpoints, or declare delivery: vend';
  it.each<[string, Partial<Container>, string, string]>([
    ['another endpoint', variable('AWS_ENDPOINT_URL', 'https://x'), 'env/0', ENDPOINT],
    ['an empty endpoint', variable('AWS_ENDPOINT_URL', ''), 'env/0', ENDPOINT],
    ['an endpoint of S3', variable('AWS_ENDPOINT_URL_S3', 'https://x'), 'env/0', ENDPOINT],
    ['an endpoint of DynamoDB', variable('AWS_ENDPOINT_URL_DYNAMODB', 'x'), 'env/0', ENDPOINT],
    ['an endpoint from a ConfigMap', from('AWS_ENDPOINT_URL_S3'), 'env/0', ENDPOINT],
    [
      'that endpoints are ignored',
      variable('AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'true'),
      'env/0',
      ENDPOINT,
    ],
    ['dual-stack endpoints', variable('AWS_USE_DUALSTACK_ENDPOINT', 'True'), 'env/0', ENDPOINT],
    ['FIPS endpoints', from('AWS_USE_FIPS_ENDPOINT'), 'env/0', ENDPOINT],
    [
      'host prefixes',
      variable('AWS_DISABLE_HOST_PREFIX_INJECTION', 'false'),
      'env/0',
      'true, which the gateway requires',
    ],
    [
      'sessions of S3 Express',
      variable('AWS_S3_DISABLE_EXPRESS_SESSION_AUTH', ''),
      'env/0',
      'true, which the gateway requires',
    ],
    [
      'SigV4a',
      variable('AWS_AUTH_SCHEME_PREFERENCE', 'sigv4a'),
      'env/0',
      'sigv4, which the gateway requires',
    ],
    [
      'another socket of the gateway',
      variable('VALETKEY_GATEWAY_SOCKET', '/tmp/x'),
      'env/0',
      'no value here: injection sets it',
    ],
    [
      'an endpoint in a command',
      command('env', 'AWS_ENDPOINT_URL_S3=https://x', 'agent'),
      'command/1',
      ENDPOINT,
    ],
    ['an endpoint in arguments', { args: ['AWS_ENDPOINT_URL=https://x'] }, 'args/0', ENDPOINT],
    [
      'an endpoint in a probe',
      probe('AWS_USE_FIPS_ENDPOINT=true aws s3 ls'),
      'livenessProbe/exec/command/2',
      ENDPOINT,
    ],
  ])('rule 7 refuses %s', (_, members, at, text) => {
    const violations = listViolations(withContainer('agent', members));
    expect(violations).toEqual([expect.stringContaining(text)]);
    expect(violations[0]).toMatch(new RegExp(`^7 /spec/containers/0/${at} `));
  });

  it.each<[string, Partial<Container>]>([
    ['an empty endpoint of a service', variable('AWS_ENDPOINT_URL_S3', '')],
    ['the gateway for a service', variable('AWS_ENDPOINT_URL_S3', 'http://127.0.0.1:9473')],
    ['configured endpoints', variable('AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'false')],
    ['no FIPS endpoints', variable('AWS_USE_FIPS_ENDPOINT', 'False')],
    ['no dual-stack endpoints', variable('AWS_USE_DUALSTACK_ENDPOINT', '')],
    ['no dual-stack endpoints in a command', command('AWS_USE_DUALSTACK_ENDPOINT=false')],
    ['a variable with a longer name', variable('MY_AWS_ENDPOINT_URLS', 'https://x')],
  ])('rule 7 allows %s', (_, members) => {
    expect(listViolations(withContainer('agent', members))).toEqual([]);
  });

  it.each<[string, Partial<Container>]>([
    ['an endpoint', variable('AWS_ENDPOINT_URL', 'https://x')],
    ['an endpoint of S3', variable('AWS_ENDPOINT_URL_S3', 'https://x')],
    ['FIPS endpoints', variable('AWS_USE_FIPS_ENDPOINT', 'true')],
    ['an endpoint in a command', command('AWS_ENDPOINT_URL_S3=https://x')],
  ])('rule 7 allows %s where the cloud gets requests of the container itself', (_, members) => {
    expect(listViolations(withContainer('helper', members))).toEqual([]);
  });

  it('reserves the socket of the gateway in every container', () => {
    const violations = listViolations(
      withContainer('helper', variable('VALETKEY_GATEWAY_SOCKET', '/tmp/x')),
    );
    expect(violations).toEqual([expect.stringMatching(/^7 .*injection sets it/)]);
  });
});
