import { parentPort } from 'node:worker_threads';
import { checkPolicy } from '../../lib/policy/policy-findings.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';

/** Judges a text as a TaskPolicy's Cedar, and then a policy that is sound: a Cedar that broke stays so. */
const SOUND_POLICY = 'permit (principal, action == Action::"run", resource);';

const checkCedar = (cedar: string) => {
  try {
    const { faults, policies } = checkPolicy({ name: 'any', cedar });
    const { blockers } = compilePolicies([{ name: 'any', cedar }]);
    const sound = checkPolicy({ name: 'sound', cedar: SOUND_POLICY });
    return {
      outcome: faults.length > 0 ? 'faults' : 'policies',
      isConsistent:
        faults.length > 0 === blockers.length > 0 && faults.length + policies.length > 0,
      isAlive: sound.faults.length === 0,
    };
  } catch (error) {
    return { outcome: `threw ${String(error)}`, isConsistent: false, isAlive: false };
  }
};

parentPort?.on('message', (text: string) => parentPort?.postMessage(checkCedar(text)));
parentPort?.postMessage('ready');
