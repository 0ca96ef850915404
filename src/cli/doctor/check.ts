/** One thing that `heartbead doctor` looked at. */
export interface DoctorCheck {
  /** Short and stable: scripts may look for it. */
  name: string;
  verdict: 'ok' | 'warn' | 'fail';
  /** What was found. */
  text: string;
  /** What to do about it; with every warning and failure. */
  next?: string;
}

export const ok = (name: string, text: string): DoctorCheck => ({ name, verdict: 'ok', text });
export const warn = (name: string, text: string, next: string): DoctorCheck => ({ name, verdict: 'warn', text, next });
export const fail = (name: string, text: string, next: string): DoctorCheck => ({ name, verdict: 'fail', text, next });
