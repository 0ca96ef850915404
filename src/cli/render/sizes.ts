/** @returns a size as people read it: `0.3 MiB`, `120 MiB`, `3.4 GiB`. */
export function inMebibytes(bytes: number): string {
  const mib = bytes / 2 ** 20;
  if (mib >= 1_000) return `${(mib / 1_024).toFixed(1)} GiB`;
  return bytes === 0 ? '0 MiB' : `${mib >= 10 ? Math.round(mib) : Math.max(mib, 0.1).toFixed(1)} MiB`;
}
