import { describe, expect, it } from '@jest/globals';
import {
  createRunRole,
  getRunOfRole,
  getRunRole,
  quoteIdentifier,
  quoteLiteral,
} from './run-roles.ts';
import { buildScramVerifier } from './scram.ts';
import { checkTemplateRole } from './template-role.ts';

const RUN = 'abcdefghijklmnopqrstuvwxyz234567';
const verifier = buildScramVerifier('password', Buffer.alloc(16, 1));

describe('createRunRole', () => {
  it('creates a member of the template that ends at the deadline, with a verifier', () => {
    const sql = createRunRole({ run: RUN, template: 'app"role', validUntil: 0, verifier });
    expect(sql).toBe(
      `CREATE ROLE "vk_${RUN}" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION ` +
        'NOBYPASSRLS IN ROLE "app""role" ROLE CURRENT_USER ' +
        `VALID UNTIL '1970-01-01T00:00:00.000Z' PASSWORD '${verifier}'`,
    );
  });

  it('refuses a password that is no verifier: the server would log it', () => {
    const options = { run: RUN, template: 'app', validUntil: 0 };
    expect(() => createRunRole({ ...options, verifier: 'topsecret' })).toThrow('verifier');
    expect(() => createRunRole({ ...options, verifier: `${verifier}' SUPERUSER` })).toThrow();
  });

  it.each(['', 'short', `${RUN}x`, RUN.toUpperCase(), `${RUN.slice(1)}"`])(
    'refuses %j, which is no run ID',
    (run) => {
      expect(() => getRunRole(run)).toThrow('expected a run ID');
      expect(getRunOfRole(`vk_${run}`)).toBeUndefined();
    },
  );

  it('finds the run of a role', () => {
    expect(getRunOfRole(getRunRole(RUN))).toBe(RUN);
  });
});

describe('quoteIdentifier and quoteLiteral', () => {
  it.each(['', 'a\0b', 'a'.repeat(64), 'ä'.repeat(32), '\ud800'])('refuse the name %j', (name) => {
    expect(() => quoteIdentifier(name)).toThrow('SQL: expected');
  });

  it('refuse a text with NUL, and quote quotes and backslashes', () => {
    expect(() => quoteLiteral('a\0')).toThrow('SQL: expected');
    expect(quoteLiteral("it's")).toBe("'it''s'");
    expect(quoteLiteral("\\'")).toBe(" E'\\\\'''");
  });
});

describe('checkTemplateRole', () => {
  const plain = {
    inherits: true,
    superuser: false,
    createrole: false,
    bypassrls: false,
    replication: false,
    server: false,
  };

  it('accepts a role with privileges only', () => {
    expect(checkTemplateRole('app', plain)).toEqual([]);
  });

  it('names every fault at once', () => {
    const all = { inherits: false, superuser: true, createrole: true, bypassrls: true };
    const faults = checkTemplateRole('app', { ...all, replication: true, server: true });
    expect(faults).toHaveLength(6);
    expect(faults.join()).toContain('template role app: expected no superuser');
  });

  it('refuses a role that does not exist', () => {
    expect(checkTemplateRole('app', undefined)).toHaveLength(1);
  });
});
