import { concat, messageOf } from './cel.ts';
import { containerVariables } from './containers.ts';
import { hardeningBreaches } from './hardening.ts';
import { isolationBreaches } from './isolation.ts';
import { mountBreaches } from './mounts.ts';
import { coreResources, type AdmissionPolicy, type PolicySettings } from './policy.ts';
import { askedFor, unlessExcepted } from './scope.ts';
import { volumeBreaches, volumeVariables } from './volumes.ts';

/** The static rules again, for whatever reaches the API server past a webhook that is replaced. */
export const newPodsPolicy = (settings: PolicySettings): AdmissionPolicy => ({
  name: 'valetkey-pods',
  holds: 'rules 3 to 6, for new pods',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: coreResources(['pods'], ['CREATE']),
    matchConditions: askedFor(settings),
    variables: [
      ...containerVariables,
      ...volumeVariables,
      { name: 'rule3', expression: isolationBreaches(settings) },
      { name: 'rule4', expression: hardeningBreaches(settings) },
      { name: 'rule5', expression: volumeBreaches(settings) },
      { name: 'rule6', expression: mountBreaches() },
      {
        name: 'breaches',
        expression: concat([
          unlessExcepted('3', 'variables.rule3', settings),
          unlessExcepted('4', 'variables.rule4', settings),
          'variables.rule5',
          'variables.rule6',
        ]),
      },
    ],
    validations: [
      {
        expression: 'variables.breaches.size() == 0',
        messageExpression: messageOf('variables.breaches'),
        message: 'the pod breaks a rule for pods that declare tasks',
        reason: 'Forbidden',
      },
    ],
  },
});
