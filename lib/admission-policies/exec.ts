import { SIDECAR_CONTAINER } from '../contract/names.ts';
import { literal } from './cel.ts';
import { coreResources, type AdmissionPolicy } from './policy.ts';

/**
 * Rule 11. WebSocket and SPDY, GET and POST: all are CONNECT here. A request that names no container
 * means an ordinary one, never an init container.
 */
export const execPolicy = (): AdmissionPolicy => ({
  name: 'valetkey-exec',
  holds: 'rule 11: nobody enters the sidecar',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: coreResources(['pods/exec', 'pods/attach'], ['CONNECT']),
    validations: [
      {
        expression: `object.?container.orValue("") != ${literal(SIDECAR_CONTAINER)}`,
        messageExpression: `"container: expected any container but the sidecar, got ${SIDECAR_CONTAINER} (rule 11)"`,
        message: 'the sidecar is no container to enter (rule 11)',
        reason: 'Forbidden',
      },
    ],
  },
});
