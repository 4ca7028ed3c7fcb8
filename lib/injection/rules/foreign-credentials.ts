import { CONSUMER_ENV } from '../../contract/environment.ts';
import type { EnvVar } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { admittedConsumers, otherContainers } from '../consumers.ts';
import type { Profile } from '../profile.ts';
import type { Judge } from './rule.ts';
import { namedProfile } from './sidecar-equality.ts';

/**
 * Rule 7: no container brings credentials of its own, by key or by another mechanism. What a
 * service account's annotations bind (IRSA, Azure, Google) shows in the final pod as a variable
 * here or an audience under rule 5.
 */
export const judgeForeignCredentials: Judge = (pod, { profiles }) => {
  const { profile } = namedProfile(pod, profiles);
  const consumers = admittedConsumers(pod) ?? [];
  return otherContainers(pod).flatMap(({ container, path }) => {
    const isConsumer = consumers.includes(container.name);
    return (container.env ?? []).flatMap((variable, index) =>
      isConsumer && isInjected(variable, profile)
        ? []
        : judgeVariable(variable, `${path}/env/${index}`),
    );
  });
};

const USE_TASKS = 'declare a task and let the sidecar serve credentials';

/** The first that fits says what to do instead. */
const REFUSED: readonly { readonly names: RegExp; readonly instead: string }[] = [
  {
    names:
      /^(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AWS_SECURITY_TOKEN|AWS_ACCESS_KEY|AWS_SECRET_KEY|AWS_BEARER_TOKEN_\w+)$/,
    instead: `no static keys: ${USE_TASKS}`,
  },
  {
    names: /^(AWS_WEB_IDENTITY_TOKEN_FILE|AWS_ROLE_ARN)$/,
    instead: `no role by another mechanism (SDKs would prefer it): ${USE_TASKS}`,
  },
  {
    names: /^AWS_CONTAINER_/,
    instead: 'nothing set here: injection sets it for every consumer',
  },
  {
    names:
      /^(AZURE_FEDERATED_TOKEN_FILE|AZURE_CLIENT_SECRET|AZURE_CLIENT_CERTIFICATE_PATH|GOOGLE_APPLICATION_CREDENTIALS)$/,
    instead: `no identity of another cloud beside tasks: ${USE_TASKS}`,
  },
  {
    names: new RegExp(`^${CONSUMER_ENV.socket}$`),
    instead: 'nothing set here: injection sets it for every consumer',
  },
];

const judgeVariable = ({ name }: EnvVar, path: string): readonly Fault[] => {
  const refusal = REFUSED.find(({ names }) => names.test(name));
  return refusal === undefined ? [] : [{ path, expected: refusal.instead, got: show(name) }];
};

/** Under a profile that nobody knows, rule 2 has refused the pod before any value matters. */
const isInjected = ({ name, value, valueFrom }: EnvVar, profile: Profile | undefined): boolean => {
  if (profile === undefined) return /^(AWS_CONTAINER_|VALETKEY_)/.test(name);
  return profile.consumer.env.some(
    (ours) => ours.name === name && ours.value === value && valueFrom === undefined,
  );
};
