import { defineSignClientTests } from './sign-client-scenarios.ts';

await defineSignClientTests(['rust']);
