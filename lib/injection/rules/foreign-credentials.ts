import { CONSUMER_ENV } from '../../contract/environment.ts';
import type { Container, EnvVar, Pod } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { admittedConsumers, otherContainers } from '../consumers.ts';
import { pointer } from '../json-patch.ts';
import type { Profile } from '../profile.ts';
import type { Judge, ServiceAccount } from './rule.ts';
import { namedProfile } from './sidecar-equality.ts';
import { judgePlaces, judgeSource, judgeVariable } from './static-keys.ts';

/**
 * Rule 7: no container brings credentials of its own, by key or by another mechanism, and none is
 * bound to the pod by its service account. EKS Pod Identity has no annotation: it shows in the final
 * pod, as variables here and as an audience under rule 5.
 */
export const judgeForeignCredentials: Judge = (pod, { profiles, namespace, serviceAccount }) => {
  const { profile } = namedProfile(pod, profiles);
  const consumers = admittedConsumers(pod) ?? [];
  return [
    ...otherContainers(pod).flatMap(({ container, path, list }) => {
      const isConsumer = list !== 'ephemeralContainers' && consumers.includes(container.name);
      return judgeContainer(container, path, isConsumer ? profile : NOT_GIVEN);
    }),
    ...bindings(pod.metadata?.annotations ?? {}, POD_BINDINGS),
    ...accountBindings(serviceAccount, namespace),
  ];
};

/** What injection gives, to a container that is no consumer. */
const NOT_GIVEN = { consumer: { env: [] } } as const;
type Given = { readonly consumer: Pick<Profile['consumer'], 'env'> };

const judgeContainer = (
  container: Container,
  path: string,
  given: Given | undefined,
): readonly Fault[] => [
  ...(container.env ?? []).flatMap((variable, index) => {
    const at = `${path}/env/${index}`;
    if (isInjected(variable, given)) return [];
    return isOurs(variable.name) ? [ours(variable, at)] : judgeVariable(variable, at);
  }),
  ...(container.envFrom ?? []).flatMap((source, index) =>
    judgeSource(source, `${path}/envFrom/${index}`),
  ),
  ...judgePlaces(container, path),
];

const isOurs = (name: string): boolean =>
  name.startsWith('AWS_CONTAINER_') || name === CONSUMER_ENV.socket;

const SET_BY_US = 'nothing set here: injection sets it for every consumer';

const ours = ({ name }: EnvVar, path: string): Fault => ({
  path,
  expected: SET_BY_US,
  got: show(name),
});

/** These say where a consumer's own loopback token is sent: no mode and no exception lets go of them. */
export const isOfOurVariables = ({ expected }: Fault): boolean => expected === SET_BY_US;

/** Under a profile that nobody knows, rule 2 has refused the pod before any value matters. */
const isInjected = ({ name, value, valueFrom }: EnvVar, given: Given | undefined): boolean => {
  if (given === undefined) return /^(AWS_CONTAINER_|VALETKEY_)/.test(name);
  return given.consumer.env.some(
    (ours) => ours.name === name && ours.value === value && valueFrom === undefined,
  );
};

/** Annotations by which others bind an account, or a pod, to a cloud's role. */
const ACCOUNT_BINDINGS = [
  'eks.amazonaws.com/role-arn',
  'iam.gke.io/gcp-service-account',
  'azure.workload.identity/client-id',
];
const POD_BINDINGS = ['iam.amazonaws.com/role'];

const bindings = (
  annotations: NonNullable<NonNullable<Pod['metadata']>['annotations']>,
  names: readonly string[],
): readonly Fault[] =>
  names
    .filter((name) => Object.hasOwn(annotations, name))
    .map((name) => ({
      path: `/metadata/annotations${pointer(name)}`,
      expected:
        'no role by another mechanism: declare a task, in a pod of a service account without this annotation',
      got: show(name),
    }));

const accountBindings = (account: ServiceAccount | undefined, namespace = ''): readonly Fault[] =>
  account === undefined
    ? []
    : bindings(account.annotations, ACCOUNT_BINDINGS).map((fault) => ({
        ...fault,
        source: `ServiceAccount ${namespace}/${account.name}`,
      }));
