export type FieldReport =
  | {
      id: number;
      source: string;
      right: string;
      file: string | undefined;
      name: string | undefined;
      notHere: string | undefined;
      unreadable?: undefined;
    }
  | { unreadable: string; id?: undefined; file?: undefined; name?: undefined };
export function fieldReports(text?: string): FieldReport[];
export function fieldReportProblems(rows?: FieldReport[]): string[];
