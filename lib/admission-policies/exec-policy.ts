import { SIDECAR_CONTAINER } from '../contract/names.ts';
import { toCelLiteral } from './cel.ts';
import { buildMatchConstraints, type AdmissionPolicy } from './validating-admission-policy.ts';

/**
 * Rule 11. WebSocket and SPDY, GET and POST: all are CONNECT here. A request that names no container
 * means an ordinary one, never an init container.
 */
export const buildExecPolicy = (): AdmissionPolicy => ({
  name: 'valetkey-exec',
  description: 'rule 11: nobody enters the sidecar',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: buildMatchConstraints(['pods/exec', 'pods/attach'], ['CONNECT']),
    validations: [
      {
        expression: `object.?container.orValue("") != ${toCelLiteral(SIDECAR_CONTAINER)}`,
        messageExpression: `"container: expected any container but the sidecar, got ${SIDECAR_CONTAINER} (rule 11)"`,
        message: 'the sidecar is no container to enter (rule 11)',
        reason: 'Forbidden',
      },
    ],
  },
});
