import { SIGN_CONSUMER_ENV } from '../../contract/environment.ts';
import type { Container, EnvVar } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import type { InjectionTemplate } from '../injection-template.ts';
import { listCommands } from './static-keys.ts';

const ENDPOINT = 'AWS_ENDPOINT_URL';
/** With one of these, SDKs ignore the endpoint of the gateway, or send requests to another host. */
const SWITCHES = [
  'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_USE_FIPS_ENDPOINT',
];
const SWITCHES_OF_GATEWAY: readonly string[] = [
  SIGN_CONSUMER_ENV.hostPrefix,
  SIGN_CONSUMER_ENV.expressSession,
  SIGN_CONSUMER_ENV.authScheme,
];

const NO_ENDPOINT =
  "no endpoint but the gateway's: remove it, ask the platform to add it to cloud.endpoints, or declare delivery: vend";
const NO_SWITCH =
  'no value: SDKs would pass the gateway by; remove it, ask the platform to add the endpoint to cloud.endpoints, or declare delivery: vend';

/**
 * Finds what leads requests of a consumer past the gateway that signs them: they would fail at the cloud,
 * which knows no key of the consumer. Empty and false values change nothing.
 */
export const checkEndpoints = (
  container: Container,
  path: string,
  { consumer }: InjectionTemplate,
): readonly FieldError[] => [
  ...(container.env ?? []).flatMap((variable, index) =>
    checkVariable(variable, `${path}/env/${index}`, consumer.signEnv ?? []),
  ),
  ...listCommands(container).flatMap(({ at, command }) =>
    command.flatMap((word, index) => checkWord(word, `${path}/${at}/${index}`)),
  ),
];

const checkVariable = (
  { name, value = '', valueFrom }: EnvVar,
  path: string,
  injected: readonly EnvVar[],
): readonly FieldError[] => {
  const text = valueFrom === undefined ? value : 'a value from elsewhere';
  const fixed = injected.find((variable) => variable.name === name)?.value;
  if (SWITCHES_OF_GATEWAY.includes(name) && fixed !== undefined && text !== fixed) {
    const expected = `${fixed}, which the gateway requires: remove it, injection sets it`;
    return [{ path, expected, got: formatValue(`${name}=${text}`) }];
  }
  const expected = getAdvice(name, text, injected);
  return expected === undefined ? [] : [{ path, expected, got: formatValue(`${name}=${text}`) }];
};

const getAdvice = (name: string, text: string, injected: readonly EnvVar[]): string | undefined => {
  if (SWITCHES.includes(name)) return isOff(text) ? undefined : NO_SWITCH;
  if (!isEndpoint(name)) return undefined;
  const gateway = injected.find((variable) => variable.name === ENDPOINT)?.value;
  return (text === '' && name !== ENDPOINT) || text === gateway ? undefined : NO_ENDPOINT;
};

const isEndpoint = (name: string): boolean => name === ENDPOINT || name.startsWith(`${ENDPOINT}_`);

const isOff = (text: string): boolean => text === '' || text.toLowerCase() === 'false';

const ASSIGNMENT = new RegExp(
  String.raw`\b(${ENDPOINT}(_[A-Z0-9_]+)?|${SWITCHES.join('|')})=(\S*)`,
  'g',
);

/** `env AWS_ENDPOINT_URL_S3=… tool`, in a command, a probe or a hook. */
const checkWord = (word: string, path: string): readonly FieldError[] =>
  [...word.matchAll(ASSIGNMENT)].flatMap(([found, name = '', , value = '']) => {
    if (SWITCHES.includes(name) && isOff(value)) return [];
    const expected = SWITCHES.includes(name) ? NO_SWITCH : NO_ENDPOINT;
    return [{ path, expected, got: formatValue(found) }];
  });
