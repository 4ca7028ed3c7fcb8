/** Leases of coordination.k8s.io/v1. */
export const LEASE_API_VERSION = 'coordination.k8s.io/v1';

/** Path of the Leases of a namespace below the API server. */
export const buildLeasesPath = (namespace: string): string =>
  `/apis/${LEASE_API_VERSION}/namespaces/${encodeURIComponent(namespace)}/leases`;

/** A time as MicroTime of Kubernetes, with six digits. */
export const formatMicroTime = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace('Z', '000Z');
