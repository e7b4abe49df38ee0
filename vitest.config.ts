// Four projects: unit (beside the file, no server), contract (ports against every adapter), e2e (real processes), and
// operator (a real Kubernetes API server). They run in this order, one after another: what breaks first is the smallest.
import { defineConfig } from 'vitest/config'

/** A busy machine stands still for a second or two now and then; what is waited for comes all the same. */
const PATIENCE_MS = 15_000
const expect = { poll: { timeout: PATIENCE_MS } }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          sequence: { groupOrder: 1 },
          include: ['{core,dataplane,operator,hack,bench}/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.redis.test.ts'],
          expect,
          testTimeout: 2 * PATIENCE_MS,
          hookTimeout: 2 * PATIENCE_MS,
        },
      },
      {
        test: {
          name: 'contract',
          // One at a time: a test that keeps the one Redis busy, or its clock, is not another one's trouble.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          include: ['{core,dataplane,operator}/**/*.redis.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: ['test/redis.setup.ts'],
          expect,
          testTimeout: 2 * PATIENCE_MS,
          hookTimeout: 2 * PATIENCE_MS,
        },
      },
      {
        test: {
          name: 'e2e',
          sequence: { groupOrder: 3 },
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/operator/**'],
          globalSetup: ['test/redis.setup.ts'],
          expect,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'operator',
          include: ['test/operator/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: ['test/redis.setup.ts', 'test/control-plane.setup.ts'],
          expect,
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // After the others and one file at a time: each has an API server, operators and data planes of its own.
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
})
