export interface Change {
  name: string;
  file: string;
  find: string;
  add: string;
  stops: string[];
}
export interface Place {
  file: string;
  line: number;
  said: string;
}
export const changes: Change[];
export function compiler(): (change: Change, files?: string[]) => Place[];
export function forgotten(change: Change, found: Place[]): string[];
