import { signClientNames } from '../../clients/client-builds.ts';
import { defineSignClientTests } from './sign-client-scenarios.ts';

await defineSignClientTests(signClientNames);
