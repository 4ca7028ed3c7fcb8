import { concatLists, buildMessage, toCelLiteral } from './cel.ts';
import { containerVariables } from './container-variables.ts';
import { buildHardeningViolations } from './hardening-violations.ts';
import { buildIsolationViolations } from './isolation-violations.ts';
import { buildMountViolations } from './mount-violations.ts';
import {
  buildMatchConstraints,
  type AdmissionPolicy,
  type AdmissionPolicySettings,
} from './validating-admission-policy.ts';
import { selectMatchConditions, buildUnlessExempted } from './policy-conditions.ts';
import { buildVolumeViolations, volumeVariables } from './volume-violations.ts';

/** The author cannot edit a container that a controller adds. */
const HELPER_ADVICE =
  '; docs/mutators.md lists the settings for containers that a controller or mutator adds';

/** The static rules again, for whatever reaches the API server past a webhook that is replaced. */
export const buildNewPodsPolicy = (settings: AdmissionPolicySettings): AdmissionPolicy => ({
  name: 'valetkey-pods',
  description: 'rules 3 to 6, for new pods',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: buildMatchConstraints(['pods'], ['CREATE']),
    matchConditions: selectMatchConditions(settings),
    variables: [
      ...containerVariables,
      ...volumeVariables,
      { name: 'rule3', expression: buildIsolationViolations(settings) },
      { name: 'rule4', expression: buildHardeningViolations(settings) },
      { name: 'rule5', expression: buildVolumeViolations(settings) },
      { name: 'rule6', expression: buildMountViolations() },
      {
        name: 'breaches',
        expression: concatLists([
          buildUnlessExempted('3', 'variables.rule3', settings),
          buildUnlessExempted('4', 'variables.rule4', settings),
          'variables.rule5',
          'variables.rule6',
        ]),
      },
    ],
    validations: [
      {
        expression: 'variables.breaches.size() == 0',
        messageExpression: `(${buildMessage('variables.breaches')}) + ${toCelLiteral(HELPER_ADVICE)}`,
        message: 'the pod breaks a rule for pods that declare tasks',
        reason: 'Forbidden',
      },
    ],
  },
});
