export type Progress = (message: string) => void;

/** Returns a function that prints a line with the seconds since this call: `[12.3 s] apiserver ready`. */
export function startProgress(
  write: (line: string) => void = (line) => process.stdout.write(line),
): Progress {
  const startedAt = performance.now();
  return (message) => {
    const seconds = (performance.now() - startedAt) / 1000;
    write(`[${seconds.toFixed(1)} s] ${message}\n`);
  };
}
