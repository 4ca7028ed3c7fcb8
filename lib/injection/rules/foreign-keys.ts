import { FIXED_KEY_FIELD } from '../../contract/paths.ts';
import type { Container, EnvFromSource, EnvVar } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { DATABASE_URL, FOREIGN_SERVICES, type ForeignService } from './foreign-services.ts';
import { listCommands } from './static-keys.ts';

/** A key of a service that is no cloud. `what` never has its value. */
type Finding = { readonly path: string; readonly service: ForeignService; readonly what: string };

const GUIDE = 'docs/static-keys.md';

/** Whether the violation is about a key of another service: `pods.foreignKeys` decides about it. */
export const isForeignKeyError = ({ code }: FieldError): boolean => code === 'foreign_key';

/**
 * Finds keys of HTTP APIs, forges, Vault and databases: by the variable, also as a key of a Secret under
 * another name, by the form of a value or a word of a command, and by the name of an imported Secret.
 *
 * @param tasks those of the container. Beside the preset of a client its keys have no code: no setting
 *   admits them, because the client would send them to the gateway
 */
export const checkForeignKeys = (
  container: Container,
  path: string,
  tasks: readonly Task[],
): readonly FieldError[] =>
  [
    ...(container.env ?? []).flatMap((variable, index) =>
      findInVariable(variable, `${path}/env/${index}`),
    ),
    ...(container.envFrom ?? []).flatMap((source, index) =>
      findInImport(source, `${path}/envFrom/${index}`),
    ),
    ...listCommands(container).flatMap(({ at, command }) =>
      command.flatMap((word, index) => findInWord(word, `${path}/${at}/${index}`)),
    ),
  ].map((finding) => toFault(finding, container.name, tasks));

const toFault = (
  { path, service, what }: Finding,
  container: string,
  tasks: readonly Task[],
): FieldError => {
  const { title, provider, client } = service;
  const got = `${what} of container ${formatValue(container)}`;
  const task = tasks.find((each) => client !== undefined && each.client === client);
  return task === undefined
    ? {
        path,
        expected: `no key of ${title}: declare a task of provider ${provider} (${GUIDE})`,
        got,
        code: 'foreign_key',
      }
    : {
        path,
        expected: `no key of the API: task ${task.name} presents it; give the client the content of /var/run/valetkey/token as its key when it starts`,
        got,
      };
};

const findByName = (name = ''): readonly ForeignService[] =>
  FOREIGN_SERVICES.filter(({ variables }) => variables.includes(name));
const findByForm = (text: string): readonly ForeignService[] =>
  FOREIGN_SERVICES.filter(({ form }) => form?.test(text) === true);

/** Each service once. */
const toFindings = (
  services: readonly ForeignService[],
  path: string,
  what: string,
): readonly Finding[] => [...new Set(services)].map((service) => ({ path, service, what }));

const findInVariable = (variable: EnvVar, path: string): readonly Finding[] => {
  const { name, value = '', valueFrom } = variable;
  const { secretKeyRef, fileKeyRef, configMapKeyRef } = valueFrom ?? {};
  // The UID of the pod opens nothing outside it.
  const isOwnUid = valueFrom?.fieldRef?.fieldPath === FIXED_KEY_FIELD;
  const isSet = !isOwnUid && (value !== '' || valueFrom !== undefined);
  const services = [
    ...(isSet ? findByName(name) : []),
    ...findByForm(value),
    ...[secretKeyRef, fileKeyRef, configMapKeyRef].flatMap((source) => findByName(source?.key)),
    ...(isSecretUrl(variable) ? FOREIGN_SERVICES.filter(isDatabase) : []),
  ];
  return toFindings(services, path, `variable ${formatValue(name)}`);
};

const isDatabase = ({ provider }: ForeignService): boolean => provider === 'postgres';

/** The URL of a database from a Secret: what holds no password needs none. */
const isSecretUrl = ({ name, valueFrom }: EnvVar): boolean =>
  [valueFrom?.secretKeyRef, valueFrom?.fileKeyRef].some(
    (source) => source !== undefined && [name, source.key].includes(DATABASE_URL),
  );

const KEY_WORDS = /^(apikeys?|credentials?|creds?|keys?|passwords?|pat|secrets?|tokens?)$/;

/** Secrets such as `openai-api-key` or `team.github.token`, and any Secret with a prefix such as `GITHUB_`. */
const findInImport = (
  { prefix = '', secretRef }: EnvFromSource,
  path: string,
): readonly Finding[] => {
  if (secretRef === undefined) return [];
  const words = (secretRef.name ?? '').toLowerCase().split(/[-._]/);
  const holdsKeys = words.some((word) => KEY_WORDS.test(word));
  const named = FOREIGN_SERVICES.filter(
    (service) => holdsKeys && service.words.some((word) => words.includes(word)),
  );
  const prefixed = FOREIGN_SERVICES.filter(
    ({ variables }) => prefix !== '' && variables.some((name) => name.startsWith(prefix)),
  );
  return [
    ...toFindings(
      named,
      `${path}/secretRef/name`,
      `every key of Secret ${formatValue(secretRef.name)}, by its name,`,
    ),
    ...toFindings(
      prefixed,
      `${path}/prefix`,
      `keys of a Secret with prefix ${formatValue(prefix)}`,
    ),
  ];
};

const NAMES = FOREIGN_SERVICES.flatMap(({ variables }) => variables);

/** What the shell or the kubelet replaces is no key: clients get the loopback token so. */
const ASSIGNMENT = new RegExp(String.raw`\b(${NAMES.join('|')})=["']?(?![$\x60"'\s;&|]|$)`, 'g');

/** `env OPENAI_API_KEY=… tool`, in a command, a probe or a hook. */
const findInWord = (word: string, path: string): readonly Finding[] => {
  const assigned = [...word.matchAll(ASSIGNMENT)].map(([, name = '']) => name);
  const named = assigned.flatMap((name) =>
    toFindings(findByName(name), path, `variable ${formatValue(name)} in a command`),
  );
  const others = findByForm(word).filter(
    (service) => !named.some((finding) => finding.service === service),
  );
  return [...named, ...toFindings(others, path, 'a word of a command')];
};
