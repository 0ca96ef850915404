import { defineConfig } from 'vitest/config';
export default defineConfig({ test: { include: ['test/ui/zz-*.test.ts'], globalSetup: ['test/support/global/build.ts'] } });
