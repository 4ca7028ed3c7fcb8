import { describe } from '@jest/globals';
import { startPostgres } from '../postgres-server.ts';
import { testAuthority } from './postgres/authority-tests.ts';
import { testGateway } from './postgres/gateway-tests.ts';
import { testRoles } from './postgres/roles-tests.ts';

describe('PostgreSQL of Debian', () => {
  testRoles(() => startPostgres());
  testAuthority(() => startPostgres());
  testGateway(() => startPostgres());
});
