// Tests that take minutes of a machine that does nothing else: `make prove-…` runs them, `make test` does not.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/operator/**/*.prove.ts'],
    globalSetup: ['test/redis.setup.ts', 'test/control-plane.setup.ts'],
    hookTimeout: 120_000,
    maxWorkers: 1,
  },
})
