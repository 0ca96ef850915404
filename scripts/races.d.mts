export interface Race {
  id: string;
  scenario: string;
  file: string;
  name: string;
}
export interface Mutant {
  id: string;
  file: string;
  find: string;
  replace: string;
  kills: { project: string; file: string; name: string }[];
}
export interface TestReport {
  testResults: { name: string; assertionResults: { status: string; ancestorTitles: string[]; title: string }[] }[];
}
export function catalogue(): Race[];
export function leftOut(): Map<string, string>;
export function mutants(): Mutant[];
export function results(): {
  date?: string;
  mutants: { id: string; file: string; kills: { file: string; name: string; noticed: boolean }[] }[];
};
export function catalogueProblems(): string[];
export function racesNotRun(report: TestReport): string[];
