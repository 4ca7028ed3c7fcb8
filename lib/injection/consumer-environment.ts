import { CONSUMER_ENV } from '../contract/environment.ts';
import type { Container, EnvFromSource, EnvVar, Pod } from '../contract/pod.ts';
import type { PlacedContainer } from './containers.ts';
import { findSettingsConfigMap } from './settings-file.ts';

/** A variable of a consumer that gets another value. */
export type ReplacedValue = { readonly index: number; readonly value: string };

/** What a proxy setting of a consumer requires, so that loopback requests are not sent to the proxy. */
export type ProxyBypass = {
  readonly added: readonly EnvVar[];
  readonly replaced: readonly ReplacedValue[];
  /** For the author; absent: nothing to do. */
  readonly warning?: string;
};

const PROXY_NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
const BYPASS_NAMES = ['NO_PROXY', 'no_proxy'];
const LOOPBACK = '127.0.0.1';
const NO_BYPASS: ProxyBypass = { added: [], replaced: [] };

/**
 * Adds the loopback address to the hosts that are reached without a proxy: a client that obeys proxies for
 * loopback would send its loopback token to the proxy. A value from a Secret or a ConfigMap is not known
 * and stays as it is.
 */
export const planProxyBypass = ({ env, name }: Container): ProxyBypass => {
  const variables = (env ?? []).map((variable, index) => ({ variable, index }));
  const proxy = variables.find(
    ({ variable }) => PROXY_NAMES.includes(variable.name.toUpperCase()) && isSet(variable),
  );
  if (proxy === undefined) return NO_BYPASS;
  const bypasses = variables.filter(({ variable }) => BYPASS_NAMES.includes(variable.name));
  const because = `container ${name}: ${proxy.variable.name} is set`;
  if (bypasses.length === 0) {
    return {
      added: BYPASS_NAMES.map((each) => ({ name: each, value: LOOPBACK })),
      replaced: [],
      warning: `${because}: ${BYPASS_NAMES.join(' and ')} were set to ${LOOPBACK}, so that requests to the sidecar bypass the proxy`,
    };
  }
  const unknown = bypasses.filter(({ variable }) => variable.valueFrom !== undefined);
  const replaced = bypasses
    .filter(({ variable }) => variable.valueFrom === undefined && !includesLoopback(variable))
    .map(({ variable: { value = '' }, index }) => ({
      index,
      value: value === '' ? LOOPBACK : `${value},${LOOPBACK}`,
    }));
  const texts = [
    ...(replaced.length > 0 ? [`${LOOPBACK} was added to the hosts without proxy`] : []),
    ...unknown.map(({ variable }) => `${variable.name} must include ${LOOPBACK}`),
  ];
  return {
    added: [],
    replaced,
    ...(texts.length > 0 && { warning: `${because}: ${texts.join('; ')}` }),
  };
};

const isSet = ({ value = '', valueFrom }: EnvVar): boolean =>
  value !== '' || valueFrom !== undefined;

const includesLoopback = ({ value = '' }: EnvVar): boolean =>
  value.split(/[,\s]+/).some((host) => host === LOOPBACK || host === '*');

/** botocore fails on a profile that no file defines, and then asks no other source of credentials. */
export const PROFILE_VARIABLES: readonly string[] = ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE'];

/** What a consumer sends to the gateway: signed AWS requests, or requests with its loopback token. */
export type GatewayUse = { readonly isSigned: boolean; readonly isTokenSent: boolean };

/** Messages about variables of one consumer that break SDKs or hide what its author meant. */
export const buildEnvironmentWarnings = (
  pod: Pod,
  { container }: PlacedContainer,
  use: GatewayUse,
): readonly string[] => [
  ...(use.isSigned || use.isTokenSent ? buildImportWarnings(container, use) : []),
  ...buildProfileWarnings(container),
  ...buildRegionWarnings(container),
  ...buildSettingsFileWarnings(pod, container),
];

/** Clients that obey proxies for loopback would send each request to the proxy, signed or with the token. */
const buildImportWarnings = (
  { name, envFrom }: Container,
  { isSigned, isTokenSent }: GatewayUse,
): readonly string[] => {
  const sources = (envFrom ?? [])
    .filter(({ prefix = '' }) => PROXY_NAMES.some((each) => each.startsWith(prefix.toUpperCase())))
    .map(formatSource);
  if (sources.length === 0) return [];
  const risks = [
    `a proxy in it needs ${LOOPBACK} in ${BYPASS_NAMES.join(' and ')}`,
    ...(isTokenSent ? ['or clients may send the token of this container to it'] : []),
    ...(isSigned
      ? [
          'and an AWS_ENDPOINT_URL_… in it leads past the gateway to a cloud that knows no key of this container',
        ]
      : []),
  ];
  return [`container ${name}: admission does not read ${sources.join(', ')}: ${risks.join(', ')}`];
};

const buildProfileWarnings = ({ name, env }: Container): readonly string[] =>
  (env ?? [])
    .filter((variable) => PROFILE_VARIABLES.includes(variable.name) && isSet(variable))
    .map(
      (variable) =>
        `container ${name}: ${variable.name} is set: botocore (boto3, the AWS CLI) fails if no file defines this profile, and does not ask the sidecar; remove it`,
    );

const REGION_NAMES: readonly string[] = [CONSUMER_ENV.region, CONSUMER_ENV.defaultRegion];

/** Injection sets the region only if the container does not; but a variable wins over an import. */
const buildRegionWarnings = ({ name, env, envFrom }: Container): readonly string[] => {
  const isOwn = (env ?? []).some((variable) => REGION_NAMES.includes(variable.name));
  const sources = (envFrom ?? []).filter(({ prefix = '' }) => prefix === '').map(formatSource);
  return isOwn || sources.length === 0
    ? []
    : [
        `container ${name}: ${REGION_NAMES.join(' and ')} are set to the platform's region and win over ${sources.join(', ')}, which admission does not read; for another region, set ${CONSUMER_ENV.region} under env`,
      ];
};

const formatSource = ({ configMapRef, secretRef }: EnvFromSource): string =>
  configMapRef === undefined
    ? `Secret ${secretRef?.name ?? ''}`
    : `ConfigMap ${configMapRef.name ?? ''}`;

const buildSettingsFileWarnings = (pod: Pod, container: Container): readonly string[] =>
  (container.env ?? [])
    .filter((variable) => variable.name === 'AWS_CONFIG_FILE')
    .flatMap(({ value = '' }) => {
      const map = findSettingsConfigMap(pod, container, value);
      return map === undefined
        ? []
        : [
            `container ${container.name}: AWS_CONFIG_FILE is read from ConfigMap ${map}: it may hold settings only; a role, keys or a credential_process in it would win over the task`,
          ];
    });
