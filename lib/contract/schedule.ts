/** Runs `action` once after `delayMs`. @returns cancels it */
export type Schedule = (delayMs: number, action: () => void) => () => void;
