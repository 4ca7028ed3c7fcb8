import { API_GROUP } from '../contract/authority-api.ts';
import type { AdmissionPolicy } from './validating-admission-policy.ts';

/**
 * Who stops something says so: held by the API server itself, so that the kill switch works, and says
 * who used it, while we are down.
 */
export const buildRevocationPolicy = (): AdmissionPolicy => ({
  name: 'valetkey-revocations',
  description: 'Revocation.spec.by names its creator',
  trust: 'authority',
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: [API_GROUP],
          apiVersions: ['*'],
          resources: ['revocations'],
          operations: ['CREATE'],
        },
      ],
    },
    validations: [
      {
        expression: 'object.spec.by == request.userInfo.username',
        messageExpression:
          '"spec.by: expected " + request.userInfo.username + ", which is who creates it, got " + object.spec.by',
        message: 'spec.by is the name of whoever creates the Revocation',
        reason: 'Forbidden',
      },
    ],
  },
});
