import type { Container } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import type { Judge } from './rule.ts';

/**
 * Rule 9: nobody joins an injected pod afterwards. On UPDATE only a new one is a breach: a pod that
 * has one already must still let go of its finalizers.
 */
export const judgeEphemeralContainers: Judge = (pod, { oldPod }) => {
  const before = new Set((oldPod?.spec?.ephemeralContainers ?? []).map(({ name }) => name));
  return (pod.spec?.ephemeralContainers ?? []).flatMap((container, index) =>
    before.has(container.name) ? [] : [breach(container, index)],
  );
};

const breach = ({ name }: Container, index: number): Fault => ({
  path: `/spec/ephemeralContainers/${index}`,
  expected: 'no ephemeral container in a pod with a sidecar',
  got: show(name),
});
