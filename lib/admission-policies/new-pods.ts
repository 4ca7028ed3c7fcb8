import {
  authorityValidateConditions,
  validateConditions,
  type MatchCondition,
} from '../injection/match-conditions.ts';
import { concat, messageOf, type Cel } from './cel.ts';
import { containerVariables } from './containers.ts';
import { hardeningBreaches } from './hardening.ts';
import { isolationBreaches } from './isolation.ts';
import { mountBreaches } from './mounts.ts';
import { coreResources, type AdmissionPolicy, type PolicySettings } from './policy.ts';
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
      { name: 'rule4', expression: hardeningBreaches() },
      { name: 'rule5', expression: volumeBreaches(settings) },
      { name: 'rule6', expression: mountBreaches() },
      {
        name: 'breaches',
        expression: concat([
          unlessExcepted('3', settings),
          unlessExcepted('4', settings),
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

/** The same pods that the validating webhook is asked about. */
export const askedFor = ({ trust, audience }: PolicySettings): readonly MatchCondition[] =>
  trust === 'authority' ? authorityValidateConditions(audience) : validateConditions;

const unlessExcepted = (rule: string, { exceptions }: PolicySettings): Cel =>
  `(request.namespace + "/${rule}" in ${exceptions} ? [] : variables.rule${rule})`;
