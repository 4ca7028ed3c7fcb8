import {
  AUDIT_HEADS_CONFIG_MAP,
  TRUST_BUNDLE_CONFIG_MAP,
} from '../../lib/contract/authority-api.ts';
import { INJECTION_TEMPLATES_CONFIG_MAP } from '../../lib/contract/names.ts';

type StoredObject = { readonly kind: 'ConfigMap' | 'Secret'; readonly name: string };

/** Objects that the chart creates without data and the programs write, with the chart's default values. */
export const STORED_OBJECTS: readonly StoredObject[] = [
  { kind: 'ConfigMap', name: INJECTION_TEMPLATES_CONFIG_MAP },
  { kind: 'ConfigMap', name: TRUST_BUNDLE_CONFIG_MAP },
  { kind: 'ConfigMap', name: AUDIT_HEADS_CONFIG_MAP },
  { kind: 'Secret', name: 'valetkey-webhook-ca' },
  { kind: 'Secret', name: 'valetkey-authority-ca' },
  { kind: 'Secret', name: 'valetkey-authority-keys' },
  { kind: 'Secret', name: 'valetkey-authority-audit' },
];

/** Their paths at the API server. */
export const listStoredObjectPaths = (namespace: string): readonly string[] =>
  STORED_OBJECTS.map(
    ({ kind, name }) => `/api/v1/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`,
  );
