// Four projects: unit (beside the file, no server), contract (ports against every adapter), e2e (real processes), and
// operator (a real Kubernetes API server).
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{core,dataplane,operator,hack,bench}/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.redis.test.ts'],
        },
      },
      {
        test: {
          name: 'contract',
          include: ['{core,dataplane,operator}/**/*.redis.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: ['test/redis.setup.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/operator/**'],
          globalSetup: ['test/redis.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'operator',
          include: ['test/operator/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: ['test/redis.setup.ts', 'test/control-plane.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // After the others and one file at a time: each has an API server, operators and data planes of its own.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
