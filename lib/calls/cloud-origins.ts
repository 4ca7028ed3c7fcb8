import type { GatewayAccess } from '../contract/platform.ts';
import type { ServiceTable } from '../operations/table.ts';
import { refuseCall, type CallResult } from './call-request.ts';

/** Partitions by prefix of their regions; all others are of `aws`. */
const PARTITIONS = [
  { prefix: 'cn-', partition: 'aws-cn', domain: 'amazonaws.com.cn' },
  { prefix: 'us-gov-', partition: 'aws-us-gov', domain: 'amazonaws.com' },
  { prefix: 'us-isob-', partition: 'aws-iso-b', domain: 'sc2s.sgov.gov' },
  { prefix: 'us-isof-', partition: 'aws-iso-f', domain: 'csp.hci.ic.gov' },
  { prefix: 'eu-isoe-', partition: 'aws-iso-e', domain: 'cloud.adc-e.uk' },
  { prefix: 'us-iso-', partition: 'aws-iso', domain: 'c2s.ic.gov' },
  { prefix: 'eusc-', partition: 'aws-eusc', domain: 'amazonaws.eu' },
];
const AWS = { partition: 'aws', domain: 'amazonaws.com' };

const findPartition = (region: string): { partition: string; domain: string } =>
  PARTITIONS.find(({ prefix }) => region.startsWith(prefix)) ?? AWS;

/** The partition of a region, as in ARNs. */
export const getPartition = (region: string): string => findPartition(region).partition;

/** Services of partition `aws` whose host names no region (AWS General Reference, "Service endpoints"). */
const GLOBAL_SERVICES = new Set([
  'budgets',
  'cloudfront',
  'iam',
  'importexport',
  'route53',
  'savingsplans',
  'waf',
]);

/** What an origin depends on. */
export type OriginRequest = {
  /** For which the request is signed: `s3`. */
  readonly signingName: string;
  readonly service: Pick<ServiceTable, 'id' | 'host'>;
  readonly region: string;
  /** Whether the User-Agent chose the operation among those of several services. */
  readonly isNarrowed?: boolean;
};

/** @returns scheme, host and port */
export type FindOrigin = (request: OriginRequest) => CallResult<string>;

/**
 * Creates the function that chooses where a request goes: an endpoint of the platform's settings, the
 * one for the region first, else AWS's own host. Nothing that the client sends is part of a host but a
 * region that the platform lists.
 */
export const createOriginFinder = ({
  region: defaultRegion,
  regions = [defaultRegion],
  endpoints = [],
  dialect,
}: Pick<GatewayAccess, 'region' | 'regions' | 'endpoints' | 'dialect'>): FindOrigin => {
  const listed = new Set(regions);
  const urls = new Map(endpoints.map(({ service, region, url }) => [`${service} ${region}`, url]));
  return ({ signingName, service: { id, host }, region, isNarrowed = false }) => {
    if (!listed.has(region)) {
      return refuseCall('region_outside', `region ${region} is not one of the platform's`);
    }
    const url = urls.get(`${signingName} ${region}`) ?? urls.get(`${signingName} undefined`);
    if (url !== undefined && isNarrowed) {
      return refuseCall(
        'operation_ambiguous',
        `cloud.endpoints sends every service that is signed for as ${signingName} to one URL, and several have such a request`,
      );
    }
    if (url !== undefined) return { ok: true, value: url };
    if (dialect === 's3') {
      return refuseCall('operation_unknown', `cloud.endpoints has no entry for ${signingName}`);
    }
    const { partition, domain } = findPartition(region);
    const isGlobal = partition === AWS.partition && GLOBAL_SERVICES.has(id);
    return { ok: true, value: `https://${host}.${isGlobal ? '' : `${region}.`}${domain}` };
  };
};
