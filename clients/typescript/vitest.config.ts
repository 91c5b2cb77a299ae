import { defineConfig } from 'vitest/config';

/** Milliseconds; generous, because only a failing test waits that long. */
const patience = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 30_000 } } };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/*.test.ts'], ...patience } },
      {
        // Against the built package and a running server; `tests/clients/typescript` starts both.
        test: { name: 'server', include: ['test/server/*.test.ts'], fileParallelism: false, ...patience },
      },
    ],
  },
});
