import { noteFigure } from '../../../figures.ts';
import { stage } from '../../stage.ts';

/** Notes what a story of load measured. */
export const noteLoad = (name: string, value: string): void =>
  noteFigure(stage.folder, { pass: stage.pass, name, value });

export const inSeconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;
