/** Runs `action` once, after `delayMs`, unless the answer is called first. Never keeps a process up. */
export type Schedule = (delayMs: number, action: () => void) => () => void;
