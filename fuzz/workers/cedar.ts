import { parentPort } from 'node:worker_threads';
import { checkPolicy, checkWrittenPolicy } from '../../lib/policy/policy-findings.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';

/** Checks a text as a TaskPolicy's Cedar, then a sound policy: a parser that broke stays broken. */
const SOUND_POLICY = 'permit (principal, action == Action::"run", resource);';

const WRITTEN = { atMs: Date.UTC(2027, 0, 1), vend: 'exception' } as const;

const checkCedar = (cedar: string) => {
  try {
    const { faults, policies } = checkPolicy({ name: 'any', cedar });
    const written = checkWrittenPolicy({ name: 'any', cedar }, WRITTEN);
    const { blockers } = compilePolicies([{ name: 'any', cedar }]);
    const sound = checkPolicy({ name: 'sound', cedar: SOUND_POLICY });
    return {
      outcome: faults.length > 0 ? 'faults' : 'policies',
      isConsistent:
        faults.length > 0 === blockers.length > 0 &&
        faults.length + policies.length > 0 &&
        written.faults.length >= faults.length,
      isSoundPolicyAccepted: sound.faults.length === 0,
    };
  } catch (error) {
    return { outcome: `threw ${String(error)}`, isConsistent: false, isSoundPolicyAccepted: false };
  }
};

parentPort?.on('message', (text: string) => parentPort?.postMessage(checkCedar(text)));
parentPort?.postMessage('ready');
