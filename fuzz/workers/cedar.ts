import { parentPort } from 'node:worker_threads';
import { judgePolicy } from '../../lib/policy/findings.ts';
import { openPolicies } from '../../lib/policy/policies.ts';

/** Judges a text as a TaskPolicy's Cedar, and then a policy that is sound: a Cedar that broke stays so. */
const SOUND = 'permit (principal, action == Action::"run", resource);';

const judge = (cedar: string) => {
  try {
    const { faults, policies } = judgePolicy({ name: 'any', cedar });
    const { blockers } = openPolicies([{ name: 'any', cedar }]);
    const sound = judgePolicy({ name: 'sound', cedar: SOUND });
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

parentPort?.on('message', (text: string) => parentPort?.postMessage(judge(text)));
parentPort?.postMessage('ready');
