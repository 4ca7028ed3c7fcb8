import { spawn } from 'node:child_process';

/** Spins in short steps, so that it exits when its parent closes the standard input. */
const loop = `
process.stdin.on('close', () => process.exit()).resume();
const spin = () => {
  const until = performance.now() + 50;
  while (performance.now() < until);
  setImmediate(spin);
};
spin();
`;

/** Starts programs that each keep one core busy; returns a function that stops them. */
export const startBusyLoops = (count: number): (() => void) => {
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', loop], { stdio: ['pipe', 'ignore', 'inherit'] }),
  );
  return () => {
    for (const child of children) child.kill('SIGKILL');
  };
};
