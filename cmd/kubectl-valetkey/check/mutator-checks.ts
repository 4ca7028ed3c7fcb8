import { INSTALLED, SIDECAR_CONTAINER } from '../../../lib/contract/names.ts';
import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import { pass, report, type CheckResult } from './check-row.ts';
import { KNOWN_MUTATORS } from './known-mutators.ts';

/** What may change pods. */
export type MutatorFacts = {
  /** MutatingWebhookConfigurations. */
  readonly configurations: readonly Mapping[];
  /** MutatingAdmissionPolicies; none where the API server does not serve them. */
  readonly policies: readonly Mapping[];
  /** VerticalPodAutoscalers of namespaces with tasks; none where their API does not exist. */
  readonly autoscalers: readonly Mapping[];
};

/** Finds other programs that change pods. An unknown one is listed; the row `admission` shows its effect. */
export const checkMutators = ({
  configurations,
  policies,
  autoscalers,
}: MutatorFacts): CheckResult => {
  const others = configurations.map(toMutator).filter(({ name, isForPods }) => {
    return isForPods && name !== INSTALLED.configuration;
  });
  const problems = [
    ...others.flatMap(checkWebhooks),
    ...policies.flatMap(checkPolicy),
    ...autoscalers.flatMap(checkAutoscaler),
  ];
  if (problems.length > 0) return report('warning', { problems, hint: HINT });
  const unknown = others.map(({ name }) => name).join(', ');
  return pass(unknown === '' ? 'no other mutator of pods' : `no known conflict: ${unknown}`);
};

const HINT =
  'apply the settings that docs/mutators.md lists, and try a pod with kubectl --dry-run=server';

const checkWebhooks = ({ name, names }: ReturnType<typeof toMutator>): readonly string[] => {
  const known = KNOWN_MUTATORS.find(({ pattern }) => names.some((each) => pattern.test(each)));
  const title = `MutatingWebhookConfiguration ${name}`;
  return known === undefined ? [] : [`${title}: ${known.name} changes pods: ${known.advice}`];
};

/** What its expressions write is not evaluated: the dry run of the row `admission` is. */
const checkPolicy = ({ metadata, spec }: Mapping): readonly string[] => {
  const { matchConstraints } = toMapping(spec);
  const rules = toList(toMapping(matchConstraints)['resourceRules']);
  return rules.some(isForPods)
    ? [
        `MutatingAdmissionPolicy ${getName(metadata)}: changes pods: exclude container ${SIDECAR_CONTAINER} if it writes more than defaults`,
      ]
    : [];
};

/** An autoscaler raises the sidecar's resources, too, unless it leaves its container out. */
const checkAutoscaler = ({ metadata, spec }: Mapping): readonly string[] => {
  const { updatePolicy, resourcePolicy } = toMapping(spec);
  const containers = toList(toMapping(resourcePolicy)['containerPolicies']);
  const own =
    containers.find(({ containerName }) => containerName === SIDECAR_CONTAINER) ??
    containers.find(({ containerName }) => containerName === '*');
  if (toMapping(updatePolicy)['updateMode'] === 'Off' || own?.['mode'] === 'Off') return [];
  const title = `VerticalPodAutoscaler ${String(toMapping(metadata)['namespace'])}/${getName(metadata)}`;
  return [
    `${title}: expected a containerPolicies entry ${SIDECAR_CONTAINER} with mode Off, got none`,
  ];
};

const getName = (metadata: unknown): string => String(toMapping(metadata)['name']);

const toList = (value: unknown): readonly Mapping[] =>
  Array.isArray(value) ? value.map(toMapping) : [];

const toMutator = (configuration: Mapping) => {
  const name = getName(configuration['metadata']);
  const webhooks = toList(configuration['webhooks']);
  const names = [name, ...webhooks.map((webhook) => String(webhook['name']))];
  const rules = webhooks.flatMap((webhook) => toList(webhook['rules']));
  return { name, names, isForPods: rules.some(isForPods) };
};

const isForPods = ({ resources, operations }: Mapping): boolean =>
  includesAny(resources, ['pods', '*', '*/*', 'pods/*']) &&
  includesAny(operations, ['CREATE', '*']);

const includesAny = (list: unknown, names: readonly string[]): boolean =>
  Array.isArray(list) && list.some((each) => names.includes(String(each)));
