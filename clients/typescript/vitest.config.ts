import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/*.test.ts'] } },
      {
        // Against the built package and a running server; `tests/clients/typescript` starts both.
        test: {
          name: 'server',
          include: ['test/server/*.test.ts'],
          testTimeout: 60_000, // a restart of the server takes its time on a busy machine
          fileParallelism: false,
        },
      },
    ],
  },
});
