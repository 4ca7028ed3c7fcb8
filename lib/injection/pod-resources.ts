import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import type { Container, Pod } from '../contract/pod.ts';
import { toJsonPointer } from './json-patch.ts';
import { addQuantities } from '../schema/quantity.ts';

/**
 * Raises the resources that the pod sets as a whole by what the sidecar requests. The API server
 * rejects a pod whose containers request more than the pod, and the other containers would otherwise
 * pay for the sidecar. Requests and limits grow by the same amount, so that the QoS class stays.
 * Amounts that the pod does not set are not added.
 */
export const buildPodResourceOps = (pod: Pod, sidecar: Container): readonly JsonPatchOp[] =>
  (['requests', 'limits'] as const).flatMap((group) =>
    Object.entries(sidecar.resources?.requests ?? {}).flatMap(([name, amount]) => {
      const own = pod.spec?.resources?.[group]?.[name];
      const sum = own === undefined ? undefined : addQuantities(own, amount);
      const path = `/spec/resources${toJsonPointer(group, name)}`;
      return sum === undefined ? [] : [{ op: 'replace' as const, path, value: sum }];
    }),
  );
