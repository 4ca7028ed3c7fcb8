import { createHmac, hkdfSync } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import type { Task } from '../contract/task.ts';
import { createTickets, MAX_TICKET_LENGTH, type TicketClaims } from './tickets.ts';

const SECRET = Buffer.alloc(32, 7);
const tickets = createTickets(SECRET);

const task: Task = {
  name: 'summarize',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 20 } },
  lifetimeSeconds: 600,
  delivery: 'sign',
  containers: ['agent'],
  default: false,
  exclusive: false,
};
const claims: TicketClaims = {
  run: 'abcdefgh',
  deadline: 1_800_000_000_000,
  podIps: ['10.1.2.3'],
  policyVersion: 'f'.repeat(64),
  namespace: 'live',
  namespaceLabels: { team: 'research' },
  serviceAccount: 'agent',
  pod: 'agent-0',
  podUid: 'uid-1',
  consumer: 'agent',
  task,
  params: { customer: 'acme' },
  chain: [],
  approvals: [],
};

/** A ticket with these claims, sealed with the right key. */
const forge = (given: unknown, body = JSON.stringify(given)): string => {
  const key = Buffer.from(hkdfSync('sha256', SECRET, '', 'valetkey ticket v1', 32));
  const signed = `vk1.${Buffer.from(body).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
};

const listErrors = (ticket: string): string => {
  const opened = tickets.open(ticket);
  return opened.ok ? '' : opened.faults.map(({ path, expected }) => `${path}: ${expected}`).join();
};

const arbitraryClaims = fc
  .record({
    run: fc.string({ maxLength: 64 }),
    deadline: fc.nat(),
    podIps: fc.array(fc.ipV4(), { maxLength: 2 }),
    namespaceLabels: fc.dictionary(fc.string({ minLength: 1, maxLength: 63 }), fc.string(), {
      noNullPrototype: true,
    }),
    params: fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: 'binary' }), {
      noNullPrototype: true,
    }),
    approvals: fc.array(fc.string()),
    chain: fc.array(
      fc.record({
        run: fc.string(),
        namespace: fc.string(),
        serviceAccount: fc.string(),
        task: fc.string(),
      }),
      { maxLength: 3 },
    ),
  })
  .map((some): TicketClaims => ({ ...claims, ...some }));

describe('createTickets', () => {
  it('opens what a replica with the same key sealed, with every claim unchanged', () => {
    fc.assert(
      fc.property(arbitraryClaims, (sealed) => {
        const ticket = tickets.seal(sealed);
        if (ticket === undefined) return;
        const opened = createTickets(Buffer.from(SECRET)).open(ticket);
        expect(opened).toEqual({ ok: true, value: JSON.parse(JSON.stringify(sealed)) as unknown });
      }),
    );
  });

  it('refuses a ticket of which any character was changed', () => {
    const ticket = tickets.seal(claims) ?? '';
    fc.assert(
      fc.property(fc.nat(ticket.length - 1), fc.base64String({ minLength: 4 }), (at, other) => {
        const changed = `${ticket.slice(0, at)}${other[0]}${ticket.slice(at + 1)}`;
        fc.pre(changed !== ticket);
        expect(tickets.open(changed).ok).toBe(false);
      }),
    );
  });

  it('refuses a ticket of another key, and one that is marked with the key of run IDs itself', () => {
    const [version = '', body = ''] = (tickets.seal(claims) ?? '').split('.');
    const direct = createHmac('sha256', SECRET).update(`${version}.${body}`).digest('base64url');
    const foreign = createTickets(Buffer.alloc(32, 8)).seal(claims) ?? '';
    for (const ticket of [foreign, `${version}.${body}.${direct}`]) {
      expect(listErrors(ticket)).toBe('ticket: a ticket that this authority sealed');
    }
  });

  it('seals no ticket that is longer than a request can hold', () => {
    const long = { ...claims, params: { customer: 'x'.repeat(MAX_TICKET_LENGTH) } };
    expect(tickets.seal(long)).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['a JWT', 'eyJhbGciOiJub25lIn0.e30.c2ln'],
    ['another version', `vk2.e30.${'a'.repeat(43)}`],
    ['a ticket that is too long', `vk1.${'a'.repeat(MAX_TICKET_LENGTH)}.${'a'.repeat(43)}`],
  ])('refuses %s by its form', (_, ticket) => {
    expect(listErrors(ticket)).toBe('ticket: vk1.<claims>.<HMAC> of at most 16 KiB');
  });

  it('names every claim that another version of the authority writes differently', () => {
    const { podUid, ...rest } = claims;
    const errors = listErrors(forge({ ...rest, deadline: podUid, task: {} }));
    for (const path of ['deadline', 'podUid', 'task.name']) {
      expect(errors).toContain(`ticket.${path}: `);
    }
    expect(listErrors(forge(undefined, 'no JSON'))).toBe('ticket: claims in JSON');
  });

  it('leaves out a claim that a later version of the authority added', () => {
    expect(tickets.open(forge({ ...claims, later: 1 }))).toEqual({ ok: true, value: claims });
  });

  it('shows nothing of a ticket in its errors', () => {
    const opened = tickets.open(forge({ ...claims, deadline: 'secret-value', run: 5 }));
    expect(JSON.stringify(opened)).not.toContain('secret-value');
  });
});
