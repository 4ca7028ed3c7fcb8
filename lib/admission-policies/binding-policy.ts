import { INJECTED_LABEL, TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import {
  concatLists,
  formatViolation,
  toCelLiteral,
  buildMessage,
  quoteText,
  type Cel,
} from './cel.ts';
import { buildMatchConstraints, type AdmissionPolicy } from './validating-admission-policy.ts';

/** Keys of the binding that would become the pod's own. */
const buildKeyViolations = (mapping: string, isOurs: Cel): Cel =>
  `object.metadata.?${mapping}.orValue({}).filter(key, ${isOurs}).map(key, ${formatViolation({
    rule: '8',
    path: `"/metadata/${mapping}/" + key.replace("/", "~1")`,
    expected: 'nothing that was not admitted with the pod',
    got: quoteText('key'),
  })})`;

/** Rule 8 for schedulers: annotations and labels of a binding are written into its pod. */
export const buildBindingPolicy = (): AdmissionPolicy => ({
  name: 'valetkey-bindings',
  description: 'rule 8: no binding declares a task',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: buildMatchConstraints(['pods/binding', 'bindings'], ['CREATE']),
    variables: [
      {
        name: 'breaches',
        expression: concatLists([
          buildKeyViolations(
            'annotations',
            `key.startsWith(${toCelLiteral(TASK_ANNOTATION_PREFIX)})`,
          ),
          buildKeyViolations('labels', `key == ${toCelLiteral(INJECTED_LABEL)}`),
        ]),
      },
    ],
    validations: [
      {
        expression: 'variables.breaches.size() == 0',
        messageExpression: buildMessage('variables.breaches'),
        message: 'a binding sets a task annotation or our label (rule 8)',
        reason: 'Forbidden',
      },
    ],
  },
});
