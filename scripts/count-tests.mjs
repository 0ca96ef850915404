/**
 * Counts what the JSON report of the test runner says.
 *
 * A file that cannot even be loaded has no tests in the report, and an unhandled error fails the run with every test
 * green: both must count.
 * @param {{ testResults?: { status: string, assertionResults: { status: string }[] }[] } | undefined} report undefined
 * when the runner wrote none.
 * @param {number} status its exit status.
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
export function countTests(report, status) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report?.testResults ?? []) {
    let failedHere = 0;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') failedHere += 1;
      else counts.skipped += 1;
    }
    counts.failed += file.status === 'failed' ? Math.max(1, failedHere) : failedHere;
  }
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
