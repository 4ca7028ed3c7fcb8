import { buildElements, quoteText } from './cel.ts';
import { IS_KUBELET } from './kubelets.ts';
import {
  buildMatchConstraints,
  type AdmissionPolicy,
  type AdmissionPolicySettings,
} from './validating-admission-policy.ts';

const KIND = 'object.spec.?boundObjectRef.?kind.orValue("")';

/** Rule 12: an exchange token is a kubelet's to ask for, and lives no longer than its pod. */
export const buildTokenPolicy = ({ audience }: AdmissionPolicySettings): AdmissionPolicy => ({
  name: 'valetkey-tokens',
  description: 'rule 12: only kubelets ask for exchange tokens',
  trust: 'authority',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: buildMatchConstraints(['serviceaccounts/token'], ['CREATE']),
    matchConditions: [
      {
        name: 'asks-for-the-audience-of-exchange-tokens',
        expression: `${buildElements('object.spec.audiences')}.exists(it, it.lowerAscii() == ${audience}.lowerAscii())`,
      },
    ],
    validations: [
      {
        expression: IS_KUBELET,
        messageExpression: `"spec.audiences: expected " + ${audience} + " to be asked for by a kubelet, got " + ${quoteText('request.userInfo.username')} + " (rule 12)"`,
        message: 'only a kubelet asks for an exchange token (rule 12)',
        reason: 'Forbidden',
      },
      {
        expression: `${KIND} == "Pod"`,
        messageExpression: `"spec.boundObjectRef.kind: expected Pod, got " + (${KIND} == "" ? "nothing" : ${quoteText(KIND)}) + " (rule 12)"`,
        message: 'an exchange token is bound to a pod (rule 12)',
        reason: 'Forbidden',
      },
    ],
  },
});
