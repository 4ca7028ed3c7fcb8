import { TRUST_BUNDLE_CONFIG_MAP } from '../../lib/contract/authority-api.ts';
import type { ChartCase, ChartRejection } from './chart-case.ts';

const INGRESS = 'Ingress/valetkey-authority';
const ROUTE = 'HTTPRoute/valetkey-authority';
const TLS_POLICY = 'BackendTLSPolicy/valetkey-authority';
const GATEWAY = { name: 'public', namespace: 'gateways', sectionName: 'https' };
const PATHS = ['/valetkey/.well-known/openid-configuration', '/valetkey/jwks'];

const buildRoute = (more: object = {}) => ({
  discovery: { httpRoute: { enabled: true, parentRefs: [GATEWAY], ...more } },
});

/** Cases of the ways from outside to the issuer's documents. */
export const DISCOVERY_CASES: readonly ChartCase[] = [
  {
    name: 'an Ingress for the two documents of the issuer alone',
    values: {
      authority: {
        issuer: 'https://Issuer.example:443/valetkey',
        discovery: {
          ingress: {
            enabled: true,
            className: 'public',
            annotations: { 'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS' },
            tlsSecretName: 'issuer-tls',
          },
        },
      },
    },
    adds: [INGRESS],
    fields: [
      [INGRESS, 'spec.ingressClassName', 'public'],
      [
        INGRESS,
        'metadata.annotations',
        { 'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS' },
      ],
      [INGRESS, 'spec.tls', [{ hosts: ['issuer.example'], secretName: 'issuer-tls' }]],
      [
        INGRESS,
        'spec.rules',
        [
          {
            host: 'issuer.example',
            http: {
              paths: PATHS.map((path) => ({
                path,
                pathType: 'Exact',
                backend: { service: { name: 'valetkey-authority', port: { name: 'https' } } },
              })),
            },
          },
        ],
      ],
    ],
  },
  {
    name: 'an Ingress of the default class, with its certificate, for an issuer without a path',
    values: {
      authority: {
        issuer: 'https://issuer.example',
        discovery: { ingress: { enabled: true } },
      },
    },
    adds: [INGRESS],
    fields: [
      [INGRESS, 'spec.ingressClassName', undefined],
      [INGRESS, 'metadata.annotations', undefined],
      [INGRESS, 'spec.tls', [{ hosts: ['issuer.example'] }]],
      [INGRESS, 'spec.rules[0].http.paths[1].path', '/jwks'],
    ],
  },
  {
    name: 'an HTTPRoute whose Gateway verifies the authority',
    values: { authority: buildRoute({ annotations: { team: 'platform' } }) },
    adds: [ROUTE, TLS_POLICY],
    fields: [
      [ROUTE, 'spec.parentRefs', [GATEWAY]],
      [ROUTE, 'metadata.annotations', { team: 'platform' }],
      [ROUTE, 'spec.hostnames', ['issuer.example']],
      [ROUTE, 'spec.rules.length', 1],
      [ROUTE, 'spec.rules[0].matches', PATHS.map((value) => ({ path: { type: 'Exact', value } }))],
      [
        ROUTE,
        'spec.rules[0].backendRefs',
        [{ group: '', kind: 'Service', name: 'valetkey-authority', port: 443, weight: 1 }],
      ],
      [
        TLS_POLICY,
        'spec',
        {
          targetRefs: [
            { group: '', kind: 'Service', name: 'valetkey-authority', sectionName: 'https' },
          ],
          validation: {
            hostname: 'valetkey-authority.valetkey.svc',
            // Of its keys, the Gateway API reads ca.crt.
            caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: TRUST_BUNDLE_CONFIG_MAP }],
          },
        },
      ],
    ],
  },
  {
    name: 'an HTTPRoute of a Gateway that verifies the authority by other means',
    values: { authority: buildRoute({ backendTLSPolicy: false }) },
    adds: [ROUTE],
  },
];

const ISSUERS_ELSEWHERE = ['', 'https://valetkey-authority.valetkey.svc', 'https://192.0.2.1/x'];

export const DISCOVERY_REJECTIONS: readonly ChartRejection[] = [
  ...ISSUERS_ELSEWHERE.map((issuer) => ({
    name: `a route for an issuer that is no host outside: ${issuer || 'none'}`,
    values: {
      cloud: { dialect: 's3', stsEndpoint: 'https://rgw.example' },
      authority: { issuer, ...buildRoute() },
    },
    names:
      'authority.issuer: expected an https URL with the host name at which authority.discovery.httpRoute',
  })),
  {
    name: 'an HTTPRoute without a Gateway',
    values: { authority: { discovery: { httpRoute: { enabled: true } } } },
    names: 'authority.discovery.httpRoute.parentRefs: expected the Gateways',
  },
  {
    name: 'a path that is not of the issuer',
    values: { authority: { discovery: { ingress: { enabled: true, path: '/' } } } },
    names: 'path',
  },
];
