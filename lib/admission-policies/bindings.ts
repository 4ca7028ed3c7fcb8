import { INJECTED_LABEL, TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import { concat, describeBreach, literal, messageOf, shown, type Cel } from './cel.ts';
import { coreResources, type AdmissionPolicy } from './policy.ts';

/** Keys of the binding that would become the pod's own. */
const keys = (mapping: string, isOurs: Cel): Cel =>
  `object.metadata.?${mapping}.orValue({}).filter(key, ${isOurs}).map(key, ${describeBreach({
    rule: '8',
    path: `"/metadata/${mapping}/" + key.replace("/", "~1")`,
    expected: 'nothing that was not admitted with the pod',
    got: shown('key'),
  })})`;

/** Rule 8 for schedulers: annotations and labels of a binding are written into its pod. */
export const bindingsPolicy = (): AdmissionPolicy => ({
  name: 'valetkey-bindings',
  holds: 'rule 8: no binding declares a task',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: coreResources(['pods/binding', 'bindings'], ['CREATE']),
    variables: [
      {
        name: 'breaches',
        expression: concat([
          keys('annotations', `key.startsWith(${literal(TASK_ANNOTATION_PREFIX)})`),
          keys('labels', `key == ${literal(INJECTED_LABEL)}`),
        ]),
      },
    ],
    validations: [
      {
        expression: 'variables.breaches.size() == 0',
        messageExpression: messageOf('variables.breaches'),
        message: 'a binding sets a task annotation or our label (rule 8)',
        reason: 'Forbidden',
      },
    ],
  },
});
