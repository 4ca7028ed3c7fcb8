import { elements, shown } from './cel.ts';
import { IS_KUBELET } from './kubelets.ts';
import { coreResources, type AdmissionPolicy, type PolicySettings } from './policy.ts';

const KIND = 'object.spec.?boundObjectRef.?kind.orValue("")';

/** Rule 12: an exchange token is a kubelet's to ask for, and lives no longer than its pod. */
export const tokensPolicy = ({ audience }: PolicySettings): AdmissionPolicy => ({
  name: 'valetkey-tokens',
  holds: 'rule 12: only kubelets ask for exchange tokens',
  trust: 'authority',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: coreResources(['serviceaccounts/token'], ['CREATE']),
    matchConditions: [
      {
        name: 'asks-for-the-audience-of-exchange-tokens',
        expression: `${elements('object.spec.audiences')}.exists(it, it.lowerAscii() == ${audience}.lowerAscii())`,
      },
    ],
    validations: [
      {
        expression: IS_KUBELET,
        messageExpression: `"spec.audiences: expected " + ${audience} + " to be asked for by a kubelet, got " + ${shown('request.userInfo.username')} + " (rule 12)"`,
        message: 'only a kubelet asks for an exchange token (rule 12)',
        reason: 'Forbidden',
      },
      {
        expression: `${KIND} == "Pod"`,
        messageExpression: `"spec.boundObjectRef.kind: expected Pod, got " + (${KIND} == "" ? "nothing" : ${shown(KIND)}) + " (rule 12)"`,
        message: 'an exchange token is bound to a pod (rule 12)',
        reason: 'Forbidden',
      },
    ],
  },
});
