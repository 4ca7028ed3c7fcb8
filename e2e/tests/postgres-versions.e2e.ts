import { describe } from '@jest/globals';
import { installPostgres, POSTGRES_VERSIONS } from '../postgres-programs.ts';
import { startPostgres } from '../postgres-server.ts';
import { testAuthority } from './postgres/authority-tests.ts';
import { testGateway } from './postgres/gateway-tests.ts';
import { testRoles } from './postgres/roles-tests.ts';

// 16 and later have other rules about who may administer a role.
describe.each(POSTGRES_VERSIONS)('PostgreSQL %s', (version) => {
  const start = async () => startPostgres(await installPostgres(version));
  testRoles(start);
  testAuthority(start);
  testGateway(start);
});
